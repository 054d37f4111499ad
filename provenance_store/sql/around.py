"""Queries for what stands around records: their environments, their runs, what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.sql import read
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import Viewer

__all__ = ["environments", "runs", "stubs"]

_environment, _run = TABLE["environment"], TABLE["run"]
_audience, _stub = TABLE["audience"], TABLE["stub"]


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


def stubs(ids: Sequence[int]) -> sa.Select[Any]:
    """Those of these nodes that a slice left out."""
    return sa.select(_stub).where(_stub.c.id.in_(ids))
