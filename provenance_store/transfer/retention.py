"""Retention: what old records carry is dropped, that they were and what they led to stays.

Tags, metrics and documents (parameters, results, hyperparameters) go; nodes, links, URIs with
their sizes and digests, runs and marks stay, and a mark says of each record that it was reduced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from provenance_store.enums import Mark
from provenance_store.ids import now
from provenance_store.rows import MarkRow
from provenance_store.sinks.database import DatabaseSink
from provenance_store.sql import retention as sql
from provenance_store.sql.dialects import changed
from provenance_store.times import datetime_of, format_time, rfc3339

__all__ = ["Reduced", "reduce"]

AT_ONCE = 500
"""How many records are reduced in one transaction, so that other writers are not kept waiting."""


@dataclass(frozen=True)
class Reduced:
    """What was dropped, or would be: of how many records made before that time, and how many
    rows by table."""

    before: datetime
    records: int
    rows: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "before": rfc3339(self.before),
            "records": self.records,
            "rows": dict(self.rows),
        }


def reduce(
    sink: DatabaseSink,
    *,
    before: int,
    dry_run: bool = False,
    progress: Callable[[int], object] = lambda records: None,
) -> Reduced:
    """Drop the payload of records made before a time; see `Store.reduce`."""
    if dry_run:
        return _told(sink, before)
    records, last = 0, 0
    rows = dict.fromkeys(sql.PAYLOAD, 0)
    note = f"made before {format_time(before)}"
    sink.new_id()  # registers the origin before anything takes the write lock
    while True:
        with sink.session.change() as connection:
            query = sql.with_payload(before, last, AT_ONCE)
            ids = connection.execute(query).scalars().all()
            if not ids:
                break
            connection.execute(sql.drop("parameter", ids))
            for name in sql.PAYLOAD:
                rows[name] += changed(connection, sql.drop(name, ids))
            marks = [MarkRow(sink.new_id(), i, Mark.REDUCED.value, now(), note, None) for i in ids]
            sink.writer.statements.insert(connection, "mark", marks)
        records, last = records + len(ids), ids[-1]
        progress(len(ids))
    return Reduced(datetime_of(before), records, _some(rows))


def _told(sink: DatabaseSink, before: int) -> Reduced:
    records, last = 0, 0
    with sink.session.read() as connection:
        queries = sql.sizes(before)
        rows = {n: int(connection.execute(q).scalar_one()) for n, q in queries.items()}
        while ids := connection.execute(sql.with_payload(before, last, 10_000)).scalars().all():
            records, last = records + len(ids), ids[-1]
    return Reduced(datetime_of(before), records, _some(rows))


def _some(rows: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in rows.items() if count}
