"""Queries on a store as a whole: origins, counts, what foreign keys would have refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from provenance_store.enums import Kind
from provenance_store.errors import BadFile
from provenance_store.ids import short_id
from provenance_store.sql.failures import PUT_BACK
from provenance_store.sql.integrity_check import (
    DOCUMENTS,
    NOT_JSON,
    Violation,
    is_unreadable,
    reading_broken_text,
    wrong_rows,
)
from provenance_store.sql.schema import current_version
from provenance_store.sql.sqlite_copies import damage, damage_told
from provenance_store.sql.tables import TABLE
from provenance_store.sql.traverse import first_cycle
from provenance_store.sql.validity import unfollowed, unsupported

__all__ = ["explaining", "info", "origin_number", "origin_uuid", "problems"]

DOCUMENTS_AT_ONCE = 16
_origin, _record, _stub, _tag = (TABLE[name] for name in ("origin", "record", "stub", "tag"))
_info = TABLE["store_info"]
_UUID = sa.select(_origin.c.uuid).where(_origin.c.no == sa.bindparam("no"))
_NUMBER = sa.select(_origin.c.no).where(_origin.c.uuid == sa.bindparam("uuid"))
_COUNTS = sa.select(
    *(
        sa.select(sa.func.count()).select_from(table).scalar_subquery().label(name)
        for name, table in TABLE.items()
        if name != "store_info"
    )
)
_KINDS = sa.select(_record.c.kind, sa.func.count()).group_by(_record.c.kind)


def origin_uuid(connection: sa.Connection, number: int) -> str | None:
    """The UUID of the origin that this store gave a number."""
    return connection.execute(_UUID, {"no": number}).scalar()


def origin_number(connection: sa.Connection, uuid: str) -> int | None:
    """This store's number of an origin, None when it is not known here."""
    return connection.execute(_NUMBER, {"uuid": uuid}).scalar()


def info(connection: sa.Connection) -> dict[str, Any]:
    """Schema, which schemas may use the store, rows by table, records by kind, and origins."""
    tables = dict(connection.execute(_COUNTS).one()._mapping)
    found = {row[0]: row[1] for row in connection.execute(_KINDS)}
    limits = dict(connection.execute(sa.select(_info.c.name, _info.c.value)).all())
    return {
        "database": connection.dialect.name,
        "schema": current_version(connection),
        "min_reader": limits.get("min_reader"),
        "min_writer": limits.get("min_writer"),
        "tables": tables,
        "records": {kind.label: found.get(kind.value, 0) for kind in Kind},
        "origins": tables["origin"],
    }


def problems(connection: sa.Connection) -> list[str]:
    """Rows that cannot be, or belong to records that are not there, and damage SQLite finds."""
    if damaged := damage(connection, 10):
        return damage_told(damaged)  # else the rows would be blamed for what they are not
    found = [*_wrong(connection), *_unreadable(connection)]
    if cycle := first_cycle(connection):
        found.append(
            f"Records derive from themselves: {', '.join(map(short_id, cycle))}; nothing repairs "
            "that, and what follows from them is still shown."
        )
    if roots := connection.execute(unfollowed(10)).scalars().all():
        found.append(
            f"Not all that derives from {', '.join(map(short_id, roots))} is shown as invalid when "
            "that is; `braid invalidate` it again, and all is, then `braid invalidate --undo` if "
            "it is valid."
        )
    if groundless := connection.execute(unsupported(10)).scalars().all():
        found.append(
            f"{', '.join(map(short_id, groundless))} would be invalid with what they do not derive "
            "from: Braid did not write these rows of the table taint."
        )
    for name, column in _BELONGS:
        if rows := connection.execute(_lost(name, column)).scalars().all():
            first = ", ".join(short_id(i) for i in rows[:10])
            more = " and more" if len(rows) > 10 else ""
            found.append(f"{name}.{column} names records that are not there: {first}{more}.")
    return found


