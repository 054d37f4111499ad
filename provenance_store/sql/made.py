"""What a step made, or still makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.kinds import CARRIES, Role
from provenance_store.sql.makers import status_of_maker
from provenance_store.sql.read import can_see
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = ["called", "made_by", "statuses", "used_elsewhere"]

_record, _link, _uri = TABLE["record"], TABLE["link"], TABLE["uri"]
_version = TABLE["version"]


def statuses(ids: Sequence[int]) -> sa.Select[Any]:
    """(id, status) of those of these records that are model versions: `status_of_maker`."""
    status = status_of_maker(_version.c.id).label("status")
    return sa.select(_version.c.id, status).where(_version.c.id.in_(ids))


def made_by(step_id: int, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """(id, kind) of at most `limit` visible records that a step made, in the order of ids."""
    return (
        sa.select(_record.c.id, _record.c.kind)
        .join(_link, _link.c.from_id == _record.c.id)
        .where(
            _link.c.to_id == step_id,
            _link.c.role == Role.GENERATED_BY.value,
            can_see(viewer),
        )
        .order_by(_record.c.id)
        .limit(limit)
    )


def called(run_id: str, functions: str, until: int) -> sa.Select[Any]:
    """The ids of the facts, with URIs that begin with `functions`, that steps of a run used which
    were recorded until a time."""
    return (
        sa.select(_link.c.to_id)
        .distinct()
        .join(_record, _record.c.id == _link.c.from_id)
        .join(_uri, _uri.c.record_id == _link.c.to_id)
        .where(
            _record.c.run_id == run_id,
            _record.c.created_at <= until,
            _link.c.role == Role.USED.value,
            _uri.c.uri.startswith(functions, autoescape=True),
        )
    )


def used_elsewhere(ids: Sequence[int], run_id: str) -> sa.Select[Any]:
    """The ids of those of these records that something outside of a run derives from or used."""
    return (
        sa.select(_link.c.to_id)
        .distinct()
        .join(_record, _record.c.id == _link.c.from_id)
        .where(
            _link.c.to_id.in_(ids),
            _link.c.role.in_([role.value for role in CARRIES]),
            sa.func.coalesce(_record.c.run_id, "") != run_id,
        )
    )
