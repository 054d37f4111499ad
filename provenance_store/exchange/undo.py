"""Imports can be listed, and taken back as a whole while nothing here depends on them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provenance_store.errors import Ambiguous, Conflict, NotFound
from provenance_store.sql import imports
from provenance_store.sql.imports import Entry
from provenance_store.times import format_time

if TYPE_CHECKING:
    import sqlalchemy as sa

    from provenance_store.store import Store

__all__ = ["Undone", "list_imports", "undo_import"]

NAMED = 3
"""So many records that stand in the way are named."""


@dataclass(frozen=True)
class Undone:
    """What was taken back, or would be: the import, and rows by table."""

    entry: Mapping[str, Any]
    rows: Mapping[str, int]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.entry, "rows": dict(self.rows)}


def list_imports(store: Store) -> list[dict[str, Any]]:
    """The imports into a store that can be taken back, the oldest first.

    Each with ``id``, ``at``, ``by`` (the account), ``file``, ``format``, and how many ``records``
    and ``runs`` it brought.
    """
    with store.sink.session.read() as connection:
        return [_document(entry) for entry in imports.entries(connection)]


def undo_import(store: Store, id_: str, *, dry_run: bool = False) -> Undone:
    """Take an import back: its records with all that belongs to them, its runs and its marks.

    `id_` is the id of the import, or its beginning. With `dry_run` nothing changes. Raises NotFound
    or Ambiguous for an id that is no import's, Conflict when something that it did not bring needs
    a record of it, or says something of one.
    """
    session = store.sink.session
    with session.change() as connection:
        entry = _entry(connection, id_)
        _refuse_needed(store, connection, entry)
        rows = imports.remove(connection, entry)
        if dry_run:
            connection.rollback()
    return Undone(_document(entry), rows)


def _entry(connection: sa.Connection, id_: str) -> Entry:
    found = imports.entries(connection, id_.lower()) if id_ else []
    if not found:
        raise NotFound(f"There is no import {id_[:80]} here; `braid import --list` has them all.")
    if len(found) > 1:
        raise Ambiguous(
            f"{id_[:80]} is the beginning of {len(found)} imports.",
            choices=[entry.uuid for entry in found],
            told=[f"{entry.uuid} of {entry.file}" for entry in found],
        )
    return found[0]


def _refuse_needed(store: Store, connection: sa.Connection, entry: Entry) -> None:
    found = dict(itertools.islice(imports.dependents(connection, entry), 1000))
    if found:
        several = [f"{store.sink.urn(i)} {why}" for i, why in sorted(found.items())[:NAMED]]
        more = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise Conflict(
            f"The import {entry.uuid} cannot be taken back, nothing has changed: "
            f"{'; '.join(several)}{more}."
        )


def _document(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.uuid,
        "at": format_time(entry.at),
        "by": entry.by,
        "file": entry.file,
        "format": entry.format,
        "records": entry.count(),
        "runs": len(entry.runs),
    }
