"""Queries for what is exported and imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.sql import read
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = ["all_ids", "known", "known_runs", "marks", "members", "of_run"]

_record, _run, _member = TABLE["record"], TABLE["run"], TABLE["audience_member"]
_mark = TABLE["mark"]


def all_ids(viewer: Viewer, limit: int) -> sa.Select[Any]:
    """The ids of all records that the viewer may see."""
    query = sa.select(_record.c.id).where(read.can_see(viewer))
    return query.order_by(_record.c.id).limit(limit)


def of_run(run_id: str, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """The ids of the records of a run that the viewer may see."""
    query = sa.select(_record.c.id).where(_record.c.run_id == run_id, read.can_see(viewer))
    return query.order_by(_record.c.id).limit(limit)


def members(audiences: Sequence[str]) -> sa.Select[Any]:
    """(digest, principal) of all that may read what has one of these audiences."""
    query = sa.select(_member.c.digest, _member.c.principal).where(_member.c.digest.in_(audiences))
    return query.order_by(_member.c.digest, _member.c.principal)


def known(ids: Sequence[int]) -> sa.Select[Any]:
    """(id, kind, name, created_at) of those of these records that are here, seen or not."""
    columns = (_record.c.id, _record.c.kind, _record.c.name, _record.c.created_at)
    return sa.select(*columns).where(_record.c.id.in_(ids))


def marks(record_ids: Sequence[int]) -> sa.Select[Any]:
    """The rows of `mark` of these records."""
    return sa.select(*_mark.c).where(_mark.c.record_id.in_(record_ids))


def known_runs(run_ids: Sequence[str]) -> sa.Select[Any]:
    """(run_id) of those of these runs that are here, whoever may see them."""
    return sa.select(_run.c.run_id).where(_run.c.run_id.in_(run_ids))
