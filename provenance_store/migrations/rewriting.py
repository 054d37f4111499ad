"""Tables of SQLite that a migration writes anew: no column or key is changed in place there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

__all__ = ["replace_table"]


def replace_table(
    name: str,
    items: Sequence[sa.schema.SchemaItem],
    new: Mapping[str, sa.ColumnElement[Any]],
    *,
    with_rowid: bool = False,
) -> None:
    """Write a table anew, with the columns `new` filled by these expressions on the old one.

    Its indexes are gone then."""
    old = f"{name}_before"
    inspector = sa.inspect(op.get_bind())
    for index in inspector.get_indexes(name):
        op.drop_index(str(index["name"]), name)
    op.rename_table(name, old)
    op.create_table(name, *items, **({} if with_rowid else {"sqlite_with_rowid": False}))
    names = [item.name for item in items if isinstance(item, sa.Column)]
    source = sa.table(old, *map(sa.column, names)).alias(name)
    query = sa.select(*(new.get(n, source.c[n]).label(n) for n in names)).select_from(source)
    op.execute(sa.table(name, *map(sa.column, names)).insert().from_select(names, query))
    op.drop_table(old)
