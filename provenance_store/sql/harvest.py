"""Queries for a run that is told afterwards: what is recorded of it already."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from provenance_store.enums import Kind, Mark
from provenance_store.sql.query_parts import each_way
from provenance_store.sql.select import can_see
from provenance_store.sql.step_queries import RECENT
from provenance_store.sql.tables import TABLE
from provenance_store.validation.uris import normal_uri
from provenance_store.values import Viewer

__all__ = ["at_uri", "document", "event", "payload_names", "steps"]

_record, _step, _outcome = TABLE["record"], TABLE["step"], TABLE["outcome"]
_mark, _payload, _uri, _link = TABLE["mark"], TABLE["payload"], TABLE["uri"], TABLE["link"]


def steps(run_id: str, viewer: Viewer) -> sa.Select[Any]:
    """(id, name, type, action_id, ordinal, status, reduced) of the steps of a run, in the order in
    which they began."""
    began = sa.func.coalesce(_step.c.started_at, _record.c.created_at)
    reduced = sa.exists().where(
        _mark.c.record_id == _record.c.id, _mark.c.mark == Mark.REDUCED.value
    )
    return (
        sa.select(
            _record.c.id,
            _record.c.name,
            _step.c.type,
            _step.c.action_id,
            _step.c.ordinal,
            _outcome.c.status,
            reduced.label("reduced"),
        )
        .join(_step, _step.c.id == _record.c.id)
        .outerjoin(_outcome, _outcome.c.id == _record.c.id)
        .where(_record.c.run_id == run_id, _record.c.kind == Kind.STEP.value, can_see(viewer))
        .order_by(began, _record.c.id)
    )


def payload_names(run_id: str) -> sa.Select[Any]:
    """(record_id, name) of the documents that are kept with the steps of a run."""
    return (
        sa.select(_payload.c.record_id, _payload.c.name)
        .join(_record, _record.c.id == _payload.c.record_id)
        .where(_record.c.run_id == run_id, _record.c.kind == Kind.STEP.value)
    )


def document(step_id: int, name: str) -> sa.Select[Any]:
    """(document) of that name that is kept with a step."""
    return sa.select(_payload.c.document).where(
        _payload.c.record_id == step_id, _payload.c.name == name
    )


def event(event_id: int) -> sa.Select[Any]:
    """The event of a run with that id."""
    table = TABLE["run_event"]
    return sa.select(table.c.id).where(table.c.id == event_id)


def at_uri(uri: str, viewer: Viewer, at: int, run_id: str | None) -> sa.Select[Any]:
    """(id) of the newest record at a URI as of a time, one of the run before others; else of one
    that was recorded later and depends on nothing."""
    found = [
        sa.select(
            sa.select(_uri.c.record_id)
            .join(_record, _record.c.id == _uri.c.record_id)
            .where(place, can_see(viewer))
            .order_by(_uri.c.record_id.desc())
            .limit(RECENT)
            .subquery()
        )
        for place in each_way(_uri, normal_uri(uri))
    ]
    recent = sa.union_all(*found).subquery()
    in_time = _record.c.created_at <= at
    depends = sa.exists().where(_link.c.from_id == _record.c.id)
    of_run = sa.func.coalesce(_record.c.run_id, "") == (run_id or "")
    return (
        sa.select(_record.c.id)
        .join(recent, recent.c.record_id == _record.c.id)
        .where(sa.or_(in_time, ~depends))
        .order_by(
            sa.case((in_time, 0), else_=1),
            sa.case((of_run, 0), else_=1),
            _record.c.created_at.desc(),
            _record.c.id.desc(),
        )
        .limit(1)
    )