@cache
def _lost(name: str, column: str) -> sa.Select[Any]:
    """Records that a column names and that are not there."""
    owner = TABLE[name].c[column]
    known: sa.ColumnElement[bool] = sa.exists().where(_record.c.id == owner)
    if (name, column) in _MAY_BE_STUBS:
        known = known | sa.exists().where(_stub.c.id == owner)
    return sa.select(owner).where(owner.is_not(None), ~known).limit(11)


_STUMBLING = (TypeError, ValueError, KeyError, AttributeError, OverflowError, IntegrityError)
"""What is raised where a value is not of its column's type, or names nothing."""


@contextmanager
def explaining(connection: sa.Connection) -> Iterator[None]:
    """Say which row it is that no Braid writes, where reading stumbles over one."""
    try:
        yield
    except _STUMBLING as error:
        if wrong := _wrong(connection):
            raise BadFile(
                f"The store is damaged and cannot be read here. {wrong[0]} "
                f"`braid store check` lists everything that is wrong, {PUT_BACK}."
            ) from error
        raise


def _wrong(connection: sa.Connection) -> list[str]:
    sqlite = connection.dialect.name == "sqlite"
    origins = connection.execute(sa.select(_origin.c.no)).scalars().all()

    def first(query: sa.Select[Any]) -> Any:
        return connection.execute(query).first()

    raw: Any = connection.connection.driver_connection
    with reading_broken_text(raw) if sqlite else nullcontext():
        found = list(wrong_rows(first, origins, sqlite=sqlite))
    if not sqlite:
        found += _not_json(connection)
    return [wrong.sentence() for wrong in found]


def _not_json(connection: sa.Connection) -> Iterator[Violation]:
    """The first document of each table that is not JSON. PostgreSQL before 16 cannot tell without
    an error, so they are read here, some at a time: each may be large."""
    for name, column in DOCUMENTS:
        table = TABLE[name]
        query = sa.select(table.c[column], *table.primary_key)
        rows = connection.execute(query, execution_options={"yield_per": DOCUMENTS_AT_ONCE})
        with rows:
            for document, *key in rows:
                if not _is_json(document):
                    yield Violation(name, column, tuple(key), NOT_JSON)
                    break


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _unreadable(connection: sa.Connection) -> list[str]:
    """Tags that a script handed over as no Braid of today takes them."""
    bad = is_unreadable(sqlite=connection.dialect.name == "sqlite")
    query = sa.select(_tag.c.record_id, _tag.c.name, _tag.c.text).where(bad)
    rows = connection.execute(query.order_by(_tag.c.record_id, _tag.c.name).limit(11)).all()
    if not rows:
        return []
    told = "; ".join(
        f"{row.name:.40} of {short_id(row.record_id)} ({row.text!r:.60})" for row in rows[:10]
    )
    more = " and more" if len(rows) > 10 else ""
    return [
        f"Tags hold what is no value of their type: {told}{more}. `braid store repair` lists what "
        "they become, and with --yes mends them."
    ]


_BELONGS = (
    ("link", "from_id"),
    ("link", "to_id"),
    ("late_link", "from_id"),
    ("late_link", "to_id"),
    ("same_as", "record_id"),
    ("same_as", "other_id"),
    ("alias", "line_id"),
    ("alias", "version_id"),
    ("step", "id"),
    ("outcome", "id"),
    ("version", "id"),
    ("version", "line_id"),
    ("version", "parent_id"),
    ("uri", "record_id"),
    ("file_check", "record_id"),
    ("tag", "record_id"),
    ("metric", "record_id"),
    ("payload", "record_id"),
    ("mark", "record_id"),
    ("mark", "cause_id"),
    ("parameter", "record_id"),
    ("taint", "record_id"),
    ("taint", "root_id"),
    ("action", "step_id"),
)
_MAY_BE_STUBS = {
    ("link", "to_id"),
    ("late_link", "to_id"),
    ("same_as", "record_id"),
    ("same_as", "other_id"),
    ("alias", "line_id"),
    ("alias", "version_id"),
    ("version", "line_id"),
    ("version", "parent_id"),
    ("mark", "record_id"),
    ("mark", "cause_id"),
    ("taint", "record_id"),
    ("taint", "root_id"),
}
"""What a slice may name without holding it."""
