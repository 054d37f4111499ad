"""From log entries to visits of states, and what the log does not tell.

A run visits one state at a time, so an end belongs to the last visit of that name that has not
ended. A log without some entries gives visits without a beginning or an end.

The place of a visit in the run is known only if everything before it is. Behind a gap a visit is
recorded if its action's id says which it is, for then the complete log finds it again later; the
other visits wait for that log.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.definition.graph import edges_of
from flows.harvest.log import BEGIN, ENDS, Entry
from flows.language import put
from flows.language.errors import LanguageError
from provenance_store.errors import InvalidInput

__all__ = [
    "ENDS",
    "MISSING",
    "Gaps",
    "History",
    "Visit",
    "catches_of",
    "check_states",
    "gaps_of",
    "has_more_pages",
    "read_visits",
]

MISSING: Any = object()
"""What the log does not tell."""
_CODE = re.compile(r"(?P<type>.*?)(?P<what>Started|Completed|Succeeded|Failed|TimedOut)")
_BAD = re.compile(r"fail|error|time.?out|cancel|abort|exception", re.IGNORECASE)


@dataclass(slots=True)
class Visit:
    """One visit of a state. Times are microseconds since 1970 UTC; values may be `MISSING`."""

    name: str
    type: str
    started: int | None
    given: Any = MISSING
    """The input as it was logged."""
    before: Any = MISSING
    """The state of the run when it began."""
    after: Any = MISSING
    """The state of the run when it had completed."""
    ended: int | None = None
    failure: Mapping[str, Any] | None = None
    others: list[Entry] = field(default_factory=list)
    """Entries about it with codes that say neither begin nor end."""

    @property
    def is_over(self) -> bool:
        """Whether the log tells that it ended."""
        return self.after is not MISSING or self.failure is not None

    @property
    def went_wrong(self) -> bool:
        """Whether an entry that is not known by its code sounds like a failure."""
        return any(_BAD.search(entry.code) for entry in self.others)


@dataclass(slots=True)
class History:
    """All visits of a run in order, and what the log tells of the run itself."""

    visits: list[Visit] = field(default_factory=list)
    input: Any = MISSING
    has_begun: bool = False
    """Whether the log tells that it began."""
    started: int | None = None
    ended: int | None = None
    end_code: str | None = None
    end_details: Mapping[str, Any] = field(default_factory=dict)
    others: list[Entry] = field(default_factory=list)
    """Entries about the run with codes that are not known."""

    @property
    def last_time(self) -> int | None:
        """The latest time that the log speaks of."""
        times = [self.started, self.ended]
        times += [time for v in self.visits for time in (v.started, v.ended)]
        return max((time for time in times if time is not None), default=None)


def read_visits(entries: Iterable[Entry], definition: Mapping[str, Any]) -> History:
    """The visits that a log tells of, oldest first; raises nothing."""
    reading = _Reading(definition)
    for entry in entries:
        reading.read(entry)
    return reading.history


class _Reading:
    """A log being read, the state of the run followed on the way."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        states = definition.get("States")
        self._states: Mapping[str, Any] = states if isinstance(states, dict) else {}
        self._state: Any = MISSING
        self.history = History()

    def read(self, entry: Entry) -> None:
        if (name := entry.state_name) is None:
            self._run(entry)
            return
        code = _CODE.fullmatch(entry.code)
        if code is None:
            self._other(entry, name)
        elif code["what"] == "Started":
            self._begin(entry, name, code["type"])
        else:
            self._end(entry, name, code["type"], code["what"] in ("Completed", "Succeeded"))

    def _run(self, entry: Entry) -> None:
        history = self.history
        if entry.code == BEGIN:
            history.started, history.has_begun = entry.time, True
            self._state = history.input = entry.details.get("input", MISSING)
        elif entry.code in ENDS:
            history.end_code, history.ended = entry.code, entry.time
            history.end_details = entry.details
        else:
            history.others.append(entry)

    def _begin(self, entry: Entry, name: str, kind: str) -> None:
        visit = Visit(name, self._type(entry, name, kind), entry.time, before=self._state)
        visit.given = entry.details.get("input", MISSING)
        self.history.visits.append(visit)

    def _type(self, entry: Entry, name: str, kind: str) -> str:
        said = entry.details.get("state_type") or _of(self._states, name).get("Type") or kind
        return said if isinstance(said, str) and said else "Action"

    def _open(self, name: str) -> Visit | None:
        """The last visit of that name, if it has not ended."""
        last = next((v for v in reversed(self.history.visits) if v.name == name), None)
        return None if last is None or last.is_over else last

    def _end(self, entry: Entry, name: str, kind: str, completed: bool) -> None:
        if (visit := self._open(name)) is None:
            visit = Visit(name, self._type(entry, name, kind), None, before=self._state)
            self.history.visits.append(visit)
        visit.ended = entry.time
        if completed:
            visit.after = entry.details.get("output")
            if "output" in entry.details:
                self._state = visit.after
        else:
            visit.failure = entry.details
            self._state = self._caught(visit)

    def _caught(self, visit: Visit) -> Any:
        """The state of the run behind a Catch, as far as it can be told."""
        state = _of(self._states, visit.name)
        error = visit.failure.get("error") if visit.failure else None
        for catcher in catches_of(state):
            names = catcher.get("ErrorEquals")
            known = names if isinstance(names, list) else []
            if error is None or error in known or "States.ALL" in known:
                try:
                    return put(
                        catcher.get("ResultPath", "$"), visit.before, dict(visit.failure or {})
                    )
                except (LanguageError, TypeError, AttributeError):
                    break
        return visit.before

    def _other(self, entry: Entry, name: str) -> None:
        same = (v for v in reversed(self.history.visits) if v.name == name)
        if (visit := next(same, None)) is None:
            self.history.others.append(entry)
        else:
            visit.others.append(entry)


