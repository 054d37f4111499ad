"""What the store takes: the limits of every text and number; and what happens with other values.

Lengths are in characters, times and durations in microseconds.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from provenance_store import redaction
from provenance_store.errors import InvalidInput

__all__ = [
    "AHEAD",
    "MAX_DIGEST",
    "MAX_INTEGER",
    "MAX_MEDIA_TYPE",
    "MAX_NAME",
    "MAX_NOTE",
    "MAX_ORIGIN_FIELD",
    "MAX_PRINCIPAL",
    "MAX_RUN_FIELD",
    "MAX_RUN_ID",
    "MAX_RUN_TAG",
    "MAX_SMALL",
    "MAX_STATUS",
    "MAX_STEP_FIELD",
    "MAX_TAG_NAME",
    "MAX_TAG_TEXT",
    "MAX_URI",
    "ORDERED_TIMES",
    "YEARS",
    "Gate",
    "Policy",
]

MAX_NAME = 1024
MAX_URI = 8192
MAX_TAG_NAME = 256
"""Of tags, metrics and documents."""
MAX_TAG_TEXT = 16_384
MAX_NOTE = 16_384
MAX_STEP_FIELD = 8192
MAX_STATUS = 64
MAX_RUN_ID = 64
MAX_RUN_FIELD = 4096
MAX_RUN_TAG = 512
MAX_MEDIA_TYPE = 256
MAX_DIGEST = 256
MAX_PRINCIPAL = 512
MAX_ORIGIN_FIELD = 512
MAX_INTEGER = (1 << 63) - 1
MAX_SMALL = (1 << 31) - 1
"""Places in a run, numbers of versions."""
AHEAD = 24 * 3600 * 1_000_000
"""How far the clock of a machine that records may be ahead of ours."""
ORDERED_TIMES = (("record", "created_at"), ("tag", "set_at"), ("mark", "at"), ("run_event", "at"))
"""Tables and columns of the times of which the latest counts."""
YEARS = range(-62_135_596_800_000_000, 253_402_300_800_000_000)
"""The microseconds since 1970 that can be written as a time: the years 1 to 9999 UTC."""


T = TypeVar("T")


class Policy(Enum):
    """How strict a carrier is."""

    DEGRADE = "degrade"
    """Keep what can be said of the value in its place, with a note."""
    REFUSE = "refuse"
    """Raise InvalidInput."""
    REPORT = "report"
    """Only say what is wrong: what goes through is not written."""


class Gate:
    """One passage through the gate: a policy, and the notes of what was not taken as it was.

    A note is a sentence that begins with the place of the value. Values that nothing can stand
    in for (an id, a kind, a digest) are refused under every policy but REPORT.
    """

    __slots__ = ("notes", "policy")

    def __init__(self, policy: Policy = Policy.DEGRADE) -> None:
        self.policy = policy
        self.notes: list[str] = []

    def instead(self, value: T, message: str, *, path: str = "") -> T:
        """Use `value` for one that is not taken, which is noted; with REFUSE raise InvalidInput."""
        if self.policy is Policy.REFUSE:
            raise _invalid(message, path)
        self.notes.append(_note(message, path))
        return value

    def refuse(self, message: str, *, path: str = "") -> None:
        """Nothing can stand in for a value: raise InvalidInput, or with REPORT note it."""
        if self.policy is not Policy.REPORT:
            raise _invalid(message, path)
        self.notes.append(_note(message, path))


def _invalid(message: str, path: str) -> InvalidInput:
    return InvalidInput(redaction.scrub_text(message), path=redaction.scrub_text(path))


def _note(message: str, path: str) -> str:
    """A note goes into logs, answers and tags: what it quotes of a value has no secret in it."""
    return redaction.scrub_text(f"{path}: {message}" if path else message)
