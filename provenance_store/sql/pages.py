"""Queries for lists and pages: only what a line of a list shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.kinds import Series
from provenance_store.sql import read
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = [
    "kin",
    "last_records",
    "payload_sizes",
    "payloads",
    "revised",
    "run_steps",
    "scores",
    "versions",
    "who_recorded",
]

_record, _step, _metric = TABLE["record"], TABLE["step"], TABLE["metric"]
_payload, _audience, _version = TABLE["payload"], TABLE["audience"], TABLE["version"]


def run_steps(
    run_id: str, viewer: Viewer, after: tuple[int, int] | None, limit: int
) -> sa.Select[Any]:
    """A page of the steps of a run, in the order in which they began; `after` is (began, id)."""
    query = read.run_steps(run_id, viewer)
    if after is not None:
        began = sa.func.coalesce(_step.c.started_at, _record.c.created_at)
        here = sa.tuple_(began, _record.c.id)
        query = query.where(here > sa.tuple_(*map(sa.literal, after)))
    return query.limit(limit)


def last_records(run_ids: Sequence[str]) -> sa.Select[Any]:
    """(run_id, at) of these runs: when the last record of each was made."""
    at = sa.func.max(_record.c.created_at).label("at")
    query = sa.select(_record.c.run_id, at).where(_record.c.run_id.in_(run_ids))
    return query.group_by(_record.c.run_id)


def versions(
    line_id: int, viewer: Viewer, after: tuple[int, int] | None, limit: int
) -> sa.Select[Any]:
    """A page of the versions of a line by number, branches of one number by age; `after` is
    (number, id) of the last one before."""
    query = read.versions(line_id, viewer)
    if after is not None:
        depth, last = after
        other, of_line = _record.alias(), _version.alias()
        made = (
            sa.select(other.c.created_at)
            .join(of_line, of_line.c.id == other.c.id)
            .where(other.c.id == last, of_line.c.line_id == line_id, read.can_see(viewer, other))
            .scalar_subquery()
        )
        here = sa.tuple_(_version.c.depth, _record.c.created_at, _record.c.id)
        query = query.where(here > sa.tuple_(sa.literal(depth), made, sa.literal(last)))
    return query.limit(limit)


def kin(ids: Sequence[int]) -> sa.Select[Any]:
    """(line_id, parent_id) of those of these records that are model versions."""
    return sa.select(_version.c.line_id, _version.c.parent_id).where(_version.c.id.in_(ids))


def revised(ids: Sequence[int], viewer: Viewer) -> sa.Select[Any]:
    """(parent_id) of those of these versions that another one revises, as the viewer sees it."""
    revision = _record.alias()
    return (
        sa.select(_version.c.parent_id)
        .join(revision, revision.c.id == _version.c.id)
        .join(_record, _record.c.id == _version.c.parent_id)
        .where(_version.c.parent_id.in_(ids), read.revises(viewer, revision))
        .distinct()
    )


def scores(ids: Sequence[int]) -> sa.Select[Any]:
    """The validation scores of these records, without their curves."""
    return read.details("metric", ids).where(_metric.c.series == Series.SCORE.value)


def payload_sizes(ids: Sequence[int]) -> sa.Select[Any]:
    """(record_id, name, size) of the documents kept with these records, by record and name."""
    size = sa.func.length(_payload.c.document).label("size")
    return (
        sa.select(_payload.c.record_id, _payload.c.name, size)
        .where(_payload.c.record_id.in_(ids))
        .order_by(_payload.c.record_id, _payload.c.name)
    )


def payloads(ids: Sequence[int], names: Sequence[str]) -> sa.Select[Any]:
    """The documents of these names that are kept with these records."""
    return read.details("payload", ids).where(_payload.c.name.in_(names))


def who_recorded(audiences: Sequence[str]) -> sa.Select[Any]:
    """(digest, owner) of these audiences."""
    return sa.select(_audience.c.digest, _audience.c.owner).where(_audience.c.digest.in_(audiences))
