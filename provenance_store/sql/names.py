"""Finding records by name, and the aliases that versions of models have, and had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.enums import Kind
from provenance_store.sql.query_parts import is_newer, uuid_of
from provenance_store.sql.select import can_see, can_see_run, named
from provenance_store.sql.tables import TABLE
from provenance_store.values import Viewer

__all__ = [
    "aliases_of",
    "counts",
    "has",
    "highest_version",
    "history",
    "named_so",
    "newest_labels",
    "newest_names",
    "of_versions",
    "others",
    "versions",
    "versions_named",
]

_alias, _record = TABLE["alias"], TABLE["record"]


def counts(as_of: int | None) -> sa.ColumnElement[bool]:
    """The condition on `alias` of being the last word on its name, now or at a time."""
    later = _alias.alias()
    newer = [
        later.c.line_id == _alias.c.line_id,
        later.c.name == _alias.c.name,
        is_newer(later, _alias, "at"),
    ]
    if as_of is None:
        return ~sa.exists().where(*newer)
    return sa.and_(_alias.c.at <= as_of, ~sa.exists().where(*newer, later.c.at <= as_of))


def has(version_id: sa.ColumnElement[int], name: str, as_of: int | None) -> sa.ColumnElement[bool]:
    """The condition that a version has an alias, or had it at a time."""
    found = sa.select(_alias.c.version_id).where(_alias.c.name == name, counts(as_of))
    return version_id.in_(found)


def of_versions(ids: Sequence[int], as_of: int | None) -> sa.Select[Any]:
    """(version_id, name) of the aliases of these versions, by name."""
    return (
        sa.select(_alias.c.version_id, _alias.c.name)
        .where(_alias.c.version_id.in_(ids), counts(as_of))
        .order_by(_alias.c.name)
    )


def history(line_id: int) -> sa.Select[Any]:
    """All that was said of the aliases of a line, by name, oldest first."""
    return (
        sa.select(_alias)
        .where(_alias.c.line_id == line_id)
        .order_by(_alias.c.name, _alias.c.at, uuid_of(_alias), _alias.c.id)
    )


def named_so(
    name: str, alias: str, viewer: Viewer, limit: int, *, as_of: int | None = None
) -> sa.Select[Any]:
    """Ids of the versions of models of a name that have an alias, or had it at a time, the newest
    first."""
    return (
        sa.select(_record.c.id)
        .join(_alias, _alias.c.version_id == _record.c.id)
        .where(_alias.c.name == alias, named(name), counts(as_of), can_see(viewer))
        .order_by(_record.c.id.desc())
        .limit(limit)
    )


_record, _version, _run, _alias = (TABLE[name] for name in ("record", "version", "run", "alias"))


def others(name: str, viewer: Viewer, limit: int, *, until: int | None = None) -> sa.Select[Any]:
    """Ids of the newest records of this name that are no model versions, made until a time."""
    in_time = () if until is None else (_record.c.created_at <= until,)
    return (
        sa.select(_record.c.id)
        .where(named(name), _record.c.kind != Kind.MODEL.value, can_see(viewer), *in_time)
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
        .where(named(name), counts(None), can_see(viewer))
        .distinct()
        .order_by(_alias.c.name)
        .limit(limit)
    )
