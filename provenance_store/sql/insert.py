"""Statements that write, compiled once for a dialect."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from provenance_store.batch import ID_PLACES, TABLES, Batch
from provenance_store.enums import Kind, Mark
from provenance_store.errors import Conflict, InvalidInput, Sealed
from provenance_store.ids import SEQUENCE_BITS, short_id
from provenance_store.rows import ROWS, LinkRow, OriginRow
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.sql.compiled import COPY_FROM_ROWS, Insert, compiled, ignoring
from provenance_store.sql.dialects import changed, driver, in_a_row, savepoint
from provenance_store.sql.known_later import SameThings
from provenance_store.sql.makers import in_the_making
from provenance_store.sql.models import Parameters
from provenance_store.sql.ownership import belongings
from provenance_store.sql.query_parts import chunks
from provenance_store.sql.step_queries import Access, as_one
from provenance_store.sql.tables import KEYS, LOCAL, TABLE
from provenance_store.sql.validity import Follow
from provenance_store.validation.batches import additions, check_kinds
from provenance_store.validation.checked import checked
from provenance_store.validation.limits import Gate
from provenance_store.validation.uris import normal_uri

__all__ = [
    "ID_COLUMNS",
    "Statements",
    "closed",
    "fill_stubs",
    "register_origin",
    "renumbered",
    "tell_records",
    "told",
]

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


SORTED_FROM = 5_000
"""Links are in the order of what they lead to, all over the table: so many go in quicker sorted."""
FEW = 4
"""So many records are asked for one by one, which the driver does more quickly."""
KNOWN = 10_000
"""How many digests are remembered as written."""
_ORDER = ("run_event", *(name for name in TABLES[1:] if name != "run_event"))
"""What is known of runs comes first: records are written with the audience of their run."""
_REPEATED = frozenset({"environment", "audience", "audience_member", "run_tag", "stub", "same_as"})
"""Tables whose rows are their own name: meeting one again is normal."""


class Statements:
    """The INSERTs of every table for one dialect, and how a batch is written with them."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._insert = {
            name: Insert(TABLE[name], dialect, passing=name in _REPEATED) for name in TABLES
        }
        self._links = Insert(TABLE["link"], dialect, passing=True)
        self._run = Insert(TABLE["run"], dialect, passing=True)
        self._follow = Follow(dialect)
        self.parameters = Parameters(dialect)
        self.same = SameThings(dialect)
        self._of_run = compiled(_AUDIENCE_OF_RUN, dialect)
        self._of_record = compiled(_KIND_OF_RECORD, dialect)
        self._of_runs = compiled(_audiences_of_runs, dialect)
        self._project = compiled(_PROJECT, dialect)
        self._tell = compiled(_TELL_RECORDS, dialect)
        self._known: set[str] = set()

    def write(self, connection: sa.Connection, batch: Batch, *, tried: bool = False) -> None:
        """Write a batch inside the caller's transaction, as new rows or as ones already there.

        With `tried` it is not tried once more whether all are new. Raises Conflict when a row is
        there with another content and Sealed for an addition to a static record; the caller
        undoes then what was written of it.
        """
        self._before(connection, batch)
        if not tried:
            try:
                with savepoint(connection):
                    self.insert_all(connection, batch)
                    return self._keep_up(connection, batch)
            except IntegrityError:
                pass  # some are there
        self._write_missing(connection, batch)
        self._keep_up(connection, batch)

    def write_new(self, connection: sa.Connection, batch: Batch) -> None:
        """Write a batch of new rows.

        Raises IntegrityError when one is not new; the caller undoes then what was written.
        """
        self._before(connection, batch)
        if len(batch) < COPY_FROM_ROWS:  # COPY cannot be sent before there is an answer
            with in_a_row(connection):
                self.insert_all(connection, batch)
        else:
            self.insert_all(connection, batch)
        self._keep_up(connection, batch)

    def _before(self, connection: sa.Connection, batch: Batch) -> None:
        """What is looked at and locked first. Not under a savepoint that may be rolled back:
        PostgreSQL would let go of the lock."""
        self._check_additions(connection, batch)
        self._follow.before(connection, batch)

    def _check_additions(self, connection: sa.Connection, batch: Batch) -> None:
        """Refuse what is said of records that are not there, that their kinds cannot have, or
        that would be added to one that is closed.

        A step may come after what it made, and marks are made of stubs too.
        """
        spoken = additions(batch)
        kinds = self._kinds(connection, spoken)
        check_kinds(batch, kinds)
        if spoken:
            check_open(connection, batch)
        if batch.mark and (missing := {row[1] for row in batch.mark} & spoken - kinds.keys()):
            _check_stubs(connection, batch, missing)

    def _kinds(self, connection: sa.Connection, ids: Collection[int]) -> dict[int, Kind]:
        """The kinds of those of these records that are there."""
        if len(ids) > FEW:
            return {i: each.kind for i, each in belongings(connection, ids).items()}
        with driver(connection) as raw:
            found = [(i, raw.execute(self._of_record.text, (i,)).fetchone()) for i in ids]
        return {i: Kind(row[0]) for i, row in found if row is not None}

    def _keep_up(self, connection: sa.Connection, batch: Batch) -> None:
        """Bring what is kept with the rows, for quick answers, up to date with a batch."""
        self._follow.after(connection, batch, self.same.after(connection, batch))
        if batch.payload or batch.version:
            self.parameters.after(connection, batch)

    def insert_all(self, connection: sa.Connection, batch: Batch) -> None:
        """Insert new rows, and bring the runs that they speak of up to date."""
        for name in _ORDER:
            if rows := getattr(batch, name):
                if name == "link" and len(rows) > SORTED_FROM:
                    rows = sorted(rows)
                self.insert(connection, name, rows)
            if name == "run_event":
                self.project_runs(connection, batch)

    def insert(self, connection: sa.Connection, name: str, rows: Any) -> None:
        """Insert new rows of a table; rows that are their own name may be there already."""
        if name in _REPEATED:
            rows = [row for row in rows if row[0] not in self._known]
        self._insert[name].rows(connection, self.stored(connection, name, rows))

    def stored(self, connection: sa.Connection, name: str, rows: Any) -> Any:
        """Rows with the columns that the store fills in itself (`tables.LOCAL`).

        Of records it asks for the audiences of their runs, which must be up to date.
        """
        if name == "uri":
            return [(*row, None if (n := normal_uri(row[1])) == row[1] else n) for row in rows]
        if name == "record":
            runs = self._audiences(connection, {row[5] for row in rows if row[5] is not None})
            return [(*row, runs.get(row[5])) for row in rows]
        if name == "metric":
            return [row if len(row) == 6 else (*row, None) for row in rows]
        return rows

    def say_same(self, connection: sa.Connection, ids: Collection[int]) -> None:
        """Say of records that are there what their digests say (`SameThings.missed`)."""
        self._follow.after(connection, Batch(), self.same.said_of(connection, ids))

    def _audiences(self, connection: sa.Connection, run_ids: set[str]) -> dict[str, str]:
        """The audiences of those of these runs that have one."""
        if not run_ids:
            return {}
        given = as_one(connection.dialect.name, sorted(run_ids))
        with driver(connection) as raw:
            rows = self._of_runs.ask(raw, run_ids=given)
        return {run_id: audience for run_id, audience in rows if audience is not None}

    def _run_known(self, connection: sa.Connection, run_id: str) -> Any | None:
        with driver(connection) as raw:
            return raw.execute(self._of_run.text, (run_id,)).fetchone()

    def committed(self, batch: Batch) -> None:
        """Told when a batch is durable: what it named by content need not be written again."""
        if len(self._known) > KNOWN:
            self._known.clear()
        self._known.update(row[0] for row in (*batch.environment, *batch.audience))

    def _write_missing(self, connection: sa.Connection, batch: Batch) -> None:
        for name in _ORDER:
            rows = getattr(batch, name)
            if name == "link":
                self._links.rows(connection, rows)
            elif name in _REPEATED:
                self.insert(connection, name, rows)
            elif missing := _not_there(connection, TABLE[name], rows):
                whole = self.stored(connection, name, list(dict.fromkeys(missing)))
                _insert_missing(connection, TABLE[name], self._insert[name], whole)
            if name == "run_event":
                self.project_runs(connection, batch)

    def project_runs(self, connection: sa.Connection, batch: Batch) -> None:
        """Bring the runs that a batch speaks of up to date with all that was said of them."""
        self.project(connection, {row[0] for row in batch.run_event})

    def project(self, connection: sa.Connection, run_ids: Collection[str]) -> None:
        """Bring runs up to date with all that was said of them."""
        for run_id in sorted(run_ids):
            before = self._run_known(connection, run_id)
            if before is None:
                blank = (run_id, *(None,) * 5, 0, None, None, 0)
                self._run.rows(connection, [blank])
            with driver(connection) as raw:
                raw.execute(self._project.text, self._project.values(the_run=run_id))
                if before is None or before[0] is None:
                    # The first audience of a run stays, so this happens once for each.
                    raw.execute(self._tell.text, self._tell.values(the_run=run_id))


