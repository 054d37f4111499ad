"""Finding records by name."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from provenance_store.kinds import Kind
from provenance_store.sql.read import can_see, named
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = ["others", "versions"]

_record, _version = TABLE["record"], TABLE["version"]


def others(name: str, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """Ids of the newest records of this name that are no model versions."""
    return (
        sa.select(_record.c.id)
        .where(named(name), _record.c.kind != Kind.MODEL.value, can_see(viewer))
        .order_by(_record.c.id.desc())
        .limit(limit)
    )


def versions(name: str, number: int, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """Ids of the versions of models of this name that have a number, the newest first."""
    return (
        sa.select(_record.c.id)
        .join(_version, _version.c.id == _record.c.id)
        .where(named(name), _version.c.depth == number, can_see(viewer))
        .order_by(_record.c.id.desc())
        .limit(limit)
    )
