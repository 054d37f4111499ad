"""Dropping the payload of old records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.sql.tables import TABLE

__all__ = ["PAYLOAD", "drop", "sizes", "with_payload"]

PAYLOAD = ("tag", "metric", "payload")
"""The tables of what can be dropped: nodes, links, URIs and digests stay."""

_record = TABLE["record"]


def _old(before: int) -> sa.ColumnElement[bool]:
    return _record.c.created_at < before


def with_payload(before: int, after: int, limit: int) -> sa.Select[Any]:
    """Ids of the next records after one, by id, that are old and have any payload."""
    has_any = sa.or_(*(sa.exists().where(TABLE[n].c.record_id == _record.c.id) for n in PAYLOAD))
    return (
        sa.select(_record.c.id)
        .where(_record.c.id > after, _old(before), has_any)
        .order_by(_record.c.id)
        .limit(limit)
    )


def sizes(before: int) -> dict[str, sa.Select[Any]]:
    """For each table, the query of how many rows old records have there."""
    return {
        name: sa.select(sa.func.count())
        .select_from(TABLE[name])
        .join(_record, _record.c.id == TABLE[name].c.record_id)
        .where(_old(before))
        for name in PAYLOAD
    }


def drop(name: str, ids: Sequence[int]) -> sa.Delete:
    """Drop the rows of these records."""
    return TABLE[name].delete().where(TABLE[name].c.record_id.in_(ids))
