"""Queries for what became known of records later: links that came late, records that are one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.sql.read import can_see
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = ["late_links", "late_links_after", "steps_of_run"]

_late, _record, _step = TABLE["late_link"], TABLE["record"], TABLE["step"]
_outcome = TABLE["outcome"]
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
