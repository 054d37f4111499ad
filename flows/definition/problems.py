"""A problem in a flow definition, the collector that the rules report to, and keys that are
null.

Some clients write ``"Comment": null``, and null for every other key that was not set. Such a
definition means what it would mean without these keys, and keeps them when it is written again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from provenance_store.redaction import scrub_text

__all__ = ["Problem", "Problems", "Severity", "without_nulls"]


def without_nulls(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition without the null keys of itself, its states and their Catches.

    What is in Parameters, Result and Choices is data, or a rule, and stays. Any JSON object may be
    given; it is not modified.
    """
    copy = _kept(definition)
    if isinstance(states := copy.get("States"), dict):
        copy["States"] = {name: _state(state) for name, state in states.items()}
    return copy


def _state(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    copy = _kept(state)
    if isinstance(entries := copy.get("Catch"), list):
        copy["Catch"] = [_kept(entry) if isinstance(entry, dict) else entry for entry in entries]
    return copy


def _kept(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in holder.items() if value is not None}


class Severity(Enum):
    """Whether Globus Flows would refuse or fail the flow, or the author may mean it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Problem:
    """One thing wrong: where (a JSON path such as ``$.States.Train.Next``), what, what to do.

    Each is without the secrets that the definition may hold there.
    """

    path: str
    message: str
    advice: str
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        for name in ("path", "message", "advice"):
            object.__setattr__(self, name, scrub_text(getattr(self, name)))


class Problems:
    """Collects problems in the order in which they are reported."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def error(self, path: str, message: str, advice: str) -> None:
        """Something that Globus Flows refuses, or that fails the run that gets there."""
        self._found.append(Problem(path, message, advice))

    def warn(self, path: str, message: str, advice: str) -> None:
        """Something that is allowed and rarely meant."""
        self._found.append(Problem(path, message, advice, Severity.WARNING))

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)
