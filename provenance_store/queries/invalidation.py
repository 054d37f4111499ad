"""Saying that a record must not be relied on, and taking it back.

Nothing is deleted: a mark is added to the record, and all that derives from it, by links of
`enums.CARRIES`, follows it for as long as that is the last word. The mark says since
when and why; who made it is told by its id's origin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from provenance_store.enums import Kind, Mark
from provenance_store.errors import Conflict, NotAllowed
from provenance_store.ids import make_id, now, short_id
from provenance_store.queries.documents import FIRST_NAMED, RESTRICTED, brief
from provenance_store.queries.records import not_found
from provenance_store.queries.validity import causes_of
from provenance_store.queries.view import View
from provenance_store.references import Reference, spelled
from provenance_store.rows import MarkRow
from provenance_store.sink import new_origin
from provenance_store.sinks.database import DatabaseSink
from provenance_store.sql import validity as sql
from provenance_store.times import datetime_of, rfc3339
from provenance_store.validation.limits import YEARS
from provenance_store.validation.texts import check_text
from provenance_store.values import EVERYTHING, Viewer

__all__ = ["MAX_CAUSE", "Affected", "invalidate", "restore"]

MAX_CAUSE = 4096


@dataclass(frozen=True)
class Affected:
    """What was, or with a dry run would be, said of a record, and what follows it.

    `record` stands for the record; `count` is how many derive from it, `kinds` the same by kind,
    `first` stands for the oldest of these that the viewer may see, and what it may not see is
    of the kind "restricted". `at` is when it was said, in UTC, None for a dry run.
    `before` is the cause for which the record itself was invalid already, None if it was not.
    """

    record: dict[str, Any]
    at: datetime | None
    cause: str
    count: int
    kinds: dict[str, int] = field(default_factory=dict)
    first: Sequence[dict[str, Any]] = ()
    before: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The document of the query API."""
        document = {
            "record": self.record,
            "at": None if self.at is None else rfc3339(self.at),
            "cause": self.cause,
            "affected": {
                "count": self.count,
                "kinds": self.kinds,
                "first": list(self.first),
            },
        }
        return document if self.before is None else document | {"before": self.before}


def invalidate(
    sink: DatabaseSink,
    reference: Reference,
    *,
    cause: str,
    dry_run: bool = False,
    viewer: Viewer = EVERYTHING,
    named: int = FIRST_NAMED,
    who: str = "",
) -> Affected:
    """Mark a record as invalid; see `Store.invalidate`."""
    text = check_text(cause, "cause", MAX_CAUSE)
    found = _effect_of(sink, reference, Mark.INVALIDATED, text, viewer=viewer, named=named)
    return found.affected if dry_run else _say(sink, found, Mark.INVALIDATED, who)


def restore(
    sink: DatabaseSink,
    reference: Reference,
    *,
    cause: str = "",
    dry_run: bool = False,
    viewer: Viewer = EVERYTHING,
    named: int = FIRST_NAMED,
    who: str = "",
) -> Affected:
    """Take an invalidation back; see `Store.restore`."""
    text = check_text(cause, "cause", MAX_CAUSE, empty=True)
    found = _effect_of(sink, reference, Mark.RESTORED, text, viewer=viewer, named=named)
    return found.affected if dry_run else _say(sink, found, Mark.RESTORED, who)


class _Effect(NamedTuple):
    record_id: int
    affected: Affected
    last: int
    """The time of the last word on it, 0 if there is none."""


def _effect_of(
    sink: DatabaseSink, reference: Reference, mark: Mark, text: str, *, viewer: Viewer, named: int
) -> _Effect:
    """What would be said, and what would follow; raises what `Store.invalidate` does."""
    record_id = sink.find(reference, viewer)
    with sink.session.read() as connection:
        view = View(connection, viewer, sink.urn)
        row = view.by_id([record_id]).get(record_id)
        if row is None:
            raise not_found(reference)
        # Who reads everything as a member of a group is somebody, and the store's owner nobody.
        somebody = viewer.principals or not viewer.everything
        if somebody and view.first(sql.is_managed(record_id, viewer)) is None:
            named_here = spelled(reference)
            raise NotAllowed(f"{named_here} may only be invalidated by those who manage it.")
        own = _own_cause(view, record_id, needed=mark is Mark.RESTORED)
        last = max((said.at for said in view.all(sql.own_marks(record_id))), default=0)
        found = _affected(view, brief(row, sink.urn), record_id, text, named)
    return _Effect(record_id, replace(found, before=own), last)


def _say(sink: DatabaseSink, effect: _Effect, mark: Mark, who: str) -> Affected:
    at = min(max(now(), effect.last + 1, 0), YEARS[-1])
    record_id, found = effect.record_id, effect.affected
    mark_id = make_id(sink.number_of(new_origin(0, who=who)), 1) if who else sink.new_id()
    batch = sink.new_batch()
    batch.mark.append(MarkRow(mark_id, record_id, mark.value, at, found.cause, record_id))
    sink.write(batch)
    return replace(found, at=datetime_of(at))


def _own_cause(view: View, record_id: int, *, needed: bool) -> str | None:
    """Why a record was invalidated itself, None if it was not; Conflict if it has to be."""
    causes = causes_of(view, [record_id]).get(record_id, [])
    for cause in causes:
        if cause.root_id == record_id:
            return cause.cause or ""
    if not needed:
        return None
    named = short_id(record_id)
    if not causes:
        raise Conflict(f"{named} is not invalid.")
    roots = ", ".join(view.urn(cause.root_id) for cause in causes if cause.root_seen)
    raise Conflict(
        f"{named} is invalid because of what it derives from; restore that: "
        + (roots or "a record that you may not see")
        + "."
    )


def _affected(
    view: View, record: dict[str, Any], record_id: int, text: str, named: int
) -> Affected:
    kinds = Counter[str]()
    roots = sql.with_same(view.connection, record_id)
    for kind, seen, count in view.all(sql.affected_kinds(roots, view.viewer)):
        kinds[Kind(kind).label if seen else RESTRICTED] += count
    kinds[record["kind"]] -= 1
    rows = view.all(sql.affected(roots, view.viewer, named))
    first = [brief(row, view.urn) for row in rows]
    return Affected(record, None, text, kinds.total(), dict(+kinds), first)
