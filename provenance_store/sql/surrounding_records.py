"""Queries for what stands around records, for statements and exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.ids import SEQUENCE_BITS
from provenance_store.sql import select
from provenance_store.sql.tables import TABLE
from provenance_store.values import Viewer

__all__ = [
    "all_ids",
    "environments",
    "known",
    "known_runs",
    "link_count",
    "marks",
    "members",
    "nodes",
    "of_run",
    "origins",
    "roots",
    "run_events",
    "runs",
    "stubs",
]

_environment, _run = TABLE["environment"], TABLE["run"]
_audience, _stub = TABLE["audience"], TABLE["stub"]


def environments(digests: Sequence[str]) -> sa.Select[Any]:
    """The environment documents with these digests."""
    return sa.select(_environment).where(_environment.c.digest.in_(digests))


def runs(run_ids: Sequence[str], viewer: Viewer) -> sa.Select[Any]:
    """Those of these runs that the viewer may see, with the owner of the audience of each: who
    recorded it."""
    return (
        sa.select(_run, _audience.c.owner)
        .select_from(_run.outerjoin(_audience, _audience.c.digest == _run.c.audience))
        .where(_run.c.run_id.in_(run_ids), select.can_see_run(viewer))
    )


def stubs(ids: Sequence[int]) -> sa.Select[Any]:
    """Those of these nodes that a slice left out."""
    return sa.select(_stub).where(_stub.c.id.in_(ids))


_origin, _link, _record = TABLE["origin"], TABLE["link"], TABLE["record"]
_run, _event, _taint = TABLE["run"], TABLE["run_event"], TABLE["taint"]


def origins(numbers: Sequence[int]) -> sa.Select[Any]:
    """The writing sessions with these numbers."""
    return sa.select(_origin).where(_origin.c.no.in_(numbers))


def link_count(ids: Sequence[int]) -> sa.Select[Any]:
    """How many links these records have to what they depend on."""
    return sa.select(sa.func.count().label("links")).where(_link.c.from_id.in_(ids))


def nodes(ids: Sequence[int]) -> sa.Select[Any]:
    """Of these records kind, name and run, and the audiences of both."""
    return (
        sa.select(
            _record.c.id,
            _record.c.kind,
            _record.c.name,
            _record.c.run_id,
            _record.c.audience,
            _run.c.audience.label("run_audience"),
        )
        .select_from(_record.outerjoin(_run, _run.c.run_id == _record.c.run_id))
        .where(_record.c.id.in_(ids))
    )


def run_events(run_ids: Sequence[str]) -> sa.Select[Any]:
    """All that was said of these runs, oldest first, and when the session that said it began."""
    origin_no = _event.c.id.op(">>")(sa.literal_column(str(SEQUENCE_BITS)))
    return (
        sa.select(_event, _origin.c.started_at.label("session_started_at"))
        .select_from(_event.outerjoin(_origin, _origin.c.no == origin_no))
        .where(_event.c.run_id.in_(run_ids))
        .order_by(_event.c.run_id, _event.c.at, _event.c.id)
    )


def roots(ids: Sequence[int]) -> sa.Select[Any]:
    """(record_id, root_id) for each record that these derive from which was invalidated once."""
    return sa.select(_taint).where(_taint.c.record_id.in_(ids))


_record, _run, _member = TABLE["record"], TABLE["run"], TABLE["audience_member"]
_mark = TABLE["mark"]


def all_ids(viewer: Viewer, limit: int) -> sa.Select[Any]:
    """The ids of all records that the viewer may see."""
    query = sa.select(_record.c.id).where(select.can_see(viewer))
    return query.order_by(_record.c.id).limit(limit)


def of_run(run_id: str, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """The ids of the records of a run that the viewer may see."""
    query = sa.select(_record.c.id).where(_record.c.run_id == run_id, select.can_see(viewer))
    return query.order_by(_record.c.id).limit(limit)


def members(audiences: Sequence[str]) -> sa.Select[Any]:
    """(digest, principal) of all that may read what has one of these audiences."""
    query = sa.select(_member.c.digest, _member.c.principal).where(_member.c.digest.in_(audiences))
    return query.order_by(_member.c.digest, _member.c.principal)


def known(ids: Sequence[int]) -> sa.Select[Any]:
    """(id, kind, name, created_at) of those of these records that are here, seen or not."""
    columns = (_record.c.id, _record.c.kind, _record.c.name, _record.c.created_at)
    return sa.select(*columns).where(_record.c.id.in_(ids))


def marks(record_ids: Sequence[int]) -> sa.Select[Any]:
    """The rows of `mark` of these records."""
    return sa.select(*_mark.c).where(_mark.c.record_id.in_(record_ids))


def known_runs(run_ids: Sequence[str]) -> sa.Select[Any]:
    """(run_id) of those of these runs that are here, whoever may see them."""
    return sa.select(_run.c.run_id).where(_run.c.run_id.in_(run_ids))
