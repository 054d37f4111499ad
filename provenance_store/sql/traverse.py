"""Queries that walk the graph, and records that derive from themselves.

A statement is compiled once for a dialect and run on the driver's own connection. Ids go in as one
text, and the result comes back as a few columns, each one value: to fetch a row for each of
thousands of nodes costs more than the database needs to find them. Records made one after the other
have consecutive ids, so thousands of ids go in as a few ranges.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, MutableSequence, Sequence
from typing import Any, NamedTuple, Self

import msgspec
import sqlalchemy as sa

from provenance_store.batch import Batch
from provenance_store.enums import Role
from provenance_store.errors import InvalidInput
from provenance_store.ids import short_id
from provenance_store.sql.compiled import Compiled, as_array
from provenance_store.sql.dialects import driver
from provenance_store.sql.makers import status_of_maker
from provenance_store.sql.query_parts import chunks
from provenance_store.sql.step_queries import Access, listed
from provenance_store.sql.tables import DID_NOT_SUCCEED, TABLE
from provenance_store.values import EVERYTHING, Viewer

__all__ = [
    "Links",
    "Numbered",
    "Numbers",
    "first_cycle",
    "has_forward_links",
    "links_of",
    "links_within",
    "ranges_of",
    "reached",
    "records",
    "refuse_cycles",
    "stubs",
    "tainted",
    "unsuccessful",
    "versions",
]

Numbered = tuple[int, int, int]
"""from_id, to_id, and the number of the role."""


Numbers = MutableSequence[int]
"""A list, or an array as the database sent it."""


class Links(NamedTuple):
    """Three columns of the same length."""

    from_id: Numbers
    to_id: Numbers
    role: Numbers

    @classmethod
    def of(cls, links: Iterable[Numbered]) -> Self:
        """Columns of these."""
        found = list(zip(*links, strict=True))
        return cls(*(list(column) for column in found)) if found else cls([], [], [])

    def extend(self, more: Links) -> None:
        """Add others at the end."""
        for column, rest in zip(self, more, strict=True):
            column.extend(rest)


_record, _link, _version = TABLE["record"], TABLE["link"], TABLE["version"]
_stub, _taint, _step, _outcome = (TABLE[name] for name in ("stub", "taint", "step", "outcome"))

Query = sa.Select[Any]
_Condition = sa.ColumnElement[bool]


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
) -> tuple[Numbers, Numbers, list[str]]:
    """(ids, kinds, names) of those of these records that the viewer may see, in any order."""
    found, kinds, names = _ask(connection, _records, ids, viewer=viewer)
    return found, kinds, names


def versions(connection: sa.Connection, ids: Sequence[int]) -> tuple[Numbers, Numbers, Numbers]:
    """(ids, lines, numbers) of those that are model versions, in any order."""
    found, lines, numbers = _ask(connection, _versions, ids)
    return found, lines, numbers


def stubs(
    connection: sa.Connection, ids: Sequence[int]
) -> tuple[Numbers, Numbers, list[str | None]]:
    """(ids, kinds, names) of those that a slice left out, in any order."""
    found, kinds, names = _ask(connection, _stubs, ids)
    return found, kinds, names


def unsuccessful(connection: sa.Connection, ids: Sequence[int]) -> dict[int, str]:
    """The statuses of those of these steps that did not succeed, or have not ended: ACTIVE."""
    if not ids:
        return {}
    return dict(zip(*_ask(connection, _unsuccessful, ids), strict=True))


def failed(connection: sa.Connection, ids: Sequence[int]) -> list[int]:
    """Those of these model versions whose step FAILED."""
    if not ids or not _ask(connection, _any_failure, ())[0]:
        return []
    return list(_ask(connection, _failed, ids)[0])


def tainted(connection: sa.Connection, ids: Sequence[int]) -> list[int]:
    """Those that were invalid at some time, by themselves or by what they derive from."""
    (any_at_all,) = _ask(connection, _any_taint, ())
    return sorted(set(_ask(connection, _tainted, ids)[0])) if any_at_all else []


# ---- running ---------------------------------------------------------------------------

MANY = 5_000
"""From so many records on PostgreSQL had better plan for their number than for any."""

FEW = 64
"""Up to so many ids are asked for one by one."""
IDS_A_RANGE = 32
"""Ids are asked for as ranges when there are so many in a range on average, or more."""

_Build = Callable[["Dialect"], Query]
_COMPILED: dict[tuple[str, str, tuple[Role, ...], bool, bool], tuple[Compiled, int]] = {}


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
    dialect = connection.dialect
    ranges = None if build in (_reached_up, _reached_down) else ranges_of(ids)
    query, numbers = _compiled(dialect, build, wanted, viewer.everything, ranges is not None)
    principals = listed(dialect, viewer)
    asked = _written(dialect, ids) if ranges is None else _written_ranges(dialect, *ranges)
    given = query.values(**values, **asked, principals=principals)
    one_by_one = build is _records and ranges is None and len(ids) > MANY
    # What is kept prepared PostgreSQL plans as if it were asked for ten ids. That suits an index,
    # but thousands of scattered records it had better gather in one go.
    how = {"binary": True, "prepare": False if one_by_one else None} if numbers else {}
    with driver(connection) as raw:
        row = raw.execute(query.text, given, **how).fetchone()
    if not numbers:
        return [msgspec.json.decode(value) for value in row]
    texts = [msgspec.json.decode(value or "[]") for value in row[1:]]
    return [*_apart(row[0], numbers), *texts]


def ranges_of(ids: Sequence[int]) -> tuple[list[int], list[int]] | None:
    """The firsts and the lasts of the ranges that many ids are, when these are few ranges.

    Ids without gaps grow by one with each place, so that the end of a range is found by halving.
    """
    if len(ids) <= FEW:
        return None
    ids = sorted(set(ids))
    firsts: list[int] = []
    lasts: list[int] = []
    place = 0
    while place < len(ids):
        if len(firsts) * IDS_A_RANGE >= len(ids):
            return None
        ahead = range(place, len(ids))
        end = bisect_right(ahead, ids[place] - place, key=lambda at: ids[at] - at) + place
        firsts.append(ids[place])
        lasts.append(ids[end - 1])
        place = end
    return firsts, lasts


def _written(dialect: sa.Dialect, ids: Sequence[int]) -> dict[str, str]:
    """Ids as one text: psycopg takes ten times as long over a list of them."""
    return {"ids": as_array(ids) if dialect.name == "postgresql" else _json(ids)}


def _written_ranges(
    dialect: sa.Dialect, firsts: Sequence[int], lasts: Sequence[int]
) -> dict[str, str]:
    if dialect.name == "postgresql":
        return {"ids": as_array(firsts), "lasts": as_array(lasts)}
    return {"ids": _json(list(zip(firsts, lasts, strict=True)))}


def _json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(values).decode()


def _apart(value: bytes | None, columns: int) -> list[array[int]]:
    """The numbers of so many columns, row after row in PostgreSQL's int8send: big-endian.

    They stay arrays: not each of a hundred thousand need become an object.
    """
    numbers = array("q", value or b"")
    numbers.byteswap()
    return [numbers[place::columns] for place in range(columns)]


def _compiled(
    dialect: sa.Dialect, build: _Build, roles: tuple[Role, ...], everything: bool, in_ranges: bool
) -> tuple[Compiled, int]:
    """A query, and how many columns of numbers are in its first value (PostgreSQL)."""
    key = (dialect.name, build.__name__, roles, everything, in_ranges)
    if key not in _COMPILED:
        written = Dialect(dialect, everything, roles, in_ranges)
        _COMPILED[key] = Compiled(build(written), dialect), written.numbers
    return _COMPILED[key]


class Dialect(Access):
    """How a query is written for one of the databases, one viewer and some roles.

    The ids are one array, or with `in_ranges` two: where each range begins and where it ends.
    """

    def __init__(
        self, dialect: sa.Dialect, everything: bool, roles: tuple[Role, ...], in_ranges: bool
    ) -> None:
        super().__init__(dialect, everything)
        self.is_postgresql = dialect.name == "postgresql"
        self.numbers = 0
        self._roles = roles
        self._in_ranges = in_ranges

    def given(self) -> sa.Select[Any]:
        """The ids that were passed, as a table."""
        if self.is_postgresql:
            each = sa.func.unnest(_array("ids"), type_=sa.BigInteger)
            return sa.select(each.label("id"))
        return sa.select(_each().c.value.label("id"))

    def among(self, query: Query, column: sa.Column[Any]) -> Query:
        """A query for rows whose column is one of the ids that were passed."""
        if self._in_ranges:
            ranges = self._ranges().subquery()
            return query.join(ranges, column.between(ranges.c.first, ranges.c.last))
        given = self.given().subquery()
        return query.join(given, given.c.id == column)

    def among_in_order(self, query: Query, column: sa.Column[Any]) -> Query:
        """The same in the order of an index on that column.

        PostgreSQL goes through an array in that order, a fifth faster than by a join.
        """
        if self.is_postgresql and not self._in_ranges:
            return query.where(column == sa.any_(_array("ids")))
        return self.among(query, column)

    def _ranges(self) -> sa.Select[Any]:
        if self.is_postgresql:
            pairs = sa.func.unnest(_array("ids"), _array("lasts"))
            each = pairs.table_valued("first", "last").render_derived("range")
            return sa.select(each.c.first, each.c.last)
        pair = _each().c.value
        first, last = (sa.func.json_extract(pair, f"$[{place}]") for place in (0, 1))
        return sa.select(first.label("first"), last.label("last"))

    def walked(self) -> _Condition:
        """A link may be walked: its role is one of those wanted, or any."""
        if not self._roles:
            return sa.true()
        return _link.c.role.in_([role.value for role in self._roles])

    def gathered(self, rows: sa.FromClause, *names: str) -> Query:
        """Columns of rows, each as one value; on PostgreSQL those of numbers, first, together."""
        columns = [rows.c[name] for name in names]
        if not self.is_postgresql:
            return sa.select(*map(sa.func.json_group_array, columns))
        numbers = [column for column in columns if not isinstance(column.type, sa.Text)]
        texts = [column for column in columns if isinstance(column.type, sa.Text)]
        self.numbers = len(numbers)
        row: sa.ColumnElement[Any] = _sent(numbers[0])
        for column in numbers[1:]:
            row = row.op("||")(_sent(column))
        together = sa.func.string_agg(row, sa.cast(sa.literal("", sa.Text), sa.LargeBinary))
        return sa.select(together, *(sa.cast(sa.func.json_agg(text), sa.Text) for text in texts))


def _sent(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A number as eight bytes."""
    return sa.func.int8send(sa.cast(column, sa.BigInteger))


