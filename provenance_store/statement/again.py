"""What a store says today about the records of a statement, and what it said at other times.

Some of what a statement tells has a history: runs go on, records are invalidated and restored,
data is closed. The history is looked up only where a statement says something else than is so
today: what was so once, and changed since, is not an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from provenance_store import documents
from provenance_store.ids import now
from provenance_store.kinds import Kind, Mark
from provenance_store.reading.lineage import walk
from provenance_store.reading.validity import Invalidation
from provenance_store.reading.view import Row, View, grouped
from provenance_store.sql import around, evidence, read
from provenance_store.statement.evidence import (
    LINKS_A_RECORD,
    MAX_RECORDS,
    RESTS_ON,
    added_since,
    gather_these,
    unconnected,
)
from provenance_store.times import format_time, parse_time

__all__ = ["Beside", "History", "Present", "RunHistory", "look_again"]

Evidence = Mapping[str, Any]
Locate = Callable[[str], int | None]

SAID = ("flow_id", "flow_title", "label", "status", "run_owner")
"""What is said of a run, where the latest word counts."""


class Beside(NamedTuple):
    """What became of a node that a statement tells of and has no record of, or does not tell of.

    `audience` and `run_audience` are digests: with the same one, the same people see it.
    """

    state: Literal["record", "stub", "missing"]
    kind: str | None = None
    name: str | None = None
    run_id: str | None = None
    audience: str | None = None
    run_audience: str | None = None


@dataclass(frozen=True)
class RunHistory:
    """Each field of a run as it was at the time of a statement, and what was said of it since."""

    then: Mapping[str, Any]
    later: Mapping[str, Set[Any]]

    def was_once(self, name: str, value: Any, today: Any) -> bool:
        """Whether this was so at that time, or after it, and something said since made it what
        it is today."""
        later = self.later.get(name, ())
        return value in later or (bool(self.then[name] == value) and today in later)


@dataclass(frozen=True)
class History:
    """What only the store itself can tell, to somebody who sees all of it.

    `reached` are the nodes that the statement's record rests on today, up to the statement's
    limit; `beside` tells of those that are no records of the statement. `invalid` has for a
    record what it was invalid for, oldest first, once for each time since the statement when that
    changed.
    """

    reached: frozenset[str] = frozenset()
    truncated: bool = False
    unconnected: Sequence[Mapping[str, Any]] = ()
    """The steps of its run that have nothing to do with the record."""
    beside: Mapping[str, Beside] = field(default_factory=dict)
    audiences: Mapping[str, Beside] = field(default_factory=dict)
    runs: Mapping[str, RunHistory] = field(default_factory=dict)
    invalid: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]] = field(default_factory=dict)
    reduced: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Present:
    """The evidence as it is today; without a `history` where somebody else's store was asked."""

    evidence: Evidence
    history: History | None = None


def look_again(view: View, stated: Evidence, locate: Locate) -> Present:
    """What the store says of the records in a statement's evidence, as of its time.

    The statement has been found to be whole: its ids are ids, and its time is a time.
    """
    as_of = parse_time(stated["as_of"], now=now())
    urns = [leaf["id"] for leaf in stated["leaves"]]
    ids = {i for i in map(locate, urns) if i is not None}
    found = gather_these(view, ids, as_of=as_of)
    return Present(found, _Looking(view, stated, found, as_of, locate).history(ids))


