"""The few queries that every recorded step asks, compiled once for a dialect."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa

from provenance_store.enums import CARRIES, Kind, Level, Role
from provenance_store.sql.compiled import as_array, compiled
from provenance_store.sql.makers import status_of_maker
from provenance_store.sql.query_parts import each_way, lies_at, norm_of
from provenance_store.sql.select import can_see
from provenance_store.sql.tables import TABLE
from provenance_store.validation.limits import MAX_INTEGER
from provenance_store.values import EVERYTHING, Viewer

__all__ = [
    "Access",
    "Prepared",
    "as_one",
    "called",
    "listed",
    "made_by",
    "numbers_as_one",
    "statuses",
    "used_elsewhere",
]

_record, _link, _uri = TABLE["record"], TABLE["link"], TABLE["uri"]
_version = TABLE["version"]


def statuses(ids: Sequence[int]) -> sa.Select[Any]:
    """(id, status) of those of these records that are model versions: `status_of_maker`."""
    status = status_of_maker(_version.c.id).label("status")
    return sa.select(_version.c.id, status).where(_version.c.id.in_(ids))


def made_by(step_id: int, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """(id, kind) of at most `limit` visible records that a step made, in the order of ids."""
    return (
        sa.select(_record.c.id, _record.c.kind)
        .join(_link, _link.c.from_id == _record.c.id)
        .where(
            _link.c.to_id == step_id,
            _link.c.role == Role.GENERATED_BY.value,
            can_see(viewer),
        )
        .order_by(_record.c.id)
        .limit(limit)
    )


def called(run_id: str, functions: str, until: int) -> sa.Select[Any]:
    """The ids of the facts, with URIs that begin with `functions`, that steps of a run used which
    were recorded until a time."""
    return (
        sa.select(_link.c.to_id)
        .distinct()
        .join(_record, _record.c.id == _link.c.from_id)
        .join(_uri, _uri.c.record_id == _link.c.to_id)
        .where(
            _record.c.run_id == run_id,
            _record.c.created_at <= until,
            _link.c.role == Role.USED.value,
            _uri.c.uri.startswith(functions, autoescape=True),
        )
    )


def used_elsewhere(ids: Sequence[int], run_id: str) -> sa.Select[Any]:
    """The ids of those of these records that something outside of a run derives from or used."""
    return (
        sa.select(_link.c.to_id)
        .distinct()
        .join(_record, _record.c.id == _link.c.from_id)
        .where(
            _link.c.to_id.in_(ids),
            _link.c.role.in_([role.value for role in CARRIES]),
            sa.func.coalesce(_record.c.run_id, "") != run_id,
        )
    )


RECENT = 1000
"""Of the visible records at one URI, and of the viewer's own, how many of the last are looked at
for the newest."""
EARLIEST = 200
"""Of the records of a run so many of the first are looked at besides the last."""
HEADS = 200
FAILED = "FAILED"
LATEST = 200
"""Of the versions of models of one name, where there are more, so many of the last that the viewer
may see, of its own and of those that it manages are looked at for heads. So what recording a step
asks takes no longer with each version; a branch that is older than these is none to go on with."""
FOLDER_TAGS = ("folder", "recursive")
"""The tags by which a step says that a record of its is a folder."""

_record, _uri, _version = TABLE["record"], TABLE["uri"], TABLE["version"]
_run, _event, _member = TABLE["run"], TABLE["run_event"], TABLE["audience_member"]
_audience, _tag, _mark = TABLE["audience"], TABLE["tag"], TABLE["mark"]
_link, _payload = TABLE["link"], TABLE["payload"]
_alias = TABLE["alias"]

Query = sa.Select[Any]
Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class _Question:
    """Builds a query for who sees everything, or for anybody else."""

    build: Callable[[Access], Query]
    everything: bool

    def __call__(self, dialect: sa.Dialect) -> Query:
        return self.build(Access(dialect, self.everything))


class Prepared:
    """Queries as text, run on the driver's own connection (`Session.look`); rows are tuples.

    What is often asked together with others is sent, and waited for by what is returned.
    """

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect

    def see(self, raw: Any, viewer: Viewer, record_id: int) -> bool:
        """Whether a record is there and seen."""
        return bool(self._rows(raw, viewer, _see, id=record_id))

    def known_uris(self, raw: Any, norms: Sequence[str]) -> Callable[[], set[str]]:
        """Those of these normal forms of URIs at which there is a record."""
        return self._of_these(raw, _known_uris, norms)

    def at_uri(self, raw: Any, viewer: Viewer, norm: str, run_id: str | None) -> int | None:
        """The newest record at a URI, given in its normal form; one of the run before others."""
        rows = self._rows(raw, viewer, _at_uri, uri=norm, run_id=run_id or "")
        return rows[0][0] if rows else None

    def makers(self, raw: Any, record_id: int, run_id: str) -> Sequence[Any]:
        """(id, name, whether it is of the run's flow) of the steps that made a record."""
        return self._rows(raw, EVERYTHING, _makers, id=record_id, run_id=run_id)

    def called_by(self, raw: Any, step_id: int, functions: str) -> list[int]:
        """The things that a step used whose URIs begin with `functions`."""
        rows = self._rows(raw, EVERYTHING, _called_by, id=step_id, functions=f"{functions}%")
        return [row[0] for row in rows]

    def places(self, raw: Any, ids: Sequence[int]) -> Sequence[Any]:
        """(record_id, uri, size, digest) of the places of these records."""
        return self._rows(raw, EVERYTHING, _places, ids=numbers_as_one(self._dialect, ids))

    def last_step(self, raw: Any, viewer: Viewer, run_id: str) -> int | None:
        """The step of a run that was recorded last."""
        rows = self._rows(raw, viewer, _last_step, run_id=run_id)
        return rows[0][0] if rows else None

    def documented(self, raw: Any, run_ids: Sequence[str], name: str) -> Callable[[], set[str]]:
        """Those of these runs of which a step has a document of that name."""
        return self._of_these(raw, _documented, run_ids, name=name)

    def run_files(self, raw: Any, run_id: str, name: str, until: int) -> Sequence[Any]:
        """(id, created_at, normal form of a URI, its tag of a folder, first role of its links,
        document) of the last records of a run until a time, and of some of the first where they
        are very many: a row for each URI, and the document of that name."""
        given = {"run_id": run_id, "name": name, "until": until}
        rows = self._rows(raw, EVERYTHING, _last_of_run, **given)
        if len({row[0] for row in rows}) < RECENT:
            return rows
        return [*dict.fromkeys((*self._rows(raw, EVERYTHING, _first_of_run, **given), *rows))]

    def heads(self, raw: Any, viewer: Viewer, name: str) -> Sequence[Any]:
        """(id, line_id, version, name, run_id, status of the step that made it, created_at,
        standing) of versions that none revises: the nearest to the viewer first
        (`Access.standing`), of these the newest."""
        build = _latest_heads if self.named_often(raw, [name])() else _heads
        return self._rows(raw, viewer, build, name=name)

    def nearest_heads(self, raw: Any, viewer: Viewer, name: str) -> Sequence[Any]:
        """(id, line_id, version, name, run_id, status of the step that made it) of those of
        `heads` that are nearest: the others are left out where some are the viewer's own, else
        where it manages some.

        Versions whose step FAILED are passed over: in their place are those that they come from, as
        far as nothing else came of these; unless there is no other.
        """
        return self._sound(raw, viewer, self.heads(raw, viewer, name))

    def _sound(self, raw: Any, viewer: Viewer, heads: Sequence[Any]) -> Sequence[Any]:
        nearest = [row for row in heads if row[-1] == heads[0][-1]]
        if failed := [row[0] for row in nearest if row[5] == FAILED]:
            before = self._rows(
                raw, viewer, _before_failed, ids=numbers_as_one(self._dialect, failed)
            )
            sound = [*before, *(row for row in nearest if row[5] != FAILED)]
            nearest = sorted(sound, key=lambda row: (row[6], row[0]), reverse=True) or nearest
        return [row[:6] for row in nearest]

    def failed_revisions(self, raw: Any, viewer: Viewer, version_id: int) -> list[int]:
        """The ids of the versions that come of a version by steps that all FAILED, oldest first."""
        return [row[0] for row in self._rows(raw, viewer, _failed_revisions, id=version_id)]

    def named_often(self, raw: Any, names: Sequence[str]) -> Callable[[], set[str]]:
        """Those of these names that so many records have that not all are looked at for heads."""
        return self._of_these(raw, _named_often, names)

    def nearest_heads_of(
        self, raw: Any, viewer: Viewer, names: Sequence[str], often: Container[str]
    ) -> Callable[[], dict[str, Sequence[Any]]]:
        """`nearest_heads` of these names, some of which are `named_often`; of these alone where
        the others have so many heads that some are cut."""
        few = [name for name in names if name not in often]
        find = self._send(raw, viewer, _heads_of, names=as_one(self._dialect.name, few))
        latest = [
            (name, self._send(raw, viewer, _latest_heads, name=name))
            for name in names
            if name in often
        ]

        def found() -> dict[str, Sequence[Any]]:
            of_name: dict[str, list[Any]] = {name: [] for name in few}
            if len(rows := find()) == HEADS:
                of_name = {}
                rows = []
            for row in rows:
                of_name[row[3]].append(row)
            each = (*of_name.items(), *((name, rows()) for name, rows in latest))
            return {name: self._sound(raw, viewer, heads) for name, heads in each}

        return found

    def version(self, raw: Any, viewer: Viewer, record_id: int) -> Any | None:
        """(id, line_id, version, name, run_id, status of the step that made it) of a model version;
        None for anything else."""
        rows = self._rows(raw, viewer, _one_version, id=record_id)
        return rows[0] if rows else None

    def is_others(self, raw: Any, principals: frozenset[str], run_id: str) -> bool:
        """Whether anything was recorded of a run by somebody whose things these do not manage."""
        viewer = Viewer(principals)
        return bool(
            self._rows(raw, viewer, _others_event, run_id=run_id)
            or self._rows(raw, viewer, _others_record, run_id=run_id)
        )

    def run(self, raw: Any, run_id: str) -> Any | None:
        """What is said of a run, in the order of an event's fields, then when something was last
        said of it; None when nothing is."""
        return self.runs(raw, [run_id])().get(run_id)

    def runs(self, raw: Any, run_ids: Sequence[str]) -> Callable[[], dict[str, Any]]:
        """`run` of those of these of which something is said."""
        given = as_one(self._dialect.name, run_ids)
        rows = self._send(raw, EVERYTHING, _runs, each=given)
        return lambda: {row[0]: row[1:] for row in rows()}

    def run_members(self, raw: Any, run_id: str) -> Sequence[Any]:
        """(principal, level) of a run's audience."""
        return self._rows(raw, EVERYTHING, _run_members, run_id=run_id)

    def latest(self, raw: Any, table: str, key: tuple[Any, ...]) -> int | None:
        """When something was last said of a tag or an alias (record_id, name), or in marks
        (record_id,); an alias is of the first version of its line."""
        names = ("record_id",) if table == "mark" else ("record_id", "name")
        build = {"tag": _latest_tag, "mark": _latest_mark, "alias": _latest_alias}[table]
        rows = self._rows(raw, EVERYTHING, build, **dict(zip(names, key, strict=True)))
        return rows[0][0] if rows else None

    def _of_these(
        self,
        raw: Any,
        build: Callable[[Access], Query],
        values: Sequence[str],
        **others: Any,
    ) -> Callable[[], set[str]]:
        """The values that a query of one column, `each`, leaves."""
        given = as_one(self._dialect.name, values)
        rows = self._send(raw, EVERYTHING, build, each=given, **others)
        return lambda: {row[0] for row in rows()}

    def _rows(
        self,
        raw: Any,
        viewer: Viewer,
        build: Callable[[Access], Query],
        **values: Any,
    ) -> Sequence[Any]:
        return self._send(raw, viewer, build, **values)()

    def _send(
        self,
        raw: Any,
        viewer: Viewer,
        build: Callable[[Access], Query],
        **values: Any,
    ) -> Callable[[], list[Any]]:
        query = compiled(_Question(build, viewer.everything), self._dialect)
        values["principals"] = listed(self._dialect, viewer)
        return query.send(raw, **values)


def listed(dialect: sa.Dialect, viewer: Viewer) -> Any:
    """The principals of a viewer, as `Access` takes them."""
    return _principals(dialect.name, viewer.principals)


@lru_cache(maxsize=1024)
def _principals(dialect: str, principals: frozenset[str]) -> Any:
    return as_one(dialect, sorted(principals))


def as_one(dialect: str, values: Sequence[str]) -> Any:
    """Several values as one parameter, as `Access.each` takes it apart."""
    return as_array(values) if dialect == "postgresql" else msgspec.json.encode(values).decode()


def numbers_as_one(dialect: sa.Dialect, values: Sequence[int]) -> Any:
    """Several numbers as one parameter, as `Access.is_one_of` takes it apart."""
    return as_array(values) if dialect.name == "postgresql" else str([*values])  # which is JSON


class Access:
    """Conditions on what a viewer may do; the principals are a parameter of the statement."""

    def __init__(self, dialect: sa.Dialect, everything: bool) -> None:
        self._dialect = dialect
        self._everything = everything
        self.on_postgresql = dialect.name == "postgresql"

    def seen(self, record: sa.FromClause = _record) -> Condition:
        """A record may be seen: its own audience, or that of its run."""
        if self._everything:
            return sa.true()
        return sa.or_(
            record.c.audience.in_(self._audiences()), record.c.run_audience.in_(self._audiences())
        )

    def managed(self, table: sa.FromClause = _record) -> Condition:
        """A record, or what was said of a run, belongs to an audience that the viewer manages."""
        if self._everything:
            return sa.true()
        return sa.func.coalesce(table.c.audience, "").in_(self._audiences(Level.MANAGE))

    def owned(self, table: sa.FromClause = _record) -> Condition:
        """A record's audience is the viewer's own: it says so, and not somebody else of it."""
        if self._everything:
            return sa.true()
        return sa.exists().where(
            _audience.c.digest == table.c.audience, *self._is_one(_audience.c.owner)
        )

    def standing(self) -> sa.ColumnElement[int]:
        """How near a record is to the viewer: 2 for its own, 1 for what it manages, 0 for what it
        sees. Whoever names others as managers does not get before what is their own."""
        if self._everything:
            return sa.literal(0)
        return sa.case((self.owned(), 2), (self.managed(), 1), else_=0)

    def _audiences(self, level: Level = Level.READ) -> sa.Select[Any]:
        is_one = self._is_one(_member.c.principal)
        return sa.select(_member.c.digest).where(*is_one, _member.c.level >= level.value)

    def _is_one(self, principal: sa.Column[Any]) -> tuple[Condition, ...]:
        if self._dialect.name == "postgresql":
            return (principal == sa.any_(sa.bindparam("principals", type_=sa.ARRAY(sa.Text))),)
        return (principal == self.each("principals").c.value,)

    def for_each(self, conditions: tuple[Condition, ...]) -> sa.Exists:
        """Whether there is a row like this, asked for each row of a few. PostgreSQL would rather
        join all of them with all that there are, unless the question has an OFFSET."""
        rows: Query = sa.select(sa.literal_column("1")).where(*conditions)
        return sa.exists(rows.offset(sa.literal_column("0")) if self.on_postgresql else rows)

    def of_run(
        self,
        columns: Sequence[sa.Column[Any]],
        run_id: sa.ColumnElement[str],
        limit: int,
        *conditions: Condition,
        last: bool,
        outer: sa.FromClause | None = None,
    ) -> Query:
        """So many of the last, or of the first, records of a run in the order of their ids; the
        run may be a column of an `outer` query.

        PostgreSQL expects as many records of each run. Told that it is about one run, and how many
        are wanted, it reads all of a long one and sorts it, or goes through the records of all
        runs in the order of ids. So it is told of a beginning and an end, in an order that one
        index has, and of the limit when the way is chosen.
        """
        order = [_record.c.id]
        of_run: tuple[Condition, ...] = (_record.c.run_id == run_id,)
        if self.on_postgresql:
            order = [_record.c.run_id, _record.c.id]
            end = sa.tuple_(run_id, sa.literal_column(str(MAX_INTEGER)))
            of_run = (_record.c.run_id >= run_id, sa.tuple_(*order) <= end)
        by = [column.desc() if last else column.asc() for column in order]
        rows = sa.select(*columns).where(*of_run, *conditions).order_by(*by).correlate(outer)
        if not self.on_postgresql:
            return rows.limit(limit)
        some = rows.limit(sa.select(sa.literal_column(str(limit))).scalar_subquery()).subquery()
        return sa.select(some).limit(limit)

    def is_one_of(self, name: str, column: sa.ColumnElement[int]) -> Condition:
        """A column is one of the numbers of a parameter that stands for several."""
        if self.on_postgresql:
            return column == sa.any_(sa.bindparam(name, type_=sa.ARRAY(sa.BigInteger)))
        each = sa.func.json_each(sa.bindparam(name)).table_valued("value")
        return column.in_(sa.select(each.c.value))

    def each(self, name: str) -> sa.TableValuedAlias:
        """The values of a parameter that stands for several, as rows with one column `value`."""
        if self._dialect.name == "postgresql":
            texts = sa.bindparam(name, type_=sa.ARRAY(sa.Text))
            return sa.func.unnest(texts).table_valued("value").render_derived()
        return sa.func.json_each(sa.bindparam(name)).table_valued("value")


def _text(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text())


def _given_run() -> sa.ColumnElement[str]:
    """A parameter that PostgreSQL does not look at when it plans, see `Access.of_run`."""
    return sa.select(_text("run_id")).scalar_subquery()


def _see(access: Access) -> Query:
    wanted = sa.bindparam("id", type_=sa.BigInteger())
    return sa.select(_record.c.id).where(_record.c.id == wanted, access.seen())


def _known_uris(access: Access) -> Query:
    each = access.each("each").c.value
    return sa.select(each).where(sa.exists().where(lies_at(_uri, each)))


def _at_uri(access: Access) -> Query:
    of_run = sa.func.coalesce(_record.c.run_id, "") == _text("run_id")
    about = (_record.c.id, _record.c.created_at, sa.case((of_run, 1), else_=0).label("of_run"))

    def recent(place: Condition, condition: Condition) -> sa.Subquery:
        return (
            sa.select(*about, access.standing().label("standing"))
            .join(_uri, _uri.c.record_id == _record.c.id)
            .where(place, condition)
            .order_by(_uri.c.record_id.desc())
            .limit(RECENT)
            .subquery()
        )

    # Neither what may not be seen nor what others show may use up the limit.
    found = [
        sa.select(recent(place, condition))
        for place in each_way(_uri, _text("uri"))
        for condition in (access.seen(), access.owned())
    ]
    every = sa.union_all(*found).subquery()
    best = (every.c.of_run, every.c.standing, every.c.created_at, every.c.id)
    return sa.select(every.c.id).order_by(*(column.desc() for column in best)).limit(1)


def _makers(_: Access) -> Query:
    flow = sa.select(_run.c.flow_id).where(_run.c.run_id == _text("run_id")).scalar_subquery()
    of_run = sa.func.coalesce(_record.c.run_id, "") == _text("run_id")
    return (
        sa.select(
            _record.c.id,
            _record.c.name,
            sa.case((sa.or_(of_run, _run.c.flow_id == flow), 1), else_=0),
        )
        .join(_link, _link.c.to_id == _record.c.id)
        .outerjoin(_run, _run.c.run_id == _record.c.run_id)
        .where(
            _link.c.from_id == sa.bindparam("id", type_=sa.BigInteger()),
            _link.c.role == Role.GENERATED_BY.value,
        )
    )


def _called_by(_: Access) -> Query:
    return (
        sa.select(_link.c.to_id)
        .join(_uri, _uri.c.record_id == _link.c.to_id)
        .where(
            _link.c.from_id == sa.bindparam("id", type_=sa.BigInteger()),
            _link.c.role == Role.USED.value,
            _uri.c.uri.like(_text("functions")),
        )
        .limit(RECENT)
    )


def _places(access: Access) -> Query:
    of_these = access.is_one_of("ids", _uri.c.record_id)
    return sa.select(_uri.c.record_id, _uri.c.uri, _uri.c.size, _uri.c.digest).where(of_these)


def _last_step(access: Access) -> Query:
    about = [_record.c.id, _record.c.kind, _record.c.created_at]
    about += [_record.c.audience, _record.c.run_audience]
    some = access.of_run(about, _given_run(), RECENT, last=True).subquery()
    return (
        sa.select(some.c.id)
        .where(some.c.kind == Kind.STEP.value, access.seen(some))
        .order_by(some.c.created_at.desc(), some.c.id.desc())
        .limit(1)
    )


def _documented(access: Access) -> Query:
    """As far as `_of_run` looks: else each step of a long run would look at all before it."""
    each = access.each("each").c.value

    def has_one(ids: sa.FromClause, *conditions: Condition) -> Condition:
        named = (_payload.c.record_id == ids.c.id, _payload.c.name == _text("name"))
        return sa.exists().where(*conditions, *named).correlate(each.table)

    def some(limit: int, *, last: bool) -> sa.FromClause:
        return access.of_run([_record.c.id], each, limit, last=last, outer=each.table).subquery()

    # Nearly all runs are short: to go through their records without a list of them takes a third.
    short = has_one(_record, _record.c.run_id == each)
    more = sa.select(some(RECENT + 1, last=False)).limit(1).offset(RECENT)
    is_long = sa.exists(more.correlate(each.table))
    ends = sa.or_(has_one(some(RECENT, last=True)), has_one(some(EARLIEST, last=False)))
    return sa.select(each).where(sa.case((is_long, ends), else_=short))


def _last_of_run(access: Access) -> Query:
    return _of_run(access, RECENT, last=True)


def _first_of_run(access: Access) -> Query:
    return _of_run(access, EARLIEST, last=False)


def _of_run(access: Access, limit: int, *, last: bool) -> Query:
    columns = (_record.c.id, _record.c.created_at, _record.c.kind)
    until = _record.c.created_at <= sa.bindparam("until", type_=sa.BigInteger())
    some = access.of_run(columns, _given_run(), limit, until, last=last).subquery()
    is_step = some.c.kind == Kind.STEP.value
    # Of a record that was generated this is GENERATED_BY: the roles before it are of steps.
    role = (
        sa.select(sa.func.min(_link.c.role)).where(_link.c.from_id == some.c.id).scalar_subquery()
    )
    folder = (
        sa.select(sa.func.max(_tag.c.name))
        .where(
            _tag.c.record_id == some.c.id, sa.or_(*(_tag.c.name == name for name in FOLDER_TAGS))
        )
        .scalar_subquery()
    )
    # What is asked of each row is most of the time that this takes.
    has_place = _uri.c.uri.is_not(None)
    about = (
        some.c.id,
        some.c.created_at,
        norm_of(_uri),
        sa.case((has_place, folder)),
        sa.case((has_place, role)),
    )
    named = (_payload.c.record_id == some.c.id, _payload.c.name == _text("name"))
    return (
        sa.select(*about, _payload.c.document)
        .outerjoin(_uri, sa.and_(~is_step, _uri.c.record_id == some.c.id))
        .outerjoin(_payload, sa.and_(is_step, *named))
    )


_HEAD = (
    _record.c.id,
    _version.c.line_id,
    _version.c.depth,
    _record.c.name,
    _record.c.run_id,
    status_of_maker(_record.c.id).label("status"),
)


def _heads(access: Access) -> Query:
    return _heads_named(access, _record.c.name == _text("name"))


def _heads_of(access: Access) -> Query:
    return _heads_named(access, _record.c.name.in_(sa.select(access.each("names").c.value)))


def _named_often(access: Access) -> Query:
    each = access.each("each").c.value
    named = sa.select(_record.c.id).where(_record.c.name == each).correlate(each.table)
    return sa.select(each).where(sa.exists(named.limit(1).offset(LATEST)))


def _latest_heads(access: Access) -> Query:
    def latest(condition: Condition) -> sa.Subquery:
        named = sa.select(_record.c.id).where(_record.c.name == _text("name"), condition)
        return named.order_by(_record.c.id.desc()).limit(LATEST).subquery()

    # Neither what may not be seen nor what others show may use up the limit.
    conditions = (access.seen(), access.managed(), access.owned())
    ids = sa.union(*(sa.select(latest(condition)) for condition in conditions))
    return _heads_named(access, _record.c.id.in_(ids))


def _heads_named(access: Access, is_named: Condition) -> Query:
    standing = access.standing().label("standing")
    return (
        sa.select(*_HEAD, _record.c.created_at, standing)
        .join(_version, _version.c.id == _record.c.id)
        .where(
            is_named,
            ~access.for_each(_revises_alike()),
            ~access.for_each(_revises(access)),
            access.seen(),
        )
        .order_by(standing.desc(), _record.c.created_at.desc(), _record.c.id.desc())
        .limit(HEADS)
    )


def _before_failed(access: Access) -> Query:
    """What failed versions come from: the nearest that did not fail, of which nothing else came but
    what failed too."""
    up = (
        sa.select(_version.c.parent_id.label("id"), _is_failed(_version.c.parent_id))
        .where(access.is_one_of("ids", _version.c.id), _version.c.parent_id.is_not(None))
        .cte("up", recursive=True)
    )
    up = up.union(
        sa.select(_version.c.parent_id, _is_failed(_version.c.parent_id))
        .join(up, up.c.id == _version.c.id)
        .where(up.c.failed == 1, _version.c.parent_id.is_not(None))
    )
    down = (
        sa.select(up.c.id.label("root"), _version.c.id, _is_failed(_version.c.id))
        .join(_version, _version.c.parent_id == up.c.id)
        .join(_record, _record.c.id == _version.c.id)
        .where(up.c.failed == 0, access.seen())
        .cte("down", recursive=True)
    )
    down = down.union(
        sa.select(down.c.root, _version.c.id, _is_failed(_version.c.id))
        .join(_version, _version.c.parent_id == down.c.id)
        .join(_record, _record.c.id == _version.c.id)
        .where(down.c.failed == 1, access.seen())
    )
    went_on = sa.exists().where(down.c.root == up.c.id, down.c.failed == 0)
    return (
        sa.select(*_HEAD, _record.c.created_at)
        .join(_version, _version.c.id == _record.c.id)
        .join(up, up.c.id == _record.c.id)
        .where(up.c.failed == 0, ~went_on, access.seen())
    )


def _failed_revisions(access: Access) -> Query:
    parent = _version.c.parent_id == sa.bindparam("id", type_=sa.BigInteger())
    is_failed = status_of_maker(_version.c.id) == FAILED
    later = sa.select(_version.c.id).where(parent, is_failed).cte("later", recursive=True)
    later = later.union(
        sa.select(_version.c.id).join(later, later.c.id == _version.c.parent_id).where(is_failed)
    )
    return (
        sa.select(_record.c.id)
        .join(later, later.c.id == _record.c.id)
        .where(access.seen())
        .order_by(_record.c.created_at, _record.c.id)
        .limit(RECENT)
    )


def _is_failed(version_id: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((status_of_maker(version_id) == FAILED, 1), else_=0).label("failed")


def _revised(*is_so: Condition, by: sa.FromClause) -> tuple[Condition, ...]:
    """The conditions that a version has a successor, a row of `by`, of which something is so. That
    is asked of each by its id: before PostgreSQL has counted a new store's rows, it would rather
    look for such successors among all records there are, and for each version anew."""
    child = _version.alias()
    successor = sa.select(sa.and_(*is_so)).where(by.c.id == child.c.id).correlate(child, _record)
    return child.c.parent_id == _record.c.id, successor.scalar_subquery()


def _revises_alike() -> tuple[Condition, ...]:
    """A sufficient condition of the same that is quick: whoever may see or manage a version may
    do so with a successor of the same audience in the same run."""
    record = _record.alias()
    return _revised(
        sa.func.coalesce(record.c.audience, "") == sa.func.coalesce(_record.c.audience, ""),
        sa.func.coalesce(record.c.run_id, "") == sa.func.coalesce(_record.c.run_id, ""),
        by=record,
    )


def _revises(access: Access) -> tuple[Condition, ...]:
    """The condition that a version has a successor that the viewer may see, and manages if it
    manages the version: who may only read it does not end its line."""
    record = _record.alias()
    is_managed = sa.or_(~access.managed(), access.managed(record))
    return _revised(access.seen(record), is_managed, by=record)


def _one_version(access: Access) -> Query:
    wanted = sa.bindparam("id", type_=sa.BigInteger())
    return (
        sa.select(*_HEAD)
        .join(_version, _version.c.id == _record.c.id)
        .where(_record.c.id == wanted, access.seen())
    )


def _runs(access: Access) -> Query:
    said = [_run.c[column.name] for column in list(_event.columns)[3:]]
    wanted = sa.select(access.each("each").c.value)
    return sa.select(_run.c.run_id, *said, _run.c.heard_at).where(_run.c.run_id.in_(wanted))


def _latest_tag(_: Access) -> Query:
    of_record = _tag.c.record_id == sa.bindparam("record_id", type_=sa.BigInteger())
    return sa.select(sa.func.max(_tag.c.set_at)).where(of_record, _tag.c.name == _text("name"))


def _latest_alias(_: Access) -> Query:
    of_line = _alias.c.line_id == sa.bindparam("record_id", type_=sa.BigInteger())
    return sa.select(sa.func.max(_alias.c.at)).where(of_line, _alias.c.name == _text("name"))


def _latest_mark(_: Access) -> Query:
    of_record = _mark.c.record_id == sa.bindparam("record_id", type_=sa.BigInteger())
    return sa.select(sa.func.max(_mark.c.at)).where(of_record)


def _run_members(_: Access) -> Query:
    return (
        sa.select(_member.c.principal, _member.c.level)
        .join(_run, _run.c.audience == _member.c.digest)
        .where(_run.c.run_id == _text("run_id"))
    )


def _others_event(access: Access) -> Query:
    of_run = _event.c.run_id == _text("run_id")
    return sa.select(_event.c.id).where(of_run, ~access.managed(_event)).limit(1)


def _others_record(access: Access) -> Query:
    of_run = _record.c.run_id == _text("run_id")
    return sa.select(_record.c.id).where(of_run, ~access.managed()).limit(1)
