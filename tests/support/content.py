"""What a store holds, told the same whatever numbers it gave to origins."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa

from provenance_store import Store
from provenance_store.ids import MAX_SEQUENCE, SEQUENCE_BITS
from provenance_store.sql.insert import ID_COLUMNS
from provenance_store.sql.tables import TABLE

__all__ = ["content"]

Content = dict[str, Counter[tuple[Any, ...]]]


def content(store: Store) -> Content:
    """The rows of every table, ids as (UUID of the origin, sequence)."""
    with store.sink.session.read() as connection:
        origins = connection.execute(sa.select(TABLE["origin"])).all()
        uuids = {row.no: row.uuid for row in origins}
        found: Content = {"origin": Counter(tuple(row[1:]) for row in origins)}
        for name, table in TABLE.items():
            if name not in ("origin", "action"):
                rows = connection.execute(sa.select(table))
                found[name] = Counter(_named(row, ID_COLUMNS[name], uuids) for row in rows)
    return found


def _named(row: Any, ids: frozenset[str], uuids: dict[int, str]) -> tuple[Any, ...]:
    return tuple(
        (uuids[value >> SEQUENCE_BITS], value & MAX_SEQUENCE)
        if name in ids and value is not None
        else value
        for name, value in row._mapping.items()
    )