@dataclass(frozen=True)
class _Looking:
    view: View
    stated: Evidence
    found: Evidence
    as_of: int
    locate: Locate

    def history(self, ids: Set[int]) -> History:
        reached, truncated = self._reached()
        told = [*(stub["id"] for stub in self.stated["stubs"]), *self.stated["missing"]]
        others = {i for i in map(self.locate, told) if i is not None} | (reached - ids)
        hides = self.stated["scope"] != "everything"
        return History(
            reached=frozenset(map(self.view.urn, reached)),
            truncated=truncated,
            unconnected=self._unconnected(reached),
            beside=dict(self._beside(sorted(others))),
            audiences=dict(self._beside(sorted(ids))) if hides else {},
            runs=dict(self._runs(self._differing("runs"))),
            invalid=dict(self._invalid(self._located("invalidated"))),
            reduced=dict(self._reduced(self._located("reduced"))),
        )

    def _reached(self) -> tuple[frozenset[int], bool]:
        root = self.locate(self.stated["root"])
        if root is None:
            return frozenset(), False
        limit = min(max(self.stated["limit"], 1), MAX_RECORDS)
        most = LINKS_A_RECORD * limit
        found = walk(
            self.view,
            root,
            direction="up",
            depth=None,
            limit=limit,
            roles=RESTS_ON,
            most_links=most,
            without=added_since(self.view, self.as_of),
            same="same_things" in self.stated,  # older versions did not go on from these
        )
        return frozenset(found.nodes), found.truncated

    def _unconnected(self, reached: Set[int]) -> list[dict[str, Any]]:
        root = self.locate(self.stated["root"])
        if root is None or root not in self.view.by_id([root]):
            return []
        return unconnected(self.view, root, reached, self.as_of)

    def _beside(self, ids: Sequence[int]) -> Iterator[tuple[str, Beside]]:
        stubs = {row.id: row for row in self.view.chunked(around.stubs, ids)}
        records = {row.id: row for row in self.view.chunked(evidence.nodes, ids)}
        for i in ids:
            if row := records.get(i):
                seen = (row.run_id, row.audience, row.run_audience)
                beside = Beside("record", Kind(row.kind).label, row.name, *seen)
            elif row := stubs.get(i):
                beside = Beside("stub", Kind(row.kind).label, row.name)
            else:
                beside = Beside("missing")
            yield self.view.urn(i), beside

    def _differing(self, part: str) -> list[str]:
        stated, today = self.stated[part], self.found[part]
        return sorted(key for key, value in stated.items() if today.get(key) != value)

    def _located(self, part: str) -> list[int]:
        found = (self.locate(urn) for urn in self._differing(part))
        return sorted({i for i in found if i is not None})

    def _runs(self, run_ids: Sequence[str]) -> Iterator[tuple[str, RunHistory]]:
        for run_id in run_ids:
            yield run_id, _history(self.view.all(evidence.run_events([run_id])), self.as_of)

    def _invalid(
        self, ids: Sequence[int]
    ) -> Iterator[tuple[str, Sequence[Sequence[Mapping[str, Any]]]]]:
        roots: dict[int, list[int]] = defaultdict(list)
        for row in self.view.chunked(evidence.roots, ids):
            roots[row.record_id].append(row.root_id)
        marks = self._marks({root for some in roots.values() for root in some})
        for i in ids:
            own = [mark for root in roots[i] for mark in marks.get(root, ()) if _is_verdict(mark)]
            times = sorted({self.as_of, *(m.at for m in own if m.at > self.as_of)})
            yield self.view.urn(i), [self._causes(own, at) for at in times]

    def _causes(self, marks: Sequence[Row], at: int) -> list[Mapping[str, Any]]:
        """What these marks invalidated at a time, oldest first."""
        last: dict[int, Row] = {}
        for mark in sorted(marks, key=lambda m: (m.at, m.mark, m.id)):
            if mark.at <= at:
                last[mark.record_id] = mark
        causes = [
            Invalidation(m.at, m.note, m.record_id, m.id)
            for m in sorted(last.values(), key=lambda m: (m.at, m.id))
            if m.mark == Mark.INVALIDATED
        ]
        return [documents.validity(cause, self.view.urn)["invalidated"] for cause in causes]

    def _reduced(self, ids: Sequence[int]) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        for i, marks in self._marks(set(ids)).items():
            said = [m for m in marks if m.mark == Mark.REDUCED]
            yield self.view.urn(i), [{"at": format_time(m.at), "note": m.note} for m in said]

    def _marks(self, ids: Set[int]) -> Mapping[int, Sequence[Row]]:
        return grouped(self.view.chunked(read.marks, sorted(ids)), lambda row: row.record_id)


def _is_verdict(mark: Row) -> bool:
    return mark.mark in (Mark.INVALIDATED, Mark.RESTORED)


def _history(events: Iterable[Row], as_of: int) -> RunHistory:
    """What was said of a run until a time, and after it.

    What a session said that began after that time came later, whenever it says it was so.
    """
    then: dict[str, Any] = dict.fromkeys((*SAID, "start_time", "completion_time"))
    later: dict[str, set[Any]] = defaultdict(set)
    begun: list[int] = []
    first: list[int] = []
    for event in events:
        said = {name: getattr(event, name) for name in SAID}
        said["completion_time"] = format_time(event.completion_time)
        said = {name: value for name, value in said.items() if value is not None}
        if event.at <= as_of and (event.session_started_at or 0) <= as_of:
            then |= said
            first.append(event.at)
            begun += [] if event.start_time is None else [event.start_time]
        else:
            for name, value in said.items():
                later[name].add(value)
            later["start_time"] |= {format_time(event.at), format_time(event.start_time)} - {None}
    then["start_time"] = format_time(min(begun or first, default=None))
    return RunHistory(then, later)
