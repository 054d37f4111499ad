"""Stubs that become records, or get their names."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from provenance_store.sql.dialects import changed
from provenance_store.sql.tables import TABLE

__all__ = ["fill_stubs"]

_stub, _record = TABLE["stub"], TABLE["record"]


def fill_stubs(connection: sa.Connection, known: Any) -> int:
    """Take away the stubs of records that are here now, and say how many; name those that
    `known`, other stubs, have names of."""
    if connection.execute(sa.select(_stub.c.id).limit(1)).first() is None:
        return 0
    here = sa.exists().where(_record.c.id == _stub.c.id)
    filled = changed(connection, _stub.delete().where(here))
    name = sa.select(known.c.name).where(known.c.id == _stub.c.id, known.c.name.is_not(None))
    unnamed = _stub.c.name.is_(None), name.exists()
    connection.execute(_stub.update().where(*unnamed).values(name=name.scalar_subquery()))
    return filled
