"""What happens with a value that the store does not take as it is."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from provenance_store import redaction
from provenance_store.errors import InvalidInput

__all__ = ["Gate", "Policy"]

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
