"""What an author can choose when a flow is instrumented, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = [
    "Instrumented",
    "MissingResultPath",
    "Mode",
    "Note",
    "Options",
    "ResultDetail",
    "WholeState",
    "size_of",
]


class Mode(Enum):
    """How a flow's history gets into the store."""

    STEP = "step"
    """A record state after each step: the default."""
    RUN = "run"
    """One state where the run ends, which asks that the whole run be harvested from its log."""


class MissingResultPath(Enum):
    """What to do with a step without ResultPath, whose result replaces the run's state."""

    REFUSE = "refuse"
    """Say so and instrument nothing: the default."""
    SET = "set"
    """Give the step a ResultPath: later states that read the bare result must be adapted."""
    SKIP = "skip"
    """Leave the step as it is, unrecorded."""


class WholeState(Enum):
    """What to do with a state that reads the whole of the run's state, receipts included."""

    REFUSE = "refuse"
    ACCEPT = "accept"


class ResultDetail(Enum):
    """How much of a step's result its record state sends."""

    WHOLE = "whole"
    STATUS = "status"


@dataclass(frozen=True)
class Options:
    """Choices for `instrument`; the defaults never change what a flow does."""

    on_missing_result_path: MissingResultPath = MissingResultPath.REFUSE
    on_whole_state: WholeState = WholeState.REFUSE
    record_end: bool = True
    """Record the last step of a run too when it is no Action, with the run's final status."""
    record_uncaught: bool = True
    """Add a Catch that records a failure which would end the run, then fails it again with the
    same error and cause."""
    record_choices: bool = False
    """Record in front of each Choice which way it goes, at the cost of an action for each visit."""
    record_either_way: bool = True
    """Let one state record a step that came out well and one that failed with nothing to catch it;
    False for providers that do not know the field ``outcome``."""
    result: ResultDetail = ResultDetail.WHOLE
    run_as: str = "User"
    """Who the record states run as: ``Flow`` spares users a consent, but then the person who
    ran the flow is only known from the flow's own word."""
    wait_seconds: int = 60
    mode: Mode = Mode.STEP
    """With ``RUN`` the choices about results, ends and the whole state have no meaning."""
    conventions: str | None = None
    """With ``RUN``: which of the server's files says which results are models."""
    files: Callable[[str], list[dict[str, Any]]] | None = None
    """With ``STEP``: the rules about files that may fit a state, by its name."""
    collections: tuple[str, ...] = ()
    """With ``STEP``: which collection has the files of which Compute endpoint, as
    ``ENDPOINT=COLLECTION:/FOLDER``."""


@dataclass(frozen=True)
class Note:
    """Something the author should know about one place of the definition."""

    path: str
    message: str


@dataclass(frozen=True)
class Instrumented:
    """An instrumented definition, and what is to be known about it, in document order."""

    definition: dict[str, Any]
    notes: tuple[Note, ...]


def size_of(definition: dict[str, Any]) -> int:
    """How many bytes a definition has as JSON without blanks."""
    return len(json.dumps(definition, ensure_ascii=False, separators=(",", ":")).encode())
