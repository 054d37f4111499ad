"""Points of convergence curves that are in the store."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from provenance_store.rows import MetricRow
from provenance_store.sql.chunks import chunks
from provenance_store.sql.tables import TABLE

__all__ = ["points_at"]

_metric = TABLE["metric"]
_KEY = (_metric.c.record_id, _metric.c.series, _metric.c.name, _metric.c.step)


def points_at(connection: sa.Connection, rows: Sequence[MetricRow]) -> list[MetricRow]:
    """What stands at the places of these points."""
    found: list[MetricRow] = []
    for chunk in chunks([row[:4] for row in rows]):
        query = sa.select(_metric).where(sa.tuple_(*_KEY).in_(chunk))
        found += [MetricRow(*row) for row in connection.execute(query)]
    return found
