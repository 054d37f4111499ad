"""Invalidation: what is invalid, and what follows it.

`mark` holds what was said of a record itself. `taint` holds (record, root) for everything that
derives from a record that was ever invalidated: a permanent fact, of which there is one more
when a link is written and never one less. So two stores that are merged agree on it in any
order, and what derives from the invalid is shown as such wherever, and whenever, it was made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from provenance_store.batch import Batch
from provenance_store.enums import CARRIES, PASSED_BY, Level, Mark
from provenance_store.errors import TooLarge
from provenance_store.rows import SameAsRow
from provenance_store.sql import known_later
from provenance_store.sql.compiled import compiled, ignoring
from provenance_store.sql.dialects import changed, driver, lock_links
from provenance_store.sql.query_parts import chunks
from provenance_store.sql.select import can_see
from provenance_store.sql.tables import TABLE
from provenance_store.values import Viewer

__all__ = [
    "CARRIES",
    "Follow",
    "affected",
    "affected_kinds",
    "causes",
    "follow_all",
    "is_invalid",
    "is_managed",
    "own_marks",
    "taint_size",
    "unfollowed",
    "unsupported",
    "with_same",
]

MAX_FOLLOWING = 1_000_000
"""How many (record, root) one batch may add, if it is not about one root alone."""

_mark, _taint, _record = TABLE["mark"], TABLE["taint"], TABLE["record"]
_same = TABLE["same_as"]
_link, _stub, _run, _member = TABLE["link"], TABLE["stub"], TABLE["run"], TABLE["audience_member"]
_OF_VALIDITY = (Mark.INVALIDATED.value, Mark.RESTORED.value)
_carried = _link.c.role.not_in([role.value for role in PASSED_BY])


def causes(ids: Sequence[int], viewer: Viewer) -> sa.Select[Any]:
    """(record_id, root_id, id of the mark, at, note, seen) for those of these records that are
    invalid, by record, oldest mark first."""
    seen: sa.ColumnElement[Any] = sa.literal(1)
    if not viewer.everything:
        seen = sa.exists().where(_record.c.id == _taint.c.root_id, can_see(viewer))
    return (
        sa.select(
            _taint.c.record_id,
            _taint.c.root_id,
            _mark.c.id,
            _mark.c.at,
            _mark.c.note,
            seen.label("seen"),
        )
        .join(_mark, _mark.c.record_id == _taint.c.root_id)
        .where(_taint.c.record_id.in_(ids), _in_force())
        .order_by(_taint.c.record_id, _mark.c.at, _mark.c.id)
    )


def _in_force() -> sa.ColumnElement[bool]:
    """The condition on `mark` to invalidate its record and to be the last word on that.

    At the same microsecond the word that restores counts, in every store alike.
    """
    later = _mark.alias()
    newer = sa.tuple_(later.c.at, later.c.mark, later.c.id) > sa.tuple_(
        _mark.c.at, _mark.c.mark, _mark.c.id
    )
    return sa.and_(
        _mark.c.mark == Mark.INVALIDATED.value,
        ~sa.exists().where(
            later.c.record_id == _mark.c.record_id, later.c.mark.in_(_OF_VALIDITY), newer
        ),
    )


def is_invalid() -> sa.ColumnElement[bool]:
    """The condition on `record` to be invalid at present."""
    return sa.exists().where(
        _taint.c.record_id == _record.c.id, _mark.c.record_id == _taint.c.root_id, _in_force()
    )


def own_marks(record_id: int) -> sa.Select[Any]:
    """What was said of the validity of a record itself, oldest first."""
    return (
        sa.select(_mark)
        .where(_mark.c.record_id == record_id, _mark.c.mark.in_(_OF_VALIDITY))
        .order_by(_mark.c.at, _mark.c.mark, _mark.c.id)
    )


def is_managed(record_id: int, viewer: Viewer) -> sa.Select[Any]:
    """A row when the viewer manages a record: by its own audience, else by that of its run."""
    audience = sa.func.coalesce(_record.c.audience, _run.c.audience)
    managed = sa.select(_member.c.digest).where(
        _member.c.principal.in_(sorted(viewer.principals)), _member.c.level >= Level.MANAGE.value
    )
    return (
        sa.select(_record.c.id)
        .outerjoin(_run, _run.c.run_id == _record.c.run_id)
        .where(_record.c.id == record_id, audience.in_(managed))
    )


def with_same(connection: sa.Connection, root_id: int) -> list[int]:
    """A record, and all records from which what derives from it follows too, since they are one
    thing with it or with something that derives from it."""
    roots = [root_id]
    if connection.execute(known_later.any_same()).first() is None:
        return roots
    while True:
        below = _below(roots)
        there = sa.select(below.c.id)
        query = sa.select(_same.c.other_id).distinct()
        query = query.where(
            _same.c.record_id.in_(there),
            _same.c.other_id.not_in(there),
            known_later.said_both_ways(),
        )
        if not (more := connection.execute(query).scalars().all()):
            return roots
        roots += more


def _below(roots: Sequence[int]) -> sa.CTE:
    """Records and all that derives from them, by one recursive query."""
    first = sa.union_all(*(sa.select(sa.literal(i, sa.BigInteger).label("id")) for i in roots))
    below = sa.select(first.subquery().c.id).cte("below", recursive=True)
    return below.union(
        sa.select(_link.c.from_id).join(below, below.c.id == _link.c.to_id).where(_carried)
    )


def _kinds(roots: Sequence[int], viewer: Viewer) -> sa.Select[Any]:
    below = _below(roots)
    seen = sa.or_(_record.c.id.is_(None), can_see(viewer))
    return (
        sa.select(
            below.c.id,
            sa.func.coalesce(_record.c.kind, _stub.c.kind).label("kind"),
            sa.case((seen, 1), else_=0).label("seen"),
        )
        .outerjoin(_record, _record.c.id == below.c.id)
        .outerjoin(_stub, _stub.c.id == below.c.id)
    )


def affected_kinds(roots: Sequence[int], viewer: Viewer) -> sa.Select[Any]:
    """(kind, whether the viewer may see it, count) of records and all that derives from them."""
    found = _kinds(roots, viewer).subquery()
    by = (found.c.kind, found.c.seen)
    return sa.select(*by, sa.func.count()).group_by(*by).order_by(*by)


def affected(roots: Sequence[int], viewer: Viewer, limit: int) -> sa.Select[Any]:
    """(id, kind, name, depth) of the first that derive from records, oldest first, without the
    first of these."""
    below, version = _below(roots), TABLE["version"]
    return (
        sa.select(_record.c.id, _record.c.kind, _record.c.name, version.c.depth)
        .join(below, below.c.id == _record.c.id)
        .outerjoin(version, version.c.id == _record.c.id)
        .where(_record.c.id != roots[0], can_see(viewer))
        .order_by(_record.c.created_at, _record.c.id)
        .limit(limit)
    )


_ANY_TAINT = sa.select(_taint.c.record_id).limit(1)


class Follow:
    """Keeps `taint` with what is written, inside the writer's transaction."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._is_any = compiled(_ANY_TAINT, dialect)

    def before(self, connection: sa.Connection, batch: Batch) -> None:
        """Before a batch is inserted: others that write links wait for one that invalidates."""
        if batch.mark and _roots(batch):
            lock_links(connection)

    def after(self, connection: sa.Connection, batch: Batch, same: Sequence[SameAsRow]) -> None:
        """After a batch was inserted, and what was found to be the `same`: what is invalid by it,
        and what derives from that."""
        same = [*batch.same_as, *same]
        roots = _roots(batch) if batch.mark else ()
        if roots:
            connection.execute(_into_taint(connection.dialect), roots)
        elif not (batch.link or same) or not self._any(connection):
            return
        seeds = {row["record_id"] for row in roots}
        seeds.update(self._reached(connection, batch))
        seeds.update(row[1] for row in same)
        # What follows one root is not more than the store; what follows many may be its square.
        most = None if len(roots) == 1 and not batch.link else MAX_FOLLOWING
        left = most
        for some in _each_of(seeds):
            spread = _spread(some, connection.dialect, limit=left)
            added = changed(connection, spread)
            if left is not None:
                left -= added
                if left <= 0:
                    raise TooLarge(
                        f"More than {most} pairs of an invalid record and one that derives from "
                        "it would come of this; invalidate what they have in common instead."
                    )
        _through_same(connection, seeds)

    def _any(self, connection: sa.Connection) -> bool:
        with driver(connection) as raw:
            given = self._is_any.values()
            return raw.execute(self._is_any.text, given).fetchone() is not None

    def _reached(self, connection: sa.Connection, batch: Batch) -> Iterator[int]:
        """The records of a batch that depend on a tainted one, which become so too."""
        links = [row for row in batch.link if row[2] not in PASSED_BY]
        tainted: dict[int, list[int]] = {}
        for chunk in chunks(sorted({row[0] for row in links})):
            query = sa.select(_taint).where(_taint.c.record_id.in_(chunk))
            for record_id, root_id in connection.execute(query):
                tainted.setdefault(record_id, []).append(root_id)
        rows = [
            {"record_id": row[1], "root_id": root_id}
            for row in links
            for root_id in tainted.get(row[0], ())
        ]
        if rows:
            connection.execute(_into_taint(connection.dialect), rows)
        return (row["record_id"] for row in rows)