def _latest(column: str, *, first: bool = False) -> sa.ScalarSelect[Any]:
    event = TABLE["run_event"]
    order = (event.c.at, event.c.id) if first else (event.c.at.desc(), event.c.id.desc())
    return (
        sa.select(event.c[column])
        .where(event.c.run_id == sa.bindparam("the_run"), event.c[column].is_not(None))
        .order_by(*order)
        .limit(1)
        .scalar_subquery()
    )


def _projection() -> sa.Update:
    run, event = TABLE["run"], TABLE["run_event"]
    earliest = sa.func.coalesce(sa.func.min(event.c.start_time), sa.func.min(event.c.at))
    start = sa.select(earliest).where(event.c.run_id == sa.bindparam("the_run"))
    said = [c.name for c in run.columns if c.name not in ("run_id", "start_time", "heard_at")]
    values: dict[str, Any] = {name: _latest(name) for name in said}
    # The first audience counts, and stays: who speaks of a run later must not be able to take it
    # over, whatever time is said.
    values["audience"] = sa.func.coalesce(run.c.audience, _latest("audience", first=True))
    # Not the latest word: each step that is recorded tells when it began at the latest.
    values["start_time"] = start.scalar_subquery()
    heard = sa.select(sa.func.max(event.c.at)).where(event.c.run_id == sa.bindparam("the_run"))
    values["heard_at"] = heard.scalar_subquery()
    return run.update().where(run.c.run_id == sa.bindparam("the_run")).values(values)


