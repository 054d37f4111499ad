"""The order of changes: by time, then by the origin's UUID, then by its own sequence.

Local numbers of origins differ from store to store, so that they cannot decide which of two
changes of the same microsecond counts: stores that were merged in another order must agree.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from provenance_store.ids import SEQUENCE_BITS
from provenance_store.sql.tables import TABLE

__all__ = ["is_newer", "uuid_of"]

_origin = TABLE["origin"]


def is_newer(later: Any, than: Any, at: str) -> sa.ColumnElement[bool]:
    """The condition that a row of a table counts after another; `at` names their time."""
    same_time = later.c[at] == than.c[at]
    same_origin = _number(later.c.id) == _number(than.c.id)
    return sa.or_(
        later.c[at] > than.c[at],
        sa.and_(
            same_time,
            sa.case((same_origin, later.c.id > than.c.id), else_=_uuid(later) > _uuid(than)),
        ),
    )


def uuid_of(table: Any) -> sa.ScalarSelect[str]:
    """The UUID of the origin that made a row, to order rows of the same time by."""
    return _uuid(table)


def _number(record_id: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return record_id.op(">>")(sa.literal_column(str(SEQUENCE_BITS)))


def _uuid(table: Any) -> sa.ScalarSelect[str]:
    origin = _origin.alias()
    query = sa.select(origin.c.uuid).where(origin.c.no == _number(table.c.id))
    return query.correlate(table).scalar_subquery()
