"""Queries for what became known of records later: links that came late, records that are one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.sql.read import can_see
from provenance_store.sql.tables import TABLE
from provenance_store.sql.uris import lies_at, norm_of
from provenance_store.viewer import Viewer

__all__ = [
    "any_same",
    "at_same_uris",
    "late_links",
    "late_links_after",
    "said_both_ways",
    "same_after",
    "same_things",
    "steps_of_run",
]

_late, _record, _step = TABLE["late_link"], TABLE["record"], TABLE["step"]
_outcome, _uri = TABLE["outcome"], TABLE["uri"]
_same = TABLE["same_as"]
CALLING_NOBODY = ("Pass", "Choice", "Wait", "Fail", "ExpressionEval")
"""Types of states that only direct a run: they read and make no files."""


def late_links(ids: Sequence[int]) -> sa.Select[Any]:
    """The links that were added to these records after they were closed, oldest first."""
    return sa.select(_late).where(_late.c.from_id.in_(ids)).order_by(_late.c.at, _late.c.id)


def late_links_after(at: int) -> sa.Select[Any]:
    """(from_id, to_id, role) of the links that were added later than at a time."""
    return sa.select(_late.c.from_id, _late.c.to_id, _late.c.role).where(_late.c.at > at)


def steps_of_run(run_id: str, at: int, viewer: Viewer) -> sa.Select[Any]:
    """(id, name, status) of the steps of a run that called somebody and were recorded until a
    time, in the order in which they began."""
    began = sa.func.coalesce(_step.c.started_at, _record.c.created_at)
    return (
        sa.select(_record.c.id, _record.c.name, _outcome.c.status)
        .join(_step, _step.c.id == _record.c.id)
        .outerjoin(_outcome, _outcome.c.id == _record.c.id)
        .where(
            _record.c.run_id == run_id,
            _record.c.created_at <= at,
            _step.c.type.not_in(CALLING_NOBODY),
            can_see(viewer),
        )
        .order_by(began, _record.c.id)
    )


# ---- records that are one thing --------------------------------------------------------


def any_same() -> sa.Select[Any]:
    """A row when there are records that are one thing."""
    return sa.select(_same.c.record_id).limit(1)


def said_both_ways() -> sa.ColumnElement[bool]:
    """The condition on `same_as` that it was said of the other record too: who may add to one
    record only cannot make it one with another's."""
    back = _same.alias()
    return (
        sa.exists()
        .where(back.c.record_id == _same.c.other_id, back.c.other_id == _same.c.record_id)
        .correlate(_same)
    )


def same_after(at: int) -> sa.Select[Any]:
    """(record_id, other_id) of what was said later than at a time, of one or of the other."""
    return sa.select(_same.c.record_id, _same.c.other_id).where(_same.c.at > at)


def same_things(ids: Sequence[int]) -> sa.Select[Any]:
    """Which other records are one thing with these, and by which digest."""
    return (
        sa.select(_same)
        .where(_same.c.record_id.in_(ids), said_both_ways())
        .order_by(_same.c.record_id, _same.c.other_id)
    )


def at_same_uris(record_id: int, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """(id, uri) of other records at a place of this one."""
    other = _uri.alias()
    return (
        sa.select(_record.c.id, other.c.uri)
        .select_from(_uri)
        .join(other, lies_at(other, norm_of(_uri)))
        .join(_record, _record.c.id == other.c.record_id)
        .where(_uri.c.record_id == record_id, other.c.record_id != record_id, can_see(viewer))
        .order_by(other.c.record_id.desc())
        .limit(limit)
    )