def catches_of(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of a state's Catch."""
    found = state.get("Catch")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _of(states: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = states.get(name)
    return found if isinstance(found, dict) else {}


NAMED = 5
NEXT = ("marker", "pagination_token")
"""What a page has for asking for the next one, where there is one."""
PAGED = frozenset({"has_next_page", *NEXT})


@dataclass(frozen=True)
class Gaps:
    """From which visit on the place in the run is not known, None where it is of all; whether
    there are entries behind the last; and a sentence for each thing that is missing."""

    first: int | None = None
    more: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the log tells the run from its beginning to its present end."""
        return self.first is None and not self.more

    def is_placed(self, place: int) -> bool:
        """Whether all before a visit is known."""
        return self.first is None or place < self.first


def check_states(history: History, states: Mapping[str, Any]) -> None:
    """Raise InvalidInput for a definition that is not that of the run: it has none of its states.

    Recorded by it, steps would have neither results nor files, and no later harvest could tell.
    """
    visited = dict.fromkeys(visit.name for visit in history.visits)
    if visited and states and not any(name in states for name in visited):
        raise InvalidInput(
            f"the definition has none of the run's states ({_listed(visited)}); give the one with "
            "which the run started, as get_run_definition answers it.",
            path="definition",
        )


def gaps_of(history: History, states: Mapping[str, Any], *, more: bool) -> Gaps:
    """What a log leaves open; `more` says that the service has further pages of it."""
    notes = []
    first = _first_gap(history, states)
    if first == 0 and (history.visits or history.end_code):
        notes.append("the log does not tell how the run began: its first entries are missing.")
    elif first:
        before, behind = history.visits[first - 1].name, history.visits[first].name
        notes.append(f"entries of the log are missing between {before} and {behind}.")
    if more and first != 0:
        notes.append("the log goes on: it has further pages, which are missing here.")
    strangers = dict.fromkeys(v.name for v in history.visits if v.name not in states)
    if strangers and states:
        notes.append(
            f"the definition does not have {_listed(strangers)}: it may be of another version of "
            "the flow, and results of these states cannot be found."
        )
    return Gaps(first, more, tuple(notes))


def has_more_pages(document: Any) -> bool:
    """Whether the pages of a log, as the service gave them, lack the last one."""
    pages = list(_pages(document))
    return bool(pages) and all(map(_is_followed, pages))


def _is_followed(page: Mapping[str, Any]) -> bool:
    if "has_next_page" in page:
        return page["has_next_page"] is True
    return any(isinstance(page.get(name), str) and page[name] for name in NEXT)


def _pages(document: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, dict) and "entries" in document:
        if not PAGED.isdisjoint(document):
            yield document
        document = document["entries"]
    for value in document if isinstance(document, list) else ():
        if isinstance(value, dict) and "entries" in value and "code" not in value:
            yield from _pages(value)


def _first_gap(history: History, states: Mapping[str, Any]) -> int | None:
    """The first visit that does not follow the one before it; 0 if the run's begin is not told."""
    if not history.has_begun:
        return 0
    before: Visit | None = None
    for place, visit in enumerate(history.visits):
        if before is not None and not _follows(before, visit, states):
            return place
        before = visit
    return None


def _follows(before: Visit, visit: Visit, states: Mapping[str, Any]) -> bool:
    """Whether the definition leads from one visit to the next, as far as it tells."""
    state = states.get(before.name)
    if not isinstance(state, dict) or visit.name not in states:
        return True
    edges = edges_of(before.name, state)
    targets = {edge.target for edge in edges if isinstance(edge.target, str)}
    return not targets or visit.name in targets


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
