"""Queries for the evidence of a statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.sql.tables import TABLE

__all__ = ["link_count", "origins"]

_origin, _link = TABLE["origin"], TABLE["link"]


def origins(numbers: Sequence[int]) -> sa.Select[Any]:
    """The writing sessions with these numbers."""
    return sa.select(_origin).where(_origin.c.no.in_(numbers))


def link_count(ids: Sequence[int]) -> sa.Select[Any]:
    """How many links these records have to what they depend on."""
    return sa.select(sa.func.count().label("links")).where(_link.c.from_id.in_(ids))
