"""Create, recognise and migrate a store's schema; safe when two programs start at once."""

from __future__ import annotations

import re

import sqlalchemy as sa

from provenance_store.errors import NotFound, SchemaMismatch
from provenance_store.sql.dialects import advisory_lock, begin_write
from provenance_store.sql.failures import PUT_BACK
from provenance_store.sql.online_indexes import index_runs
from provenance_store.sql.tables import METADATA, SCHEMA_VERSION, TABLE

__all__ = [
    "MIN_READER",
    "MIN_WRITER",
    "NO_STORE",
    "SCHEMA_VERSION",
    "create",
    "current_version",
    "require_compatible",
    "require_current",
    "require_known",
    "require_not_newer",
    "stamp",
    "upgrade",
]

MIN_READER = "0004"
"""The oldest schema whose Braid can read a store of this one."""
MIN_WRITER = "0004"
"""The oldest schema whose Braid can write to a store of this one: it fills in every column that
must not be empty."""

NO_STORE = f"There is no store here yet; `braid store init` makes one, {PUT_BACK}."
_NUMBER = re.compile("[0-9]{4}")
_VERSION = sa.table("alembic_version", sa.column("version_num"))
_info = TABLE["store_info"]


def current_version(connection: sa.Connection) -> str | None:
    """The schema's revision, or None when there is no store yet.

    Raises NotFound when the database holds tables that are not a store's.
    """
    names = set(sa.inspect(connection).get_table_names())
    if "alembic_version" in names and "record" in names and "origin" in names:
        return connection.execute(sa.select(_VERSION.c.version_num)).scalar()
    if names - {"alembic_version"} or _is_stamped(connection, names):
        raise NotFound("This database holds other tables and no Braid store.")
    return None


def _is_stamped(connection: sa.Connection, names: set[str]) -> bool:
    """Whether somebody's migrations left their revision here, if nothing else."""
    if "alembic_version" not in names:
        return False
    found = connection.execute(sa.select(_VERSION.c.version_num)).scalar()
    return found is not None


def create(engine: sa.Engine) -> None:
    """Create the newest schema unless some schema is there already."""
    with engine.connect() as connection:
        if current_version(connection) is not None:
            return
        connection.rollback()
        begin_write(connection)
        advisory_lock(connection)
        if current_version(connection) is None:
            METADATA.create_all(connection)
            stamp(connection)
        connection.commit()


def stamp(connection: sa.Connection, name: str | None = None) -> None:
    """Write down which schema this is, in the database or an attached one of that name."""
    stamp = sa.Table(
        "alembic_version",
        sa.MetaData(schema=name),
        sa.Column("version_num", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    stamp.create(connection, checkfirst=True)
    connection.execute(stamp.insert().values(version_num=SCHEMA_VERSION))
    info = TABLE["store_info"].to_metadata(sa.MetaData(schema=name)) if name else _info
    limits = {"min_reader": MIN_READER, "min_writer": MIN_WRITER}
    rows = [{"name": key, "value": value} for key, value in limits.items()]
    connection.execute(info.insert(), rows)


def require_current(engine: sa.Engine) -> None:
    """Raise NotFound when there is no store, SchemaMismatch when it is older, or too new."""
    with engine.connect() as connection:
        if current_version(connection) is None:
            raise NotFound(NO_STORE)
        require_compatible(connection)


def require_compatible(connection: sa.Connection) -> None:
    """Raise SchemaMismatch when this Braid cannot write to the store of this connection (any more).

    A newer schema that only adds things says that a Braid of this version may go on (`min_writer`
    in `store_info`), so that servers of two versions run side by side while one is replaced.
    """
    found = connection.execute(sa.select(_VERSION.c.version_num)).scalar()
    if found is None or found < SCHEMA_VERSION:
        raise SchemaMismatch(
            f"The store has schema {found} and this Braid needs {SCHEMA_VERSION}; "
            "run `braid store upgrade`."
        )
    require_not_newer(connection, found)


def require_not_newer(connection: sa.Connection, found: str) -> None:
    """Raise SchemaMismatch when a store of schema `found` is too new for this Braid to write to."""
    if found > SCHEMA_VERSION:
        query = sa.select(_info.c.value).where(_info.c.name == "min_writer")
        needed = connection.execute(query).scalar()
        require_known(found, needed or found)


def require_known(found: str | None, needed: str | None = None) -> None:
    """Raise SchemaMismatch when a store of schema `found` needs a Braid of a schema (by default
    the same) that is newer than this one's, or when that is no number of a schema at all."""
    if found is not None and not _NUMBER.fullmatch(found):
        raise _unknown(found)
    needed = needed or found
    if needed is not None and needed > SCHEMA_VERSION:
        raise SchemaMismatch(
            f"The store has schema {found}, newer than this Braid's {SCHEMA_VERSION}; "
            "install a newer Braid."
        )


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Run the numbered migrations up to a revision, one program at a time.

    What would keep others from writing for long is done before, outside of their transaction.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "provenance_store:migrations")
    with engine.connect() as connection:
        found = current_version(connection)
        require_known(found)
        connection.rollback()
        if found is not None and found < "0005" <= revision:  # "head" is after all numbers
            index_runs(engine)
        begin_write(connection)
        advisory_lock(connection)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError:
            raise _unknown(found) from None
        connection.commit()


def _unknown(found: str | None) -> SchemaMismatch:
    return SchemaMismatch(
        f"The store has schema {found}, which this Braid does not know; use the Braid that made it."
    )
