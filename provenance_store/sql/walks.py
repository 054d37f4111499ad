"""Queries that walk the graph: many ids in one parameter, whole columns in one row.

A statement is compiled once for a dialect and run on the driver's own connection. The ids go in
as one text, and what was found comes back as a few columns, each one value: a row for each of
thousands of nodes costs more to fetch than the database needs to find it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from provenance_store.kinds import Role
from provenance_store.sql.dialects import by_position, driver
from provenance_store.sql.prepared import Access, listed
from provenance_store.sql.tables import TABLE
from provenance_store.viewer import EVERYTHING, Viewer

__all__ = ["Links", "links_of", "links_within", "records", "stubs", "tainted", "versions"]

_record, _link, _version = TABLE["record"], TABLE["link"], TABLE["version"]
_stub, _taint = TABLE["stub"], TABLE["taint"]

Query = sa.Select[Any]
_Condition = sa.ColumnElement[bool]


class Links(NamedTuple):
    """Links as columns of the same length."""

    from_id: list[int]
    to_id: list[int]
    role: list[int]


def links_of(
    connection: sa.Connection, ids: Sequence[int], *, down: bool, roles: Sequence[Role], limit: int
) -> Links:
    """Up to `limit` links of these nodes to what they depend on; `down`: the reverse."""
    build = _links_down if down else _links_up
    return Links(*_ask(connection, build, ids, roles=roles, limit=limit))


def links_within(
    connection: sa.Connection,
    ids: Sequence[int],
    *,
    down: bool,
    roles: Sequence[Role],
    nodes: int,
    limit: int,
) -> Links:
    """Up to `limit` links of all nodes that are reached from these, the nearest `nodes` of them.

    One recursive query with UNION, for what is too deep to be walked level by level. SQLite and
    PostgreSQL both go breadth first.
    """
    build = _reached_down if down else _reached_up
    return Links(*_ask(connection, build, ids, roles=roles, limit=limit, nodes=nodes))


def records(
    connection: sa.Connection, ids: Sequence[int], viewer: Viewer
) -> tuple[list[int], list[int], list[str]]:
    """(ids, kinds, names) of those of these records that the viewer may see, in any order."""
    found, kinds, names = _ask(connection, _records, ids, viewer=viewer)
    return found, kinds, names


def versions(
    connection: sa.Connection, ids: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """(ids, lines, numbers) of those that are model versions, in any order."""
    found, lines, numbers = _ask(connection, _versions, ids)
    return found, lines, numbers


def stubs(
    connection: sa.Connection, ids: Sequence[int]
) -> tuple[list[int], list[int], list[str | None]]:
    """(ids, kinds, names) of those that a slice left out, in any order."""
    found, kinds, names = _ask(connection, _stubs, ids)
    return found, kinds, names


def tainted(connection: sa.Connection, ids: Sequence[int]) -> list[int]:
    """Those that were invalid at some time, by themselves or by what they derive from."""
    (any_at_all,) = _ask(connection, _any_taint, ())
    return sorted(set(_ask(connection, _tainted, ids)[0])) if any_at_all else []


# ---- running ---------------------------------------------------------------------------

_Build = Callable[["Dialect"], Query]
_Statement = tuple[str, tuple[str, ...], dict[str, Any], tuple[bool, ...]]
_TEXTS: dict[tuple[str, str, tuple[Role, ...], bool], _Statement] = {}


def _ask(
    connection: sa.Connection,
    build: _Build,
    ids: Sequence[int],
    *,
    roles: Sequence[Role] = (),
    viewer: Viewer = EVERYTHING,
    **values: int,
) -> Any:
    """The columns that a query gathers, a list each."""
    wanted = tuple(sorted(set(roles)))
    text, order, constants, numeric = _compiled(
        connection.dialect, build, wanted, viewer.everything
    )
    given: dict[str, Any] = {**constants, **values, "ids": _written(connection.dialect, ids)}
    given["principals"] = listed(connection.dialect, viewer)
    on_postgresql = connection.dialect.name == "postgresql"
    with driver(connection) as raw:
        how = {"binary": True} if on_postgresql else {}
        row = raw.execute(text, [given[name] for name in order], **how).fetchone()
    return [
        _numbers(value) if is_number and on_postgresql else _decoded(value)
        for value, is_number in zip(row, numeric, strict=True)
    ]


def _written(dialect: sa.Dialect, ids: Sequence[int]) -> str:
    """Ids as one text: psycopg takes ten times as long over a list of them."""
    text = msgspec.json.encode(ids).decode()
    return "{" + text[1:-1] + "}" if dialect.name == "postgresql" else text


def _decoded(value: str | None) -> list[Any]:
    found: list[Any] = [] if value is None else msgspec.json.decode(value)
    return found


def _numbers(value: bytes | None) -> list[int]:
    """PostgreSQL's int8send of many, one after the other: big-endian."""
    numbers = array("q", value or b"")
    numbers.byteswap()
    return numbers.tolist()


