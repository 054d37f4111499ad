"""A problem in a flow definition, and the collector that the rules report to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from provenance_store.redaction import scrub_text

__all__ = ["Problem", "Problems", "Severity"]


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
