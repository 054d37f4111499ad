"""Queries for what became known of records later: links that came late, records that are one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.sql.tables import TABLE

__all__ = ["late_links"]

_late = TABLE["late_link"]


def late_links(ids: Sequence[int]) -> sa.Select[Any]:
    """The links that were added to these records after they were closed, oldest first."""
    return sa.select(_late).where(_late.c.from_id.in_(ids)).order_by(_late.c.at, _late.c.id)
