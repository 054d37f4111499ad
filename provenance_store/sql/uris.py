"""Where records lie: conditions on the normal form of a URI.

`uri_norm` is kept only where it differs from `uri`, as it hardly ever does: the normal form of
all others is in the index of `uri` already, and texts of a hundred characters are most of a store.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

__all__ = ["each_way", "hash_of", "lies_at", "norm_of"]

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
