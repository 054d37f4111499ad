"""Queries for what steps made."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from provenance_store.kinds import Role
from provenance_store.sql.read import can_see
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = ["made_by", "made_with"]

_record, _link = TABLE["record"], TABLE["link"]


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


def made_with(record_id: int, used: Collection[int]) -> sa.Select[Any]:
    """A row when a step that used one of these records made this one."""
    other = _link.alias()
    return (
        sa.select(_link.c.to_id)
        .join(other, other.c.from_id == _link.c.to_id)
        .where(
            _link.c.from_id == record_id,
            _link.c.role == Role.GENERATED_BY.value,
            other.c.role == Role.USED.value,
            other.c.to_id.in_(used),
        )
        .limit(1)
    )
