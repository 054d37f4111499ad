"""From log entries to visits of states: what each was given, and what came out of it.

A run visits one state at a time, so an end belongs to the last visit of that name that has not
ended. A log that lacks entries gives visits that lack a beginning or an end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.harvest.log import BEGIN, ENDS, Entry
from flows.language import put
from flows.language.errors import LanguageError

__all__ = ["ENDS", "MISSING", "History", "Visit", "catches_of", "read_visits"]

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
