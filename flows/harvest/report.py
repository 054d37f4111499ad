"""What a harvest is given, and what it says that it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Harvested", "RunLog"]


@dataclass(frozen=True, slots=True)
class RunLog:
    """What the Flows service tells of a run: its log (any form that `read_log` takes), the
    definition as it was when the run started, and the run object if there is one."""

    log: Any
    definition: Mapping[str, Any]
    run: Mapping[str, Any] | None = None
    run_id: str | None = None


@dataclass(slots=True)
class Harvested:
    """What a harvest did. `steps` are the visits that the log tells of, Braid's own aside: each
    was `added`, `known` or is `waiting`; of the known ones `completed` got what they lacked."""

    run_id: str
    status: str
    steps: int = 0
    added: int = 0
    known: int = 0
    completed: int = 0
    waiting: int = 0
    linked: int = 0
    """How many links were added to known steps and their files, which nobody had told of."""
    records: int = 0
    """How many records were written, steps among them."""
    skipped: bool = False
    """Whether the log was not even read, for all of it was harvested before."""
    notes: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}
