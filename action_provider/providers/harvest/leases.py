"""A harvest action as the store keeps it, and which of several processes works at it.

A lease is written into the document of the action when that is free, renewed while the work goes
on, and over by itself when its process died. Every change is made only if nobody else changed the
action since it was read. The work to do is in the document too, so it outlives the process; no
token is in it, nor anything from which one could be made.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from action_provider.providers.action_store import MICROSECONDS
from action_provider.providers.envelope import ActionStatus, LogEntry, encode
from action_provider.providers.harvest.body import HarvestBody
from action_provider.stores import StoreHolder
from provenance_store.rows import ActionRow
from provenance_store.times import format_time

__all__ = [
    "UNDER_WAY",
    "HarvestStatus",
    "Leases",
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


UNDER_WAY = {"code": "Harvesting", "description": "The run's log is being read."}
ATTEMPTS = 20
"""How often a change is tried again because somebody else changed the same action."""

Change = Callable[[HarvestStatus], HarvestStatus | None]


class Leases:
    """The claims of one process. `clock` gives microseconds since 1970 UTC."""

    def __init__(
        self, stores: StoreHolder, clock: Callable[[], int], *, lease_seconds: int
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._lease = lease_seconds * MICROSECONDS
        self.holder = str(uuid.uuid4())

    def claimed(self, work: Work) -> Work:
        """The work as one that this process does."""
        until = self._clock() + self._lease
        return msgspec.structs.replace(work, holder=self.holder, until=until)

    def is_free(self, status: HarvestStatus) -> bool:
        """Whether it is to be done and nobody does it, or whoever did has died."""
        return status.status == "ACTIVE" and status.work.until <= self._clock()

    def take(self, action_id: str, *, waking: bool = False) -> bool:
        """Claim an action that is free, with `waking` also one that waits for a consent; whether
        it is now this process's."""

        def taken(status: HarvestStatus) -> HarvestStatus | None:
            if status.status == "INACTIVE" and waking:
                details = _of_run(status, UNDER_WAY)
                status = with_outcome(
                    status, "ACTIVE", details, said="Harvesting", now=self._clock()
                )
            elif self.is_free(status):
                entry = self._entry("HarvestTakenUp", "It is begun once more, for it had stopped.")
                status = msgspec.structs.replace(status, work=logged(status.work, entry))
            else:
                return None
            return msgspec.structs.replace(status, work=self.claimed(status.work))

        return self._change(action_id, taken) is not None

    def renew(self, action_id: str) -> bool:
        """Say again that this process works at it; whether it still may."""

        def renewed(status: HarvestStatus) -> HarvestStatus | None:
            if not self._holds(status):
                return None
            return msgspec.structs.replace(status, work=self.claimed(status.work))

        return self._change(action_id, renewed) is not None

    def let_go(self, action_id: str) -> None:
        """Let another process take it up at once."""

        def left(status: HarvestStatus) -> HarvestStatus | None:
            if not self._holds(status):
                return None
            work = msgspec.structs.replace(status.work, holder=None, until=0)
            return msgspec.structs.replace(status, work=work)

        self._change(action_id, left)

    def settle(self, action_id: str, outcome: Outcome, details: dict[str, Any], said: str) -> bool:
        """Say what became of it; False when it is not this process's any more."""

        def settled(status: HarvestStatus) -> HarvestStatus | None:
            if not self._holds(status):
                return None
            return with_outcome(status, outcome, details, said=said, now=self._clock())

        return self._change(action_id, settled) is not None

    def fail(self, action_id: str, why: dict[str, str], said: str) -> ActionRow | None:
        """Whoever works at it: it has failed, `why` by code and description. None when it was
        final before, or is gone."""

        def failed(status: HarvestStatus) -> HarvestStatus | None:
            if is_final(status):
                return None
            details = _of_run(status, why)
            return with_outcome(status, "FAILED", details, said=said, now=self._clock())

        return self._change(action_id, failed)

    def _holds(self, status: HarvestStatus) -> bool:
        return status.status == "ACTIVE" and status.work.holder == self.holder

    def _entry(self, code: str, description: str) -> LogEntry:
        return LogEntry(format_time(self._clock()) or "", code, description, {})

    def _change(self, action_id: str, change: Change) -> ActionRow | None:
        """The action as it was changed; None when `change` says None, or it is gone."""
        actions = self._stores.get().actions
        for _ in range(ATTEMPTS):
            row = actions.get(action_id)
            status = None if row is None else change(read_harvest(row.document))
            if row is None or status is None:
                return None
            after = self._row(row, status)
            if actions.swap(row, after):
                return after
        return None

    def _row(self, row: ActionRow, status: HarvestStatus) -> ActionRow:
        release_at = row.release_at
        if is_final(status):
            release_at = self._clock() + int(status.work.seconds * MICROSECONDS)
        return row._replace(
            status=status.status, document=encode(status).decode(), release_at=release_at
        )


def _of_run(status: HarvestStatus, details: dict[str, str]) -> dict[str, str]:
    return {**details, "run_id": status.work.body.run_id}
