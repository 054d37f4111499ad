"""Statements of a little science, and changing what is behind their back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from provenance_store import Store
from provenance_store.rows import FileCheckRow
from provenance_store.sql.tables import TABLE
from provenance_store.statement.verdict import Verdict, judge
from tests.support.science import Science

__all__ = ["Statement", "change", "check_file", "gaps", "made", "verified", "where"]

Statement = dict[str, Any]


def made(store: Store, science: Science) -> Statement:
    return store.documents().statement(science.peaks.urn)


def gaps(statement: Statement) -> dict[str, dict[str, Any]]:
    return {gap["what"]: gap for gap in statement["predicate"]["not_supported"]}


def verified(store: Store, statement: Statement) -> Verdict:
    evidence = statement["predicate"]["evidence"]
    return judge(statement, None, look=lambda: store.documents().evidence_again(evidence))


def change(store: Store, *statements: sa.Executable) -> None:
    """What somebody with the database's password can do."""
    with store.sink.session.engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def where(table: str, **columns: Any) -> sa.Update:
    chosen = TABLE[table]
    return sa.update(chosen).where(*(chosen.c[name] == value for name, value in columns.items()))


def check_file(store: Store, urn: str, uri: str, digest: str, at: int) -> None:
    sink = store.sink
    with store.transaction() as batch:
        row = FileCheckRow(sink.resolve(urn), sink.new_id(), uri, at, 3, digest)
        batch.file_check.append(row)
