"""Invalidation: what is invalid, and what follows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.kinds import Mark, Role
from provenance_store.sql.read import can_see
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = ["CARRIES", "causes"]

CARRIES = tuple(role for role in Role if role is not Role.INFORMED_BY)
"""The roles that invalidity follows, from what is depended on to what depends.

A step that was only informed by an earlier one did not use what that one made.
"""

_mark, _taint, _record = TABLE["mark"], TABLE["taint"], TABLE["record"]
_OF_VALIDITY = (Mark.INVALIDATED.value, Mark.RESTORED.value)


def causes(ids: Sequence[int], viewer: Viewer) -> sa.Select[Any]:
    """(record_id, root_id, id of the mark, at, note, seen) for those of these records that are
    invalid, by record, oldest mark first."""
    seen: sa.ColumnElement[Any] = sa.literal(1)
    if not viewer.everything:
        seen = sa.exists().where(_record.c.id == _taint.c.root_id, can_see(viewer))
    return (
        sa.select(
            _taint.c.record_id,
            _taint.c.root_id,
            _mark.c.id,
            _mark.c.at,
            _mark.c.note,
            seen.label("seen"),
        )
        .join(_mark, _mark.c.record_id == _taint.c.root_id)
        .where(_taint.c.record_id.in_(ids), _in_force())
        .order_by(_taint.c.record_id, _mark.c.at, _mark.c.id)
    )


def _in_force() -> sa.ColumnElement[bool]:
    """The condition on `mark` to invalidate its record and to be the last word on that.

    At the same microsecond the word that restores counts, in every store alike.
    """
    later = _mark.alias()
    newer = sa.tuple_(later.c.at, later.c.mark, later.c.id) > sa.tuple_(
        _mark.c.at, _mark.c.mark, _mark.c.id
    )
    return sa.and_(
        _mark.c.mark == Mark.INVALIDATED.value,
        ~sa.exists().where(
            later.c.record_id == _mark.c.record_id, later.c.mark.in_(_OF_VALIDITY), newer
        ),
    )
