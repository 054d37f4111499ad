"""Queries for the evidence of a statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.sql import read
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = ["environments", "link_count", "origins", "runs", "stubs"]

_origin, _environment, _run = TABLE["origin"], TABLE["environment"], TABLE["run"]
_audience, _stub, _link = TABLE["audience"], TABLE["stub"], TABLE["link"]


def origins(numbers: Sequence[int]) -> sa.Select[Any]:
    """The writing sessions with these numbers."""
    return sa.select(_origin).where(_origin.c.no.in_(numbers))


def link_count(ids: Sequence[int]) -> sa.Select[Any]:
    """How many links these records have to what they depend on."""
    return sa.select(sa.func.count().label("links")).where(_link.c.from_id.in_(ids))


def stubs(ids: Sequence[int]) -> sa.Select[Any]:
    """Those of these nodes that a slice left out."""
    return sa.select(_stub).where(_stub.c.id.in_(ids))


def environments(digests: Sequence[str]) -> sa.Select[Any]:
    """The environment documents with these digests."""
    return sa.select(_environment).where(_environment.c.digest.in_(digests))


def runs(run_ids: Sequence[str], viewer: Viewer) -> sa.Select[Any]:
    """Those of these runs that the viewer may see, with the owner of the audience of each: who
    recorded it."""
    return (
        sa.select(_run, _audience.c.owner)
        .select_from(_run.outerjoin(_audience, _audience.c.digest == _run.c.audience))
        .where(_run.c.run_id.in_(run_ids), read.can_see_run(viewer))
    )
