"""What became known of records later: links that came late, and records that are one thing.

Records that are one thing (the same bytes at the same place) are found where rows are written,
whichever way they came. Records of different owners are not linked so: otherwise anybody could tie
records to those of others by claiming a digest, and make these invalid with his own. A merge, and
`Store.link_same`, link all of them: whoever calls these has the whole store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from provenance_store.batch import Batch
from provenance_store.ids import SEQUENCE_BITS, now
from provenance_store.rows import SameAsRow
from provenance_store.sql.compiled import Insert, compiled
from provenance_store.sql.dialects import driver
from provenance_store.sql.query_parts import chunks, each_way, hash_of, lies_at, norm_of
from provenance_store.sql.select import can_see
from provenance_store.sql.step_queries import Access, numbers_as_one
from provenance_store.sql.tables import TABLE
from provenance_store.values import Viewer

__all__ = [
    "SameThings",
    "any_same",
    "at_same_uris",
    "late_links",
    "late_links_after",
    "new_same",
    "said_both_ways",
    "same_after",
    "same_things",
    "steps_of_run",
]

_late, _record, _step = TABLE["late_link"], TABLE["record"], TABLE["step"]
_outcome, _uri = TABLE["outcome"], TABLE["uri"]
_same = TABLE["same_as"]
CALLING_NOBODY = ("Pass", "Choice", "Wait", "Fail", "ExpressionEval")
"""Types of states that only direct a run: they read and make no files."""


def late_links(ids: Sequence[int]) -> sa.Select[Any]:
    """The links that were added to these records after they were closed, oldest first."""
    return sa.select(_late).where(_late.c.from_id.in_(ids)).order_by(_late.c.at, _late.c.id)


def late_links_after(at: int) -> sa.Select[Any]:
    """(from_id, to_id, role) of the links that were added later than at a time."""
    return sa.select(_late.c.from_id, _late.c.to_id, _late.c.role).where(_late.c.at > at)


def steps_of_run(run_id: str, at: int, viewer: Viewer) -> sa.Select[Any]:
    """(id, name, status) of the steps of a run that called somebody and were recorded until a
    time, in the order in which they began."""
    began = sa.func.coalesce(_step.c.started_at, _record.c.created_at)
    return (
        sa.select(_record.c.id, _record.c.name, _outcome.c.status)
        .join(_step, _step.c.id == _record.c.id)
        .outerjoin(_outcome, _outcome.c.id == _record.c.id)
        .where(
            _record.c.run_id == run_id,
            _record.c.created_at <= at,
            _step.c.type.not_in(CALLING_NOBODY),
            can_see(viewer),
        )
        .order_by(began, _record.c.id)
    )


# ---- records that are one thing --------------------------------------------------------


def any_same() -> sa.Select[Any]:
    """A row when there are records that are one thing."""
    return sa.select(_same.c.record_id).limit(1)


def said_both_ways() -> sa.ColumnElement[bool]:
    """The condition on `same_as` that it was said of the other record too: who may add to one
    record only cannot make it one with another's."""
    back = _same.alias()
    return (
        sa.exists()
        .where(back.c.record_id == _same.c.other_id, back.c.other_id == _same.c.record_id)
        .correlate(_same)
    )


def same_after(at: int) -> sa.Select[Any]:
    """(record_id, other_id) of what was said later than at a time, of one or of the other."""
    return sa.select(_same.c.record_id, _same.c.other_id).where(_same.c.at > at)


def same_things(ids: Sequence[int]) -> sa.Select[Any]:
    """Which other records are one thing with these, and by which digest."""
    return (
        sa.select(_same)
        .where(_same.c.record_id.in_(ids), said_both_ways())
        .order_by(_same.c.record_id, _same.c.other_id)
    )