# ---- queries ---------------------------------------------------------------------------


def _ids(name: str = "ids") -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text(), required=False)


def _array(name: str) -> sa.ColumnElement[Any]:
    """An array of PostgreSQL that was passed as a text."""
    return sa.cast(_ids(name), sa.ARRAY(sa.BigInteger))


def _each() -> sa.TableValuedAlias:
    """The elements of an array of JSON that was passed (SQLite)."""
    return sa.func.json_each(_ids()).table_valued(sa.column("value", sa.BigInteger))


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger(), required=False)


def _links(dialect: Dialect, side: sa.Column[Any]) -> Query:
    links = sa.select(_link.c.from_id, _link.c.to_id, _link.c.role)
    found = (
        dialect.among_in_order(links, side)
        .where(dialect.walked())
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


def _about(dialect: Dialect, *columns: sa.Column[Any], seen: bool = False) -> Query:
    """Columns of a table for the ids that were passed, which its first column is to be."""
    condition = dialect.seen() if seen else sa.true()
    rows = dialect.among(sa.select(*columns), columns[0]).where(condition)
    return dialect.gathered(rows.subquery(), *(column.name for column in columns))


def _records(dialect: Dialect) -> Query:
    return _about(dialect, _record.c.id, _record.c.kind, _record.c.name, seen=True)


def _versions(dialect: Dialect) -> Query:
    return _about(dialect, _version.c.id, _version.c.line_id, _version.c.depth)


def _stubs(dialect: Dialect) -> Query:
    return _about(dialect, _stub.c.id, _stub.c.kind, _stub.c.name)


def _unsuccessful(dialect: Dialect) -> Query:
    steps = sa.select(_step.c.id, sa.func.coalesce(_outcome.c.status, "ACTIVE").label("status"))
    rows = (
        dialect.among(steps, _step.c.id)
        .outerjoin(_outcome, _outcome.c.id == _step.c.id)
        .where(sa.or_(_outcome.c.id.is_(None), DID_NOT_SUCCEED))
    )
    return dialect.gathered(rows.subquery(), "id", "status")


def _any_failure(dialect: Dialect) -> Query:
    is_failed = (DID_NOT_SUCCEED, _outcome.c.status == "FAILED")
    one = sa.select(_outcome.c.id).where(*is_failed).limit(1)
    return dialect.gathered(one.subquery(), "id")


def _failed(dialect: Dialect) -> Query:
    given = dialect.given().subquery()
    rows = sa.select(given.c.id).where(status_of_maker(given.c.id) == "FAILED")
    return dialect.gathered(rows.subquery(), "id")


def _tainted(dialect: Dialect) -> Query:
    return _about(dialect, _taint.c.record_id)


def _any_taint(dialect: Dialect) -> Query:
    return dialect.gathered(sa.select(_taint.c.record_id).limit(1).subquery(), "record_id")


FURTHEST = 10_000
"""Records that are looked at before a link is written; the check of the store looks at all."""

_link = TABLE["link"]


def reached(connection: sa.Connection, ids: Collection[int], *, up: bool) -> set[int]:
    """What these records derive from (`up`), or what derives from them: the first 10,000."""
    here, there = (_link.c.from_id, _link.c.to_id) if up else (_link.c.to_id, _link.c.from_id)
    found: set[int] = set()
    level = set(ids)
    while level and len(found) < FURTHEST:
        onward: set[int] = set()
        for chunk in chunks(sorted(level)):
            query = sa.select(there).where(here.in_(chunk)).limit(FURTHEST)
            onward.update(connection.execute(query).scalars())
        level = onward - found
        found |= level
    return found


def has_forward_links(link: sa.FromClause = _link) -> sa.Select[tuple[int]]:
    """A row when some link leads to a higher id than its own record has.

    Around a cycle the ids cannot fall all the way, and most stores have no such link.
    """
    return sa.select(link.c.to_id).where(link.c.to_id > link.c.from_id).limit(1)


def refuse_cycles(connection: sa.Connection, batch: Batch) -> None:
    """Raise InvalidInput when links of a batch, which is written, have closed a cycle.

    Around one the ids cannot fall all the way, unless they are of several origins: so only links
    that lead to higher ids are looked at, and those that are added to what was there before.
    """
    made = {row[0] for row in batch.record}
    doubtful = {
        from_id
        for to_id, from_id, _ in batch.link
        if from_id not in made or (to_id > from_id and to_id in made)
    }
    if not doubtful:
        return
    onward = reached(connection, doubtful, up=True)
    if doubtful.isdisjoint(onward):
        return
    ends = (_link.c.to_id, _link.c.from_id)
    links = [
        (row[0], row[1])
        for chunk in chunks(sorted(onward | doubtful))
        for row in connection.execute(sa.select(*ends).where(_link.c.from_id.in_(chunk)))
        if row[0] in onward
    ]
    if cycle := _cycle_of(links):
        raise InvalidInput(
            f"Records would derive from themselves: {', '.join(map(short_id, cycle))}; leave out "
            "the last link between them.",
            path="link",
        )


def first_cycle(connection: sa.Connection) -> list[int]:
    """Some records that derive from themselves, at most ten; empty when none does."""
    if connection.execute(has_forward_links()).first() is None:
        return []
    links = connection.execute(
        sa.select(_link.c.to_id, _link.c.from_id), execution_options={"yield_per": 10_000}
    )
    return _cycle_of((row[0], row[1]) for row in links)


def _cycle_of(links: Iterable[tuple[int, int]]) -> list[int]:
    """Records around a cycle of these links (to_id, from_id), at most ten.

    By taking away, again and again, what nothing is left to derive from: in time and memory in
    proportion to the links.
    """
    below: dict[int, array[int]] = {}
    open_links: dict[int, int] = {}
    for to_id, from_id in links:
        below.setdefault(to_id, array("q")).append(from_id)
        open_links[from_id] = open_links.get(from_id, 0) + 1
    free = [record_id for record_id in below if record_id not in open_links]
    while free:
        for from_id in below.pop(free.pop(), ()):
            open_links[from_id] -= 1
            if not open_links[from_id]:
                del open_links[from_id]
                free.append(from_id)
    return _around(below, open_links)


def _around(below: dict[int, array[int]], left: dict[int, int]) -> list[int]:
    """Records of one cycle: what is left derives from one; follow what derives until it repeats."""
    if not left:
        return []
    above: dict[int, int] = {}
    for to_id, dependents in below.items():
        if to_id in left:
            for from_id in dependents:
                above[from_id] = to_id
    place = next(iter(above), None)
    seen: list[int] = []
    known: set[int] = set()
    while place is not None and place not in known:
        known.add(place)
        seen.append(place)
        place = above.get(place)
    return seen[seen.index(place) :][:10] if place is not None else seen[:10]
