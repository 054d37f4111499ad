"""Small parts of many queries: long lists in pieces, the order of changes, conditions on URIs.

Changes are in order of their time, then of their origin's UUID, then of its own sequence. Local
numbers of origins differ from store to store, so they cannot decide which of two changes of the
same microsecond counts: stores that were merged in another order must agree.

`uri_norm` is kept only where it differs from `uri`, which is rare: texts of a hundred characters
are most of a store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from provenance_store.ids import SEQUENCE_BITS
from provenance_store.sql.tables import TABLE

__all__ = ["chunks", "each_way", "hash_of", "is_newer", "lies_at", "norm_of", "uuid_of"]

CHUNK = 500
T = TypeVar("T")


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in their order, CHUNK at a time."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


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


Norm = str | sa.ColumnElement[Any]


def norm_of(uri: sa.FromClause) -> sa.ColumnElement[str]:
    """The normal form of a row's URI."""
    return sa.func.coalesce(uri.c.uri_norm, uri.c.uri)


def hash_of(text: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """PostgreSQL's hash of a text, which stands for a URI in its indexes."""
    return sa.func.hashtextextended(text, sa.literal_column("0"))


def lies_at(uri: sa.FromClause, norm: Norm) -> sa.ColumnElement[bool]:
    """The condition that a row's URI has a normal form."""
    return sa.or_(*each_way(uri, norm))


def each_way(
    uri: sa.FromClause, norm: Norm
) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """`lies_at` as two conditions of which a row fulfils one: each has an index that gives its rows
    in the order of records, so that the newest of very many are found at once."""
    return sa.and_(uri.c.uri == norm, uri.c.uri_norm.is_(None)), uri.c.uri_norm == norm