def _roots(batch: Batch) -> list[dict[str, int]]:
    invalid = [row for row in batch.mark if row[2] == Mark.INVALIDATED]
    return [
        {"record_id": row[1], "root_id": row[1] if row[5] is None else row[5]} for row in invalid
    ]


def _below_tainted(seeds: sa.ColumnElement[bool]) -> sa.CTE:
    """Rows of `taint` that meet a condition, and all that derives from them, with their roots."""
    down = sa.select(_taint.c.record_id, _taint.c.root_id).where(seeds).cte("down", recursive=True)
    return down.union(
        sa.select(_link.c.from_id, down.c.root_id)
        .join(down, down.c.record_id == _link.c.to_id)
        .where(_carried)
    )


def follow_all(connection: sa.Connection) -> None:
    """Bring `taint` up to date with all marks and links, after many came in at once."""
    root = sa.func.coalesce(_mark.c.cause_id, _mark.c.record_id)
    said = sa.select(_mark.c.record_id, root).where(_mark.c.mark == Mark.INVALIDATED.value)
    connection.execute(_from_select(said, connection.dialect))
    if connection.execute(sa.select(_taint.c.record_id).limit(1)).first() is None:
        return
    lock_links(connection)
    connection.execute(_spread(_leads_on(), connection.dialect))
    _through_same(connection, None)