def at_same_uris(record_id: int, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """(id, uri) of other records at a place of this one."""
    other = _uri.alias()
    return (
        sa.select(_record.c.id, other.c.uri)
        .select_from(_uri)
        .join(other, lies_at(other, norm_of(_uri)))
        .join(_record, _record.c.id == other.c.record_id)
        .where(_uri.c.record_id == record_id, other.c.record_id != record_id, can_see(viewer))
        .order_by(other.c.record_id.desc())
        .limit(limit)
    )


LOOKED_AT = 1000
"""Of the records with the same bytes at one place, how many of the first, and of the last, are
looked at for one of the same owner."""
FOUND = 100
"""Of the files of one record that were found, later, to have the same bytes as each other, how many
are looked at: they all lie at places of that record, and one place is enough."""

_SNAPSHOT = "SELECT CAST(pg_current_snapshot() AS text)"

_record, _uri, _check = TABLE["record"], TABLE["uri"], TABLE["file_check"]
_audience, _same = TABLE["audience"], TABLE["same_as"]
Condition = sa.ColumnElement[bool]


class SameThings:
    """Says of records that are written that they are one thing with others, for one dialect."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self._insert = Insert(_same, dialect, passing=True)
        self._said: set[tuple[int, int]] = set()
        """The pairs that were said since `missed` was asked."""
        self._alone_until: int | None = None
        """The number of the next transaction when it was asked, if no other was under way."""

    def after(self, connection: sa.Connection, batch: Batch) -> list[SameAsRow]:
        """After a batch was inserted: what its digests say, which is inserted too."""
        return self.said_of(connection, _told_of(batch))

    def said_of(self, connection: sa.Connection, ids: Collection[int]) -> list[SameAsRow]:
        """What the digests of records say, which is inserted too."""
        if not ids:
            return []
        with driver(connection) as raw:
            rows = _rows(self._pairs(raw, ids))
        if rows:
            self._insert.rows(connection, rows)
            self._said.update(row[:2] for row in rows)
        return rows

    def missed(self, connection: sa.Connection, batches: Iterable[Batch]) -> set[int]:
        """After a commit: those of the records of these batches that turn out to be one thing with
        what another connection to PostgreSQL wrote at the same moment, which nobody said yet.

        Neither saw what the other had not committed. But whoever commits last sees it now.
        """
        said, self._said = self._said, set()
        if self._dialect.name != "postgresql":
            return set()
        ids = set[int]().union(*map(_told_of, batches))
        if not ids:
            return ids
        with driver(connection) as raw:
            raw.autocommit = True  # a transaction would be two more ways to the server
            try:
                rows = _rows(self._pairs(raw, ids)) if self._others_wrote(raw) else []
            finally:
                raw.autocommit = False
        return {row.id for row in rows if row[:2] not in said}

    def _others_wrote(self, raw: Any) -> bool:
        """Whether anybody else may have committed anything since this was asked before.

        Each transaction that writes takes the next number. Nobody else's has ended since then
        when none was under way, and the one just committed is the only one to be added.
        """
        (told,) = raw.execute(_SNAPSHOT).fetchone()
        _, end, under_way = told.split(":")
        before, self._alone_until = self._alone_until, None if under_way else int(end)
        return before is None or int(end) != before + 1

    def _pairs(self, raw: Any, ids: Collection[int]) -> Any:
        query = compiled(_of_batch, self._dialect)
        given = numbers_as_one(self._dialect, sorted(ids))
        return raw.execute(query.text, query.values(ids=given)).fetchall()

    def catch_up(
        self, connection: sa.Connection, origins: Collection[int], *, any_owner: bool = False
    ) -> int:
        """After much was inserted at once: what the digests say of records that these origins made;
        how many pairs are new."""
        there = sa.select(sa.func.count()).select_from(_same)
        before = connection.execute(there).scalar_one()
        for some in chunks(sorted(origins)):
            lasts = [(no << SEQUENCE_BITS, (no + 1) << SEQUENCE_BITS) for no in some]

            def is_of_these(record_id: sa.ColumnElement[int], lasts: Any = lasts) -> Condition:
                ranges = (sa.and_(record_id >= low, record_id < high) for low, high in lasts)
                return sa.or_(*ranges)

            query = _found(is_of_these, self._dialect, any_owner=any_owner)
            if rows := _rows(connection.execute(query).all()):
                self._insert.rows(connection, rows)
        return int(connection.execute(there).scalar_one() - before) // 2


def _told_of(batch: Batch) -> set[int]:
    """The ids of the records of which a batch has a digest."""
    ids = {row[0] for row in batch.uri if row[3] is not None}
    if batch.file_check:
        ids.update(row[0] for row in batch.file_check)
    return ids


def _rows(found: Iterable[Any]) -> list[SameAsRow]:
    """What is to be said of what `_found` found, in one order: two may say it at the same time."""
    at = now()
    rows = []
    for record_id, digest, *others in found:
        if known := [other for other in others if other is not None]:
            first = min(known)
            rows.append(SameAsRow(record_id, first, record_id, at, digest))
            rows.append(SameAsRow(first, record_id, record_id, at, digest))
    return sorted(rows)


def _of_batch(dialect: sa.Dialect) -> sa.Select[Any]:
    """`_found` of the records that a parameter has the ids of."""
    return _found(partial(Access(dialect, True).is_one_of, "ids"), dialect)


def _found(
    is_meant: Callable[[sa.ColumnElement[int]], Condition],
    dialect: sa.Dialect,
    *,
    any_owner: bool = False,
) -> sa.Select[Any]:
    """(record_id, digest, other, other …) of the records that are meant and have a digest. Each
    other is of the same bytes at the same place; None where there is none in that spelling.

    With it all of them are connected, since each was when it came: not every pair is told.
    """
    met = _met_again(is_meant)
    of_uri = sa.select(
        _uri.c.record_id.label("id"),
        norm_of(_uri).label("place"),
        _uri.c.digest.label("digest"),
        *([_owner(_uri).label("owner")] if not any_owner else ()),
    ).where(
        is_meant(_uri.c.record_id),
        _uri.c.digest.is_not(None),
        _holds_something(_uri.c.size),
        _is_among(_uri.c.digest, met),
    )
    of_check = (
        sa.select(
            _check.c.record_id,
            norm_of(_uri),
            _check.c.digest,
            *([_owner(_check)] if not any_owner else ()),
        )
        .join(_uri, sa.and_(_uri.c.record_id == _check.c.record_id, _uri.c.uri == _check.c.uri))
        .where(
            is_meant(_check.c.record_id),
            _uri.c.digest.is_(None),
            _check.c.size > 0,
            _is_among(_check.c.digest, met),
        )
    )
    this = of_uri.union_all(of_check).subquery("this")

    def other(candidates: sa.Select[Any], *conditions: Callable[[sa.Subquery], Condition]) -> Any:
        """The first of them, of those that come first or else of those that come last: where a
        file was recorded ten thousand times, by others too, not all of them are looked at."""
        each = []
        record_id = next(iter(candidates.selected_columns))
        for order in (record_id.asc(), record_id.desc()):
            some = candidates.order_by(order).limit(LOOKED_AT).correlate(this).subquery()
            wanted = [condition(some) for condition in conditions]
            if not any_owner:
                wanted.append(_owner(some) == this.c.owner)
            query = sa.select(some.c.record_id).where(some.c.record_id != this.c.id, *wanted)
            each.append(query.limit(1).correlate(this).scalar_subquery())
        return sa.func.coalesce(*each)

    there = _uri.alias()
    plain, spelled_otherwise = each_way(there, this.c.place)
    if dialect.name == "postgresql":  # its index has the hash
        plain = sa.and_(plain, hash_of(there.c.uri) == hash_of(this.c.place))
    columns = (there.c.record_id, there.c.size, there.c.digest)
    return sa.select(
        this.c.id,
        this.c.digest,
        other(
            sa.select(*columns).where(plain, there.c.digest == this.c.digest),
            lambda some: _holds_something(some.c.size),
        ),
        # Not by the index of digests, which leads to equal files at all other places.
        other(
            sa.select(*columns).where(spelled_otherwise),
            lambda some: sa.and_(some.c.digest == this.c.digest, _holds_something(some.c.size)),
        ),
        # By the place again: equal files at other places, such as ten thousand of one line each,
        # are not gone through for each of them.
        *(
            other(
                sa.select(there.c.record_id, there.c.uri).where(where, there.c.digest.is_(None)),
                lambda some: _was_found(some, this),
            )
            for where in (plain, spelled_otherwise)
        ),
    )


def _was_found(some: sa.Subquery, this: sa.Subquery) -> Condition:
    """Whether the file at a place of a record was found with the digest, as far as one looks: no
    index has digest and place, and a record may have very many equal files."""
    check = _check.alias()
    found = (
        sa.select(check.c.uri)
        .where(
            check.c.digest == this.c.digest, check.c.record_id == some.c.record_id, check.c.size > 0
        )
        .limit(FOUND)
        .correlate(some, this)
        .subquery()
    )
    return sa.exists().where(found.c.uri == some.c.uri).correlate(some, this)


def _met_again(is_meant: Callable[[sa.ColumnElement[int]], Condition]) -> sa.Select[Any]:
    """Those of the digests of the records that are meant which another record has too: nearly
    always there are none, which is said much sooner than where they lie and whose they are."""
    tables = (_uri, _check)
    said = sa.union_all(
        *(sa.select(t.c.digest, t.c.record_id).where(is_meant(t.c.record_id)) for t in tables)
    ).subquery()
    each = (
        sa.select(said.c.digest, sa.func.min(said.c.record_id).label("one"))
        .where(said.c.digest.is_not(None))
        .group_by(said.c.digest)
        .subquery()
    )
    others = (
        sa.exists().where(other.c.digest == each.c.digest, other.c.record_id != each.c.one)
        for other in (_uri.alias(), _check.alias())
    )
    return sa.select(each.c.digest).where(sa.or_(*others))


def _is_among(digest: sa.ColumnElement[Any], digests: sa.Select[Any]) -> Condition:
    """Not by the index of digests, which leads to equal files at all places."""
    return sa.func.coalesce(digest, "").in_(digests)


def _holds_something(size: sa.ColumnElement[Any]) -> Condition:
    """An empty file is not known by its bytes."""
    return sa.func.coalesce(size, 1) > 0


def _owner(rows: sa.FromClause) -> sa.ScalarSelect[Any]:
    """Whose the record of a row is, a text for nobody's too. An audience that is told of, but is
    not here, is an owner of its own."""
    audience = sa.func.coalesce(_record.c.audience, _record.c.run_audience)
    owner = sa.select(_audience.c.owner).where(_audience.c.digest == audience).scalar_subquery()
    return (
        sa.select(sa.func.coalesce(owner, audience, ""))
        .where(_record.c.id == rows.c.record_id)
        .scalar_subquery()
    )


def new_same() -> sa.Select[Any]:
    """(record_id, other_id, digest) of records with the same bytes at the same place, the first of
    them with each other one, that are not known to be one thing. Empty files say nothing."""
    recorded = sa.select(
        _uri.c.record_id, norm_of(_uri).label("place"), sa.func.lower(_uri.c.digest).label("digest")
    ).where(_uri.c.digest.is_not(None), sa.func.coalesce(_uri.c.size, 1) > 0)
    found = (
        sa.select(_check.c.record_id, norm_of(_uri), sa.func.lower(_check.c.digest))
        .join(_uri, sa.and_(_uri.c.record_id == _check.c.record_id, _uri.c.uri == _check.c.uri))
        .where(_uri.c.digest.is_(None), _check.c.size > 0)
    )
    known = recorded.union(found).cte("known")
    place = (known.c.place, known.c.digest)
    groups = (
        sa.select(*place, sa.func.min(known.c.record_id).label("first"))
        .group_by(*place)
        .having(sa.func.count(known.c.record_id.distinct()) > 1)
        .subquery()
    )
    told = sa.exists().where(
        _same.c.record_id == groups.c.first, _same.c.other_id == known.c.record_id
    )
    return (
        sa.select(groups.c.first, known.c.record_id, known.c.digest)
        .distinct()
        .join(
            known,
            sa.and_(known.c.place == groups.c.place, known.c.digest == groups.c.digest),
        )
        .where(known.c.record_id != groups.c.first, ~told)
    )
