"""A harvest action as the store keeps it: its status, and what only the server itself reads.

The work is in the action's own document, so that it outlives the process that does it. No token
is in it, nor anything that a token could be made of.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from action_provider.actions.status import ActionStatus, LogEntry
from action_provider.harvest.body import HarvestBody
from provenance_store.times import format_time

__all__ = [
    "HarvestStatus",
    "Outcome",
    "Work",
    "is_final",
    "logged",
    "read_harvest",
    "with_outcome",
]

MAX_ENTRIES = 100
"""Of a log that grows beyond, the oldest entries but the first are left out."""
Outcome = Literal["SUCCEEDED", "FAILED", "ACTIVE", "INACTIVE"]


class Work(msgspec.Struct, kw_only=True, frozen=True):
    """What is to be done, and who does it at present.

    `holder` is the process that works, until `until` (microseconds since 1970 UTC) unless it says
    again that it does. `seconds` is how long the final status is kept, `deadline` when it must be
    done, in microseconds.
    """

    body: HarvestBody
    seconds: float
    deadline: int | None = None
    holder: str | None = None
    until: int = 0
    log: list[LogEntry] = []


class HarvestStatus(ActionStatus, kw_only=True):
    """The status of a harvest, with its work."""

    work: Work


_decoder = msgspec.json.Decoder(HarvestStatus)


def read_harvest(document: str) -> HarvestStatus:
    """A harvest as the store keeps it."""
    return _decoder.decode(document)


def is_final(status: ActionStatus) -> bool:
    """Whether nothing more will happen to the action."""
    return status.status in ("SUCCEEDED", "FAILED")


def with_outcome(
    status: HarvestStatus, outcome: Outcome, details: dict[str, Any], *, said: str, now: int
) -> HarvestStatus:
    """The status with another outcome, which nobody works at, and an entry in its log."""
    entry = LogEntry(format_time(now) or "", details["code"], details["description"], details)
    work = logged(status.work, entry)
    final = outcome in ("SUCCEEDED", "FAILED")
    return msgspec.structs.replace(
        status,
        status=outcome,
        details=details,
        display_status=said,
        completion_time=format_time(now) if final else None,
        work=msgspec.structs.replace(work, holder=None, until=0),
    )


def logged(work: Work, entry: LogEntry) -> Work:
    """The work with one more entry in its log."""
    log = [*work.log, entry]
    kept = log if len(log) <= MAX_ENTRIES else [log[0], *log[1 - MAX_ENTRIES :]]
    return msgspec.structs.replace(work, log=kept)