_PROJECT = _projection()


def _telling(of_runs: sa.ColumnElement[bool]) -> sa.Update:
    """The records of these runs are told the audiences of their runs."""
    run, record = TABLE["run"], TABLE["record"]
    audience = sa.select(run.c.audience).where(run.c.run_id == record.c.run_id).scalar_subquery()
    return (
        record.update()
        .where(of_runs, record.c.run_audience.is_distinct_from(audience))
        .values(run_audience=audience)
    )


_AUDIENCE_OF_RUN = sa.select(TABLE["run"].c.audience).where(
    TABLE["run"].c.run_id == sa.bindparam("run_id", type_=sa.Text)
)


def _audiences_of_runs(dialect: sa.Dialect) -> sa.Select[Any]:
    run, each = TABLE["run"].c, Access(dialect, True).each("run_ids").c.value
    return sa.select(run.run_id, run.audience).where(run.run_id.in_(sa.select(each)))


_KIND_OF_RECORD = sa.select(TABLE["record"].c.kind).where(
    TABLE["record"].c.id == sa.bindparam("id", type_=sa.BigInteger)
)
_TELL_RECORDS = _telling(TABLE["record"].c.run_id == sa.bindparam("the_run"))


def tell_records(connection: sa.Connection, run_ids: Sequence[str]) -> None:
    """Keep the audiences of these runs with their records."""
    for chunk in chunks(sorted(run_ids)):
        connection.execute(_telling(TABLE["record"].c.run_id.in_(chunk)))