def _through_same(connection: sa.Connection, seeds: Collection[int] | None) -> None:
    """Taint what is one thing with something tainted, and what derives from that: with what
    derives from the `seeds`, which is told already, or with anything."""
    if seeds is not None and not seeds:
        return
    if connection.execute(known_later.any_same()).first() is None:
        return
    while True:
        found: set[tuple[int, int]] = set()
        for tainted in [_taint] if seeds is None else map(_below_tainted, _each_of(seeds)):
            found.update(map(tuple, connection.execute(_untold_same(tainted))))
        if not found:
            return
        rows = [{"record_id": record_id, "root_id": root_id} for record_id, root_id in found]
        connection.execute(_into_taint(connection.dialect), rows)
        seeds = {record_id for record_id, _ in found}
        for some in _each_of(seeds):
            connection.execute(_spread(some, connection.dialect))


def _each_of(seeds: Collection[int]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions on `taint` to be of these records, some at a time."""
    return (_taint.c.record_id.in_(chunk) for chunk in chunks(sorted(seeds)))


def _untold_same(tainted: sa.FromClause) -> sa.Select[Any]:
    """(record_id, root_id) of records that are one thing with a tainted one and are not told so."""
    known = _taint.alias()
    told = sa.exists().where(
        known.c.record_id == _same.c.other_id, known.c.root_id == tainted.c.root_id
    )
    return (
        sa.select(_same.c.other_id, tainted.c.root_id)
        .distinct()
        .join(tainted, tainted.c.record_id == _same.c.record_id)
        .where(~told, known_later.said_both_ways())
    )


@cache
def unfollowed(limit: int) -> sa.Select[Any]:
    """Records that are, or were, invalid, and are not followed by all that derives from them."""
    return sa.select(_taint.c.root_id).where(_leads_on()).distinct().limit(limit)


@cache
def unsupported(limit: int) -> sa.Select[Any]:
    """Records that `taint` has with a root that they are not, and do not derive from by way of
    another record that it has with that root; and roots of which nobody ever said so.

    What a slice left out is not asked: why a stub is invalid was left out with it.
    """
    other, held = _taint.alias(), sa.exists().where(_record.c.id == _taint.c.record_id)
    derived = sa.exists().where(
        _link.c.from_id == _taint.c.record_id,
        _carried,
        other.c.record_id == _link.c.to_id,
        other.c.root_id == _taint.c.root_id,
    )
    root = sa.func.coalesce(_mark.c.cause_id, _mark.c.record_id)
    said = sa.exists().where(
        _mark.c.record_id == _taint.c.record_id,
        _mark.c.mark == Mark.INVALIDATED.value,
        root == _taint.c.root_id,
    )
    same = sa.exists().where(
        _same.c.record_id == _taint.c.record_id,
        known_later.said_both_ways(),
        other.c.record_id == _same.c.other_id,
        other.c.root_id == _taint.c.root_id,
    )
    unsaid = (held, ~derived, ~same, ~said)
    return sa.select(_taint.c.record_id).where(*unsaid).distinct().limit(limit)


def _leads_on() -> sa.ColumnElement[bool]:
    """The condition on `taint` that something derives from the record and is not told so."""
    known = _taint.alias()
    return sa.exists().where(
        _link.c.to_id == _taint.c.record_id,
        _carried,
        ~sa.exists()
        .where(known.c.record_id == _link.c.from_id, known.c.root_id == _taint.c.root_id)
        .correlate(_link, _taint),  # two selects out: by itself it would bring a `taint` of its own
    )


def taint_size(connection: sa.Connection) -> int:
    """How many (record, root) there are."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(_taint)).scalar_one())


def _spread(seeds: sa.ColumnElement[bool], dialect: sa.Dialect, *, limit: int | None = None) -> Any:
    """Taint all that derives from rows of `taint` that meet a condition, by one recursive query;
    no more than `limit` that are new."""
    down = _below_tainted(seeds)
    query = sa.select(down.c.record_id, down.c.root_id).where(sa.true())
    if limit is not None:
        known = _taint.alias()
        is_known = sa.exists().where(
            known.c.record_id == down.c.record_id, known.c.root_id == down.c.root_id
        )
        query = query.where(~is_known).limit(limit)
    return _from_select(query, dialect)


def _from_select(query: sa.Select[Any], dialect: sa.Dialect) -> Any:
    insert: Any = ignoring(_taint, dialect)
    return insert.from_select(["record_id", "root_id"], query)


def _into_taint(dialect: sa.Dialect) -> sa.Insert:
    return ignoring(_taint, dialect)
