"""Time in a sandbox: RFC 3339 texts, and waiting that is shorter than in production."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Timing", "now_text"]


def now_text() -> str:
    """The present moment in UTC, as Globus writes it, with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Timing:
    """How the interpreter's waiting relates to real time."""

    scale: float = 0.01
    """Real seconds for each second of a Wait state, of a polling interval or of a provider's
    pretended work."""
    wait_time_scale: float = 1.0
    """Real seconds for each second of an action's WaitTime. Not scaled by default, because the
    functions of a flow really compute."""
    first_poll: float = 2.0
    longest_poll: float = 600.0
    """Polling intervals, in seconds before scaling: the first one; doubled up to the longest."""
    longest_real_poll: float = 1.0
    """No poll is further apart than this, in real seconds."""

    def poll(self, attempt: int) -> float:
        """Real seconds to wait before a poll; `attempt` counts from 0."""
        interval = min(self.first_poll * 2.0 ** min(attempt, 20), self.longest_poll)
        return min(interval * self.scale, self.longest_real_poll)
