"""Indexes that are made while others write."""

from __future__ import annotations

import time

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, DropIndex

__all__ = ["index_runs"]

INDEX_LOCK = 0x62726178
PAUSE_SECONDS = 0.05

_record = sa.Table(
    "record", sa.MetaData(), sa.Column("id", sa.BigInteger), sa.Column("run_id", sa.Text)
)


def index_runs(engine: sa.Engine) -> None:
    """Make on PostgreSQL the index of the records of a run that schema 0005 has, and drop the one
    that it replaces; where it is there already nothing changes.

    A migration is one transaction, in which PostgreSQL would let nobody write from the beginning
    of this to its end. Outside of one it takes longer, for it waits for all that was going on when
    it began, and others go on. What is cut off leaves an index that is not used: it is made anew.
    """
    if engine.dialect.name != "postgresql":
        return
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.detach()  # it is closed at the end, and with it goes what is set and locked here
        connection.execute(sa.select(sa.func.set_config("lock_timeout", "0", False)))
        # Who waited inside a statement would be waited for by whoever makes the index.
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(INDEX_LOCK))):
            time.sleep(PAUSE_SECONDS)
        _replace(connection)


def _replace(connection: sa.Connection) -> None:
    new = sa.Index(
        "ix_record_run_id_id",
        _record.c.run_id,
        _record.c.id,
        postgresql_concurrently=True,
        postgresql_where=_record.c.run_id.is_not(None),
    )
    old = sa.Index("ix_record_run_id", _record.c.run_id, postgresql_concurrently=True)
    if not connection.scalar(_is_whole(str(new.name))):
        connection.execute(DropIndex(new, if_exists=True))
        connection.execute(CreateIndex(new))
    connection.execute(DropIndex(old, if_exists=True))


def _is_whole(name: str) -> sa.Select[tuple[bool]]:
    index = sa.table("pg_index", sa.column("indexrelid"), sa.column("indisvalid", sa.Boolean))
    return sa.select(index.c.indisvalid).where(index.c.indexrelid == sa.func.to_regclass(name))