def _compiled(
    dialect: sa.Dialect, build: _Build, roles: tuple[Role, ...], everything: bool
) -> _Statement:
    key = (dialect.name, build.__name__, roles, everything)
    if key not in _TEXTS:
        by_place = by_position(dialect)
        query = build(Dialect(by_place, everything, roles))
        made: Any = query.compile(dialect=by_place, compile_kwargs={"render_postcompile": True})
        numeric = tuple(isinstance(column.type, _Numbers) for column in query.selected_columns)
        _TEXTS[key] = (str(made), tuple(made.positiontup), made.params, numeric)
    return _TEXTS[key]


class _Numbers(sa.types.LargeBinary):
    """A column of whole numbers in one value."""


class Dialect(Access):
    """How a query is written for one of the databases, one viewer and some roles."""

    def __init__(self, dialect: sa.Dialect, everything: bool, roles: tuple[Role, ...]) -> None:
        super().__init__(dialect, everything)
        self.is_postgresql = dialect.name == "postgresql"
        self._roles = roles

    def given(self) -> sa.Select[Any]:
        """The ids that were passed, as a table."""
        ids = sa.bindparam("ids", type_=sa.Text())
        if self.is_postgresql:
            of_type = ARRAY(sa.BigInteger)
            return sa.select(sa.func.unnest(sa.cast(ids, of_type), type_=sa.BigInteger).label("id"))
        each = sa.func.json_each(ids).table_valued(sa.column("value", sa.BigInteger))
        return sa.select(each.c.value.label("id"))

    def among(self, column: sa.ColumnElement[int]) -> _Condition:
        """The column is one of the ids that were passed."""
        if self.is_postgresql:
            ids = sa.cast(sa.bindparam("ids", type_=sa.Text()), ARRAY(sa.BigInteger))
            return column == sa.any_(ids)
        return column.in_(self.given())

    def walked(self) -> _Condition:
        """A link may be walked: its role is one of those wanted, or any."""
        if not self._roles:
            return sa.true()
        return _link.c.role.in_([role.value for role in self._roles])

    def gathered(self, rows: sa.FromClause, *names: str) -> Query:
        """Columns of rows, each as one value."""
        return sa.select(*(self._gathered(rows.c[name]) for name in names))

    def _gathered(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        if not self.is_postgresql:
            return sa.func.json_group_array(column)
        if isinstance(column.type, sa.Text):
            return sa.cast(sa.func.array_to_json(sa.func.array_agg(column)), sa.Text)
        nothing = sa.cast(sa.literal("", sa.Text), sa.LargeBinary)
        each = sa.func.int8send(sa.cast(column, sa.BigInteger))
        return sa.func.string_agg(each, nothing, type_=_Numbers())


# ---- queries ---------------------------------------------------------------------------


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger())


def _links(dialect: Dialect, side: sa.ColumnElement[int]) -> Query:
    found = (
        sa.select(_link.c.from_id, _link.c.to_id, _link.c.role)
        .where(dialect.among(side), dialect.walked())
        .limit(_number("limit"))
        .subquery()
    )
    return dialect.gathered(found, "from_id", "to_id", "role")


def _links_up(dialect: Dialect) -> Query:
    return _links(dialect, _link.c.from_id)


def _links_down(dialect: Dialect) -> Query:
    return _links(dialect, _link.c.to_id)


def _reached(dialect: Dialect, here: sa.Column[Any], there: sa.Column[Any]) -> Query:
    reached = dialect.given().cte("reached", recursive=True)
    reached = reached.union(
        sa.select(there).join(reached, reached.c.id == here).where(dialect.walked())
    )
    nearest = sa.select(reached.c.id).limit(_number("nodes")).subquery()
    found = (
        sa.select(_link.c.from_id, _link.c.to_id, _link.c.role)
        .join(nearest, nearest.c.id == here)
        .where(dialect.walked())
        .limit(_number("limit"))
        .subquery()
    )
    return dialect.gathered(found, "from_id", "to_id", "role")


def _reached_up(dialect: Dialect) -> Query:
    return _reached(dialect, _link.c.from_id, _link.c.to_id)


def _reached_down(dialect: Dialect) -> Query:
    return _reached(dialect, _link.c.to_id, _link.c.from_id)


def _records(dialect: Dialect) -> Query:
    found = (
        sa.select(_record.c.id, _record.c.kind, _record.c.name)
        .where(dialect.among(_record.c.id), dialect.seen())
        .subquery()
    )
    return dialect.gathered(found, "id", "kind", "name")


def _versions(dialect: Dialect) -> Query:
    found = (
        sa.select(_version.c.id, _version.c.line_id, _version.c.depth)
        .where(dialect.among(_version.c.id))
        .subquery()
    )
    return dialect.gathered(found, "id", "line_id", "depth")


def _stubs(dialect: Dialect) -> Query:
    found = (
        sa.select(_stub.c.id, _stub.c.kind, _stub.c.name)
        .where(dialect.among(_stub.c.id))
        .subquery()
    )
    return dialect.gathered(found, "id", "kind", "name")


def _any_taint(dialect: Dialect) -> Query:
    return dialect.gathered(sa.select(_taint.c.record_id).limit(1).subquery(), "record_id")


def _tainted(dialect: Dialect) -> Query:
    found = sa.select(_taint.c.record_id).where(dialect.among(_taint.c.record_id)).subquery()
    return dialect.gathered(found, "record_id")
