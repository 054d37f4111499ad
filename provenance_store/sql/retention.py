"""Actions of the provider, and the payload of old records: kept for a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.sql.tables import TABLE

__all__ = [
    "BY_ID",
    "BY_REQUEST",
    "MEMBERS",
    "PAYLOAD",
    "PURGE",
    "RELEASE",
    "SWAP",
    "drop",
    "sizes",
    "visible",
    "with_payload",
]

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


_action, _member = TABLE["action"], TABLE["audience_member"]

BY_ID = sa.select(_action).where(_action.c.action_id == sa.bindparam("action_id"))
BY_REQUEST = sa.select(_action).where(
    _action.c.creator == sa.bindparam("creator"),
    _action.c.request_id == sa.bindparam("request_id"),
)
MEMBERS = sa.select(_member.c.principal, _member.c.level).where(
    _member.c.digest == sa.bindparam("digest")
)
RELEASE = _action.delete().where(_action.c.action_id == sa.bindparam("action_id"))
SWAP = (
    _action.update()
    .where(
        _action.c.action_id == sa.bindparam("which"),
        _action.c.document == sa.bindparam("known"),
    )
    .values(
        status=sa.bindparam("status"),
        document=sa.bindparam("document"),
        release_at=sa.bindparam("release_at"),
    )
)
"""Changes an action that is still as it was read."""
PURGE = _action.delete().where(_action.c.release_at <= sa.bindparam("now"))


def visible(
    principals: Collection[str], statuses: Collection[str], after: tuple[int, str] | None
) -> sa.Select[Any]:
    """Actions whose audience holds one of the principals, newest first."""
    seen = sa.select(_member.c.digest).where(_member.c.principal.in_(principals))
    query = sa.select(_action).where(_action.c.audience.in_(seen))
    if statuses:
        query = query.where(_action.c.status.in_(statuses))
    if after is not None:
        place = sa.tuple_(_action.c.created_at, _action.c.action_id)
        query = query.where(place < sa.tuple_(*map(sa.literal, after)))
    return query.order_by(_action.c.created_at.desc(), _action.c.action_id.desc())