def check_open(connection: sa.Connection, batch: Batch) -> None:
    """Refuse links and URIs that would be added to a record that is closed.

    A record may be added to in the batch that makes it, while it is live, a step until its outcome
    is known, and a model version until that of a step that makes it is. A link of which the batch
    says who adds it, and why, may come late.
    """
    made = {row[0] for row in batch.record}
    late = {(row[2], row[0], row[3]) for row in batch.late_link}
    added = {row[1] for row in batch.link if row[1] not in made and row not in late}
    added |= {row[0] for row in batch.uri if row[0] not in made}
    for chunk in chunks(sorted(added)):
        found = _closed(connection, chunk)
        if new := [i for i in found if not _already_there(connection, batch, i, late)]:
            raise Sealed(
                f"{short_id(new[0])} takes no additions: {_why_closed(connection, new[0])}.",
                record=short_id(new[0]),
                field="link",
            )


def _check_stubs(connection: sa.Connection, batch: Batch, ids: Collection[int]) -> None:
    """Raise InvalidInput for the first of these that is no stub either."""
    stub = TABLE["stub"]
    known = {row[0] for row in batch.stub}
    for chunk in chunks(sorted(ids)):
        known.update(connection.execute(sa.select(stub.c.id).where(stub.c.id.in_(chunk))).scalars())
    if unknown := sorted(set(ids) - known):
        raise InvalidInput(f"{short_id(unknown[0])} is not a record of this store.", path="mark")


def closed(connection: sa.Connection, ids: Sequence[int]) -> list[int]:
    """Those of these records that take no additions: all must be there."""
    return [i for chunk in chunks(ids) for i in _closed(connection, chunk)]


def _closed(connection: sa.Connection, ids: Sequence[int]) -> list[int]:
    record, mark, outcome = TABLE["record"], TABLE["mark"], TABLE["outcome"]
    promoted = sa.exists().where(mark.c.record_id == record.c.id, mark.c.mark == Mark.PROMOTED)
    ended = sa.exists().where(outcome.c.id == record.c.id)
    step = TABLE["step"]
    is_step = sa.exists().where(step.c.id == record.c.id)
    is_open = sa.or_(
        sa.and_(sa.or_(record.c.live == 1, in_the_making()), sa.not_(promoted)),
        sa.and_(is_step, sa.not_(ended)),
    )
    query = sa.select(record.c.id, is_open).where(record.c.id.in_(ids))
    state = {row[0]: bool(row[1]) for row in connection.execute(query)}
    if unknown := [i for i in ids if i not in state]:
        raise InvalidInput(f"{short_id(unknown[0])} is not a record of this store.")
    return [i for i in ids if not state[i]]


def _why_closed(connection: sa.Connection, record_id: int) -> str:
    """Why a record takes no additions, and what can be recorded instead."""
    version = TABLE["version"]
    query = sa.select(version.c.id).where(version.c.id == record_id)
    if connection.execute(query).first() is None:
        return "it is static; record something new that derives from it"
    return (
        "a model version is complete once the step that makes it has ended, or at once where no "
        "step does; record the next one with `update`"
    )


def _already_there(
    connection: sa.Connection, batch: Batch, record_id: int, late: Set[tuple[int, ...]]
) -> bool:
    links = [row for row in batch.link if row[1] == record_id and row not in late]
    uris = [row for row in batch.uri if row[0] == record_id]
    missing = (
        *_not_there(connection, TABLE["link"], links),
        *_not_there(connection, TABLE["uri"], uris),
    )
    return not missing


