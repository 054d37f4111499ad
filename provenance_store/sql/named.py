"""Finding records by name."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from provenance_store.kinds import Kind
from provenance_store.sql import aliases
from provenance_store.sql.read import can_see, can_see_run, named
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = [
    "aliases_of",
    "highest_version",
    "newest_labels",
    "newest_names",
    "others",
    "versions",
    "versions_named",
]

_record, _version, _run, _alias = (TABLE[name] for name in ("record", "version", "run", "alias"))


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


def newest_names(viewer: Viewer, limit: int, *, models: bool = False) -> sa.Select[Any]:
    """The names of the newest records, or with `models` of the models that began last."""
    newest = sa.select(_record.c.name).where(can_see(viewer))
    if models:
        begins = _version.c.id == _version.c.line_id
        newest = newest.join(_version, _version.c.id == _record.c.id).where(begins)
    some = newest.order_by(_record.c.created_at.desc()).limit(limit).subquery()
    return sa.select(some.c.name).distinct().order_by(some.c.name)


def newest_labels(viewer: Viewer, limit: int) -> sa.Select[Any]:
    """The labels of the newest runs."""
    newest = sa.select(_run.c.label.label("name")).where(can_see_run(viewer))
    some = newest.order_by(_run.c.start_time.desc()).limit(limit).subquery()
    return sa.select(some.c.name).where(some.c.name.is_not(None)).distinct().order_by(some.c.name)


def versions_named(name: str, viewer: Viewer) -> sa.Select[Any]:
    """The id of any version of a model of this name."""
    return (
        sa.select(_record.c.id)
        .join(_version, _version.c.id == _record.c.id)
        .where(named(name), can_see(viewer))
        .limit(1)
    )


def highest_version(name: str, viewer: Viewer) -> sa.Select[Any]:
    """The highest number that a version of a model of this name has."""
    return (
        sa.select(_version.c.depth)
        .join(_record, _record.c.id == _version.c.id)
        .where(named(name), can_see(viewer))
        .order_by(_version.c.depth.desc())
        .limit(1)
    )


def aliases_of(name: str, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """The aliases that versions of models of this name have."""
    return (
        sa.select(_alias.c.name)
        .join(_record, _record.c.id == _alias.c.version_id)
        .where(named(name), aliases.counts(None), can_see(viewer))
        .distinct()
        .order_by(_alias.c.name)
        .limit(limit)
    )
