"""Queries for the evidence of a statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.ids import SEQUENCE_BITS
from provenance_store.sql.tables import TABLE

__all__ = ["link_count", "nodes", "origins", "roots", "run_events"]

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