def _not_there(
    connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """The rows that the table does not hold; raises Conflict for one that it holds otherwise."""
    columns = told(table)
    places = [table.columns.keys().index(name) for name in KEYS[table.name]]
    missing = []
    for chunk in chunks(rows):
        keys = [tuple(row[p] for p in places) for row in chunk]
        stored = {
            tuple(row[p] for p in places): tuple(row)
            for row in connection.execute(sa.select(*columns).where(_one_of(table, keys)))
        }
        for key, row in zip(keys, chunk, strict=True):
            if key not in stored:
                missing.append(row)
            elif not _alike(table.name, stored[key], tuple(row)):
                raise _conflict(table, stored[key], row)
    return missing


def _gated(table: str, values: tuple[Any, ...]) -> Any:
    """The row as the gate lets it in; None for one that it does not."""
    try:
        return checked(Gate(), table, ROWS[table](*values), limit=MAX_PAYLOAD_BYTES.get())
    except (InvalidInput, KeyError, TypeError):
        return None


def told(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns of a table that its rows have: without those that the store fills in itself."""
    local = LOCAL.get(table.name, ())
    return [column for column in table.columns if column.name not in local]


def _alike(table: str, stored: tuple[Any, ...], given: tuple[Any, ...]) -> bool:
    """Whether they say the same: as they are, or as the gate lets both in today.

    A spool file that was written under older rules comes in twice without a conflict.
    """
    if stored == given:
        return True
    kept = _gated(table, stored)
    return kept is not None and kept == _gated(table, given)


def _one_of(table: sa.Table, keys: Sequence[tuple[Any, ...]]) -> sa.ColumnElement[bool]:
    columns = [table.c[name] for name in KEYS[table.name]]
    if len(columns) == 1:
        return columns[0].in_([key[0] for key in keys])
    return sa.tuple_(*columns).in_(keys)


def _conflict(table: sa.Table, stored: tuple[Any, ...], given: tuple[Any, ...]) -> Conflict:
    place = next(i for i, pair in enumerate(zip(stored, given, strict=True)) if pair[0] != pair[1])
    first = stored[table.columns.keys().index(KEYS[table.name][0])]
    return Conflict(
        record=short_id(first) if isinstance(first, int) else str(first),
        field=f"{table.name}.{table.columns.keys()[place]}",
        stored=stored[place],
        given=given[place],
    )


def _insert_missing(
    connection: sa.Connection, table: sa.Table, insert: Insert, rows: list[tuple[Any, ...]]
) -> None:
    try:
        insert.rows(connection, rows)
    except IntegrityError as error:
        raise Conflict(
            f"A row of {table.name} repeats a value that must be unique there.",
            record=str(rows[0][0]),
            field=table.name,
        ) from error


def register_origin(connection: sa.Connection, given: OriginRow, *, vouched: bool = False) -> int:
    """This store's number of an origin, registering it if it is new here.

    An origin of which only the UUID was known (`who` is empty) gets its other fields as soon as
    somebody knows them. `vouched` says that a server saw a token of `who`; what a file says of
    itself gives nobody a right.
    """
    table = TABLE["origin"]
    this_one = table.c.uuid == given.uuid
    query = sa.select(table.c.no, table.c.who).where(this_one)
    values = given._asdict()
    del values["no"]
    values["vouched"] = int(vouched) or None
    if (known := connection.execute(query).first()) is None:
        connection.execute(ignoring(table, connection.dialect), values)
        known = connection.execute(query).one()
    if vouched:
        unseen = table.c.vouched.is_(None)
        connection.execute(table.update().where(this_one, unseen).values(values))
    elif given.who and not known.who:
        connection.execute(table.update().where(this_one, table.c.who == "").values(values))
    return int(known.no)


def renumbered(batch: Batch, numbers: dict[int, int]) -> Batch:
    """The batch with its origins' numbers replaced by the store's, by arithmetic."""
    if all(theirs == ours for theirs, ours in numbers.items()):
        return batch
    shift = {theirs: (ours - theirs) << SEQUENCE_BITS for theirs, ours in numbers.items()}
    result = Batch()
    for name in TABLES[1:]:
        places = ID_PLACES[name]
        rows = getattr(batch, name)
        if places:
            make: Any = LinkRow._make if name == "link" else tuple
            rows = [make(_shifted(row, places, shift)) for row in rows]
        setattr(result, name, rows)
    return result


ID_COLUMNS: dict[str, frozenset[str]] = {
    **{
        name: frozenset(ROWS[name]._fields[p] for p in places)  # type: ignore[attr-defined]
        for name, places in ID_PLACES.items()
    },
    "taint": frozenset({"record_id", "root_id"}),
    "parameter": frozenset({"record_id"}),
    "run": frozenset(),
    "store_info": frozenset(),
}
"""The columns of each table that hold ids."""


def _shifted(row: tuple[Any, ...], places: tuple[int, ...], shift: dict[int, int]) -> list[Any]:
    values = list(row)
    for place in places:
        if (value := values[place]) is not None:
            values[place] = value + shift[value >> SEQUENCE_BITS]
    return values
