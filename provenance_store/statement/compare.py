"""A statement beside what a store says today.

What changed since and may change (records reduced by age, invalidity taken back, runs that went on,
nodes that a slice left out and that are here) becomes a note; everything else that differs is a
difference. The history is looked up only where a statement says something else than is so today.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from provenance_store.display import counted
from provenance_store.enums import Kind, Mark
from provenance_store.ids import now
from provenance_store.queries import documents
from provenance_store.queries.documents import HIDDEN, RESTRICTED
from provenance_store.queries.lineage import walk
from provenance_store.queries.validity import Invalidation
from provenance_store.queries.view import Row, View, grouped
from provenance_store.sql import select, surrounding_records
from provenance_store.sql.imports import import_in
from provenance_store.statement.compare_records import compare_records
from provenance_store.statement.curve import Ends, covered, points_of_document, stated_curve
from provenance_store.statement.evidence import (
    LINKS_A_RECORD,
    MAX_RECORDS,
    RESTS_ON,
    added_since,
    gather_these,
    unconnected,
)
from provenance_store.statement.verify import Difference, same
from provenance_store.times import format_time, parse_time

__all__ = [
    "NOT_THERE",
    "Beside",
    "History",
    "Present",
    "RunHistory",
    "against_store",
    "as_shown",
    "look_again",
]

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
    ends = {i: stated_ends for urn, stated_ends in _ends(stated) if (i := locate(urn)) is not None}
    found = gather_these(view, ids, as_of=as_of, ends=ends)
    return Present(found, _Looking(view, stated, found, as_of, locate).history(ids))


def _ends(stated: Evidence) -> Iterator[tuple[str, Ends]]:
    """Where each curve ended that is stated up to a place."""
    for leaf in stated["leaves"]:
        ends = leaf["record"].get("model", {}).get("curve", {}).get("ends")
        if ends is not None:
            yield leaf["id"], ends


def as_shown(
    stated: Evidence, today: Evidence, metrics: Callable[[str], Sequence[Mapping[str, Any]]]
) -> Present:
    """The same from a server, which tells of curves as they are now: `today` is its evidence.

    Each curve is taken up to where it is stated; of those that differ then, the points are asked
    for with `metrics`, by URN.
    """
    records = {record["id"]: record for record in today["records"]}
    since = {}
    for urn, ends in _ends(stated):
        now = records.get(urn, {}).get("model", {}).get("curve")
        if now is None or now.get("ends") == ends:
            continue
        points = points_of_document(metrics(urn))
        curve = stated_curve(covered(points, ends))
        records[urn] = {**records[urn], "model": {**records[urn]["model"], "curve": curve}}
        if more := len(points) - curve["values"]:
            since[urn] = more
    return Present({**today, "records": list(records.values()), "logged_since": since})


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
        stubs = {row.id: row for row in self.view.chunked(surrounding_records.stubs, ids)}
        records = {row.id: row for row in self.view.chunked(surrounding_records.nodes, ids)}
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
            yield (
                run_id,
                _history(self.view.all(surrounding_records.run_events([run_id])), self.as_of),
            )

    def _invalid(
        self, ids: Sequence[int]
    ) -> Iterator[tuple[str, Sequence[Sequence[Mapping[str, Any]]]]]:
        roots: dict[int, list[int]] = defaultdict(list)
        for row in self.view.chunked(surrounding_records.roots, ids):
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
        return grouped(self.view.chunked(select.marks, sorted(ids)), lambda row: row.record_id)


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


NOT_THERE = "the record is not in the store"
NOT_SHOWN = "the record is not there, or you may not see it"
GOES_ON = (None, "ACTIVE", "INACTIVE")


def against_store(
    statement: Mapping[str, Any], present: Present
) -> tuple[list[Difference], list[str]]:
    """What a store says otherwise today, and what could not be compared, a sentence each."""
    comparison = _Comparison(statement["predicate"]["evidence"], present)
    return list(comparison.differences()), list(comparison.notes())


class _Comparison:
    """One statement's evidence and what is known today."""

    def __init__(self, stated: Evidence, present: Present) -> None:
        self.stated = stated
        self.today = present.evidence
        self.history: History | None = present.history
        self.records = {leaf["id"]: leaf["record"] for leaf in stated["leaves"]}
        self.found = {record["id"]: record for record in self.today["records"]}
        self.sees_less = self.today["scope"] != "everything"
        self.saw_less = stated["scope"] != "everything"
        self._dropped = 0
        self._notes: list[str] = []

    def differences(self) -> Iterator[Difference]:
        """All of them, those of the records first."""
        absent = [urn for urn in self.records if urn not in self.found]
        yield from map(self._absent, absent)
        changed = list(self._compared())
        yield from changed
        yield from self._invalidated()
        yield from self._reduced()
        yield from self._open()
        yield from self._runs()
        yield from self._origins()
        yield from self._environments()
        yield from self._imports()
        yield from self._left_out()
        yield from self._said_later(
            "late_links", "a link to {} was not added so", "a link to {} was added, untold"
        )
        yield from self._said_later(
            "same_things", "it is not one thing with {} by that", "it is one thing with {}, untold"
        )
        if not absent and not changed:
            yield from self._unconnected()
            yield from self._extent()

    def notes(self) -> Iterator[str]:
        """What changed since and may, and what could not be compared; after `differences`."""
        if self._dropped:
            yield (
                f"Of {counted(self._dropped, 'record')} the tags, numbers and documents were "
                "dropped by age since; what is left of them was compared."
            )
        if since := self.today.get("logged_since"):
            yield (
                f"Logged since: {counted(sum(since.values()), 'value')} of the curves of "
                f"{counted(len(since), 'model version')}; the curves were compared as far as they "
                "are stated."
            )
        yield from self._notes
        if self.stated["truncated"]:
            yield "The statement is over the nearest records only; the others were not looked at."

    # ---- what was added, and what is apart -----------------------------------------------

    def _said_later(self, part: str, wrong: str, untold: str) -> Iterator[Difference]:
        """What was said of records later is so in the store, and nothing that is so is left out.

        Whoever saw less was not told some of the other ends, and of these everything but that.
        """
        if part not in self.stated or self.sees_less:
            return
        today = [link for link in self.today[part] if link["from"] in self.records]
        left = Counter(map(_as_key, today))
        hidden: dict[Any, list[Any]] = defaultdict(list)
        for link in today if self.saw_less else ():
            if link["to"] not in self.records:
                hidden[_as_key({**link, "to": RESTRICTED})].append(_as_key(link))
        for link in self.stated[part]:
            key = _as_key(link)
            found = next((known for known in (key, *hidden[key]) if left[known]), None)
            if found is not None:
                left[found] -= 1
            elif link["from"] in self.found:
                yield Difference(link["from"], wrong.format(link["to"]))
        for link in today:
            if left[_as_key(link)]:
                yield Difference(link["from"], untold.format(link["to"]))

    def _unconnected(self) -> Iterator[Difference]:
        """Steps of the run that are apart are told of as they are, and no others."""
        if self.history is None or "unconnected" not in self.stated:
            return
        if self.stated["truncated"] or self.history.truncated:
            return
        today = {step["id"]: step for step in self.history.unconnected}
        for step in self.stated["unconnected"]:
            found = today.pop(step["id"], None)
            if found is not None and step["status"] in GOES_ON:
                found = {**found, "status": step["status"]}
            if found is None or not same(step, found):
                yield Difference(step["id"], "as a step that is not connected", step, found)
        if not self.saw_less:
            for urn in today:
                yield Difference(urn, "it is not connected with the record, which is not stated")

    # ---- records -------------------------------------------------------------------------

    def _absent(self, urn: str) -> Difference:
        if urn in {stub["id"] for stub in self.today["stubs"]}:
            return Difference(urn, "the record is left out of this store, a slice")
        return Difference(urn, NOT_SHOWN if self.sees_less else NOT_THERE)

    def _compared(self) -> Iterator[Difference]:
        for urn, record in self.records.items():
            if (found := self.found.get(urn)) is None:
                continue
            drop = None if urn in self.stated["reduced"] else self.today["reduced"].get(urn)
            self._dropped += drop is not None
            if drop is not None and drop["at"] <= self.stated["as_of"] and same(record, found):
                # With more in it, it was stated from a store in which it was not reduced.
                yield Difference(urn, f"dropped by age on {drop['at'][:10]}, which is not stated")
            yield from compare_records(
                record,
                found,
                reduced=drop is not None,
                known=self.records.keys(),
                saw_less=self.saw_less,
            )

    def _invalidated(self) -> Iterator[Difference]:
        stated, today = self.stated["invalidated"], self.today["invalidated"]
        back = 0
        for urn in self.records:
            before, now = stated.get(urn), today.get(urn)
            if urn not in self.found or same(before, now):
                continue
            if before is None:
                yield _since(urn, now)
            elif not self._was_invalid(urn, before, now):
                yield Difference(urn, "its validity", before, now or "not invalid")
            elif now is None:
                back += 1
        if back:
            self._notes.append(
                f"{counted(back, 'record')} that {'was' if back == 1 else 'were'} invalid then "
                f"{'is' if back == 1 else 'are'} valid again."
            )

    def _was_invalid(self, urn: str, stated: Mapping[str, Any], now: Any) -> bool:
        """Whether it was invalid for this at the statement's time, or since."""
        if self.history is None:
            # A server tells what is so today: of a cause that was taken back nothing is left.
            self._notes.append(f"{urn} is stated as invalid; what it was is not shown by a server.")
            return now is None or (self.sees_less and now["root"] == RESTRICTED)
        for causes in self.history.invalid.get(urn, ()):
            if not self.saw_less and any(same(stated, cause) for cause in causes[:1]):
                return True
            if self.saw_less and any(self._told_of(stated, cause) for cause in causes):
                return True
        return False

    def _told_of(self, stated: Mapping[str, Any], cause: Mapping[str, Any]) -> bool:
        """Whether somebody who may not see everything was told this of a cause."""
        hidden = {"at": None, "cause": HIDDEN, "root": RESTRICTED}
        return same(stated, cause) or (same(stated, hidden) and cause["root"] not in self.records)

    def _reduced(self) -> Iterator[Difference]:
        for urn, stated in self.stated["reduced"].items():
            now = self.today["reduced"].get(urn)
            known = self.history.reduced.get(urn, ()) if self.history else ()
            if urn in self.found and not same(stated, now) and stated not in known:
                yield Difference(urn, "what was dropped by age", stated, now or "all there")

    def _open(self) -> Iterator[Difference]:
        stated, today = set(self.stated["open"]), set(self.today["open"])
        for urn in sorted(stated ^ today):
            if urn in self.records and urn in self.found:
                words = ("open to additions", "closed")
                told, is_so = words if urn in stated else words[::-1]
                yield Difference(urn, "live data", told, is_so)

    # ---- around them ---------------------------------------------------------------------

    def _runs(self) -> Iterator[Difference]:
        stated, today = self.stated["runs"], self.today["runs"]
        wanted = {r["run_id"] for urn, r in self.records.items() if urn in self.found}
        for run_id in sorted(wanted & (stated.keys() | today.keys())):
            if run_id not in today:
                yield Difference(f"run {run_id}", "it is stated only")
            elif run_id in stated:
                yield from self._run(run_id, stated[run_id], today[run_id])
            elif self._could_see_run(run_id):
                yield Difference(f"run {run_id}", "it is in the store only")

    def _run(
        self, run_id: str, stated: Mapping[str, Any], today: Mapping[str, Any]
    ) -> Iterator[Difference]:
        for name, before in stated.items():
            now = today[name]
            if same(before, now):
                continue
            if self._may_have_been(run_id, name, now, stated):
                self._notes.append(
                    f"Run {run_id} went on: its {name} is stated as {before or 'unknown'}, and is "
                    f"{now or 'unknown'} today."
                )
            else:
                yield Difference(f"run {run_id}", name, before, now)

    def _may_have_been(self, run_id: str, name: str, now: Any, stated: Mapping[str, Any]) -> bool:
        before = stated[name]
        if name in ("run_id", "recorded_by", "tags"):
            return False
        if self.history is not None:
            run = self.history.runs.get(run_id)
            return run is not None and run.was_once(name, before, now)
        goes_on = stated["status"] in GOES_ON
        return goes_on and (name == "status" or (name == "completion_time" and before is None))

    def _could_see_run(self, run_id: str) -> bool:
        """Whether whoever made the statement saw this run, which it does not tell of."""
        if not self.saw_less:
            return True
        if self.history is None:
            return False
        those = [b for b in self.history.audiences.values() if b.run_id == run_id]
        # Records of a run that may not be seen itself are seen for their own audience.
        return any(b.audience is None or b.audience == b.run_audience for b in those)

    def _origins(self) -> Iterator[Difference]:
        """Writing sessions; accounts and hosts where both sides may see them."""
        unknown = 0
        for key, stated in self.stated["origins"].items():
            today = self.today["origins"].get(key)
            if today is None:
                continue  # then its records are not there either
            if self._by_import(key, stated, today):
                unknown += 1
                continue
            names: tuple[str, ...] = ("software", "started_at")
            if not self.saw_less and not self.sees_less:
                names = ("who", "host", "process", *names)
            for name in names:
                if not same(stated[name], today[name]):
                    yield Difference(f"origin {key}", name, stated[name], today[name])
        if unknown:
            self._notes.append(
                f"Of {counted(unknown, 'writing session')} the account, host and program were not "
                "compared: the import alone tells of them."
            )
        if self.sees_less and not self.saw_less:
            self._notes.append("Accounts and hosts were not compared: you may not see them.")

    def _by_import(self, key: str, stated: Mapping[str, Any], today: Mapping[str, Any]) -> bool:
        """Whether one side knows a session by an import alone, and the other by itself; or whether
        the same was imported here later."""
        told, found = _by_import(stated), _by_import(today)
        if import_in(today["software"]) and today["started_at"] > self.stated["as_of"]:
            return True
        if told == found:
            return False
        imported = _by_record(self.stated.get("imports", ()))
        those = (urn for urn in self.records if urn.split(":")[2] == key)
        return all(urn in imported for urn in those) if told else bool(stated["software"])

    def _environments(self) -> Iterator[Difference]:
        stated, today = self.stated["environments"], self.today["environments"]
        wanted = {r["environment"] for urn, r in self.records.items() if urn in self.found}
        for digest in sorted(wanted & (stated.keys() | today.keys())):
            if digest not in today or digest not in stated:
                where = "stated only" if digest in stated else "in the store only"
                yield Difference(f"environment {digest}", f"its document is {where}")
            elif not same(stated[digest], today[digest]):
                yield Difference(f"environment {digest}", "its document is another")

    def _imports(self) -> Iterator[Difference]:
        """Imports are told of as they were made; what came to the store otherwise is noted."""
        stated, today = (
            _by_record(self.stated.get("imports", ())),
            _by_record(self.today["imports"]),
        )
        compared = [urn for urn in self.records if urn in self.found]
        as_told = "imports" in self.stated
        other_way, untold, wrong = 0, 0, dict[str, Difference]()
        for urn in compared:
            told, found = stated.get(urn), today.get(urn)
            since = found is not None and found["at"] > self.stated["as_of"]
            if found is None or since:
                other_way += told is not None and (found is None or found["id"] != told["id"])
            elif told is None:
                untold += 1
                if as_told:
                    what = f"it came by the import {found['id']}, which is not stated"
                    wrong.setdefault(found["id"], Difference(urn, what))
            elif any(
                not same(told[name], found[name])
                for name in ("id", "format", "at", "by")
                if name != "by" or None not in (told[name], found[name])
            ):
                before, now = ({**one, "records": "..."} for one in (told, found))
                wrong.setdefault(found["id"], Difference(urn, "the import", before, now))
        yield from wrong.values()
        if untold and not as_told:
            self._notes.append(
                f"{counted(untold, 'record')} came by an import, which the statement does not "
                "tell: an older Braid made it."
            )
        if other_way:
            self._notes.append(
                f"{counted(other_way, 'record')} came by an import where the statement was made, "
                "and to this store in another way."
            )

    # ---- what is not among the records ---------------------------------------------------

    def _left_out(self) -> Iterator[Difference]:
        """Stubs and missing records are that still, or are records here that they could be."""
        if self.history is None:
            yield from self._left_out_as_shown()
            return
        here = 0
        for stub in self.stated["stubs"]:
            found = self.history.beside.get(stub["id"], Beside("missing"))
            here += found.state == "record"
            yield from _as_stub(stub, found)
        for urn in self.stated["missing"]:
            found = self.history.beside.get(urn, Beside("missing"))
            if found.state != "missing":
                yield Difference(urn, "stated as missing, and is here as a " + found.state)
        if here:
            self._notes.append(
                f"In this store: {counted(here, 'record')} left out where the statement was made."
            )

    def _left_out_as_shown(self) -> Iterator[Difference]:
        if self.sees_less or self.saw_less:
            return
        stubs = {stub["id"]: stub for stub in self.today["stubs"]}
        for stub in self.stated["stubs"]:
            found = stubs.get(stub["id"])
            if found is not None and not same(stub, found):
                yield Difference(stub["id"], "what was left out", stub, found)
            elif found is None and stub["id"] in self.today["missing"]:
                yield Difference(stub["id"], "stated as left out, and is missing")
        for urn in self.stated["missing"]:
            if urn not in self.today["missing"]:
                yield Difference(urn, "stated as missing, and is not")

    def _extent(self) -> Iterator[Difference]:
        """How far the evidence goes; where records or links differ, they have said so."""
        if self.history is None:
            yield from self._extent_as_shown()
            return
        reached = self.history.reached
        told = self.records.keys() | set(self._told_as_left_out())
        if self.stated["truncated"] and not self.records.keys() <= reached:
            self._notes.append("This store numbers records otherwise: its nearest are others.")
            return
        if self.saw_less:
            yield from self._restricted(reached)
        elif not self._stubs_are_here():
            for urn in sorted(reached - told):
                yield Difference(urn, "it is depended on, and is in the store only")
        for urn in sorted(self.records.keys() - reached):
            yield Difference(urn, "nothing in the store leads from the root to it")
        if self.stated["truncated"] != self.history.truncated and not self._stubs_are_here():
            yield self._truncated(self.history.truncated)

    def _restricted(self, reached: frozenset[str]) -> Iterator[Difference]:
        assert self.history is not None
        hidden = sorted(reached - self.records.keys())
        if len(hidden) != self.stated["restricted"]:
            yield Difference("the evidence", "restricted", self.stated["restricted"], len(hidden))
        audiences = {
            beside.audience
            for beside in self.history.audiences.values()
            if beside.run_id not in self.stated["runs"]
        }
        for urn in hidden:
            beside = self.history.beside[urn]
            known = beside.run_id is not None and beside.run_id in self.stated["runs"]
            if beside.state == "record" and (known or beside.audience in audiences):
                yield Difference(urn, "it could be seen, and is counted as restricted only")

    def _extent_as_shown(self) -> Iterator[Difference]:
        more = self.found.keys() - self.records.keys()
        if more and (self.saw_less or self.stated["stubs"]):
            self._notes.append(
                f"Not in the statement: {counted(len(more), 'record')} that you see."
            )
        elif more:
            for urn in sorted(more):
                yield Difference(urn, "it is depended on, and is shown by the server only")
        if self.saw_less == self.sees_less and not more:
            if self.stated["restricted"] != self.today["restricted"]:
                names = self.stated["restricted"], self.today["restricted"]
                yield Difference("the evidence", "restricted", *names)
            if self.stated["truncated"] != self.today["truncated"]:
                yield self._truncated(self.today["truncated"])

    def _truncated(self, found: bool) -> Difference:
        return Difference("the evidence", "truncated", self.stated["truncated"], found)

    def _told_as_left_out(self) -> Sequence[str]:
        return [*(stub["id"] for stub in self.stated["stubs"]), *self.stated["missing"]]

    def _stubs_are_here(self) -> bool:
        """Whether what was left out there is here, and so leads further here than there."""
        assert self.history is not None
        missing = Beside("missing")
        stubs = (self.history.beside.get(s["id"], missing) for s in self.stated["stubs"])
        return any(beside.state == "record" for beside in stubs)


def _by_import(session: Mapping[str, Any]) -> bool:
    """Whether an import alone tells of a writing session; earlier ones said nothing of it."""
    told = import_in(session["software"])
    is_blank = not session["software"] and session["started_at"] == format_time(0)
    return is_blank or (told is not None and bool(told[1]))


def _by_record(imports: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {urn: one for one in imports for urn in one["records"]}


def _as_key(link: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(link.items()))


def _since(urn: str, why: Mapping[str, Any]) -> Difference:
    when = f" on {why['at'][:10]}" if why["at"] else ""
    cause = f"it was marked invalid{when}, because: {why['cause']}"
    return Difference(urn, f"{cause} (beginning with {why['root']})")


def _as_stub(stub: Mapping[str, Any], found: Beside) -> Iterator[Difference]:
    if found.state == "missing":
        yield Difference(stub["id"], "stated as left out of a slice, and is not known here")
        return
    if stub["kind"] != found.kind:
        yield Difference(stub["id"], "kind", stub["kind"], found.kind)
    hidden = stub["name"] is None and found.state == "record"
    if stub["name"] != found.name and not hidden:
        yield Difference(stub["id"], "name", stub["name"], found.name)
