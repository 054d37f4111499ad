"""Names that versions of models have, and had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.sql.order import is_newer, uuid_of
from provenance_store.sql.read import can_see, named
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = ["counts", "has", "history", "named_so", "of_versions"]

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


def named_so(name: str, alias: str, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """Ids of the versions of models of a name that have an alias, the newest first."""
    return (
        sa.select(_record.c.id)
        .join(_alias, _alias.c.version_id == _record.c.id)
        .where(_alias.c.name == alias, named(name), counts(None), can_see(viewer))
        .order_by(_record.c.id.desc())
        .limit(limit)
    )
