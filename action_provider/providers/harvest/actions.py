"""Harvests that flows ask for: begun at once, done in a while, kept as actions.

A request is answered with an ACTIVE action, which is in the store before the answer is given. The
process that took it harvests; should it die, the action stays ACTIVE until a status call, a resume
or a repetition of the request by the same caller finds that nobody works at it any more. Only then
is it taken up again, for only then is there a token to read the run with: tokens are not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from action_provider.auth import Caller
from action_provider.providers.action_store import DAY, MICROSECONDS, ActionStore
from action_provider.providers.envelope import (
    Envelope,
    LogEntry,
    check_deadline,
    iso_duration,
    read_envelope,
)
from action_provider.providers.harvest.body import HarvestBody, conventions_named, read_harvest_body
from action_provider.providers.harvest.leases import (
    UNDER_WAY,
    HarvestStatus,
    Work,
    is_final,
    read_harvest,
)
from action_provider.providers.harvest.task import Runs, Task
from action_provider.providers.harvest.worker_pool import WorkerPool
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from provenance_store.errors import Conflict, StoreUnavailable
from provenance_store.ids import ordered_uuid
from provenance_store.rows import ActionRow
from provenance_store.service import StoreService
from provenance_store.times import format_time

__all__ = ["HarvestActions"]

KEPT_WHILE_ACTIVE = 365 * DAY
"""Seconds. How long a final status is kept is counted from when it became final."""
CANCELLED = {
    "code": "Cancelled",
    "description": "The harvest was cancelled; what was recorded until then stays.",
}
TOO_LATE = {
    "code": "DeadlinePassed",
    "description": "The harvest was not done by the deadline of its request.",
}


class HarvestActions(ActionStore):
    """Begins harvests, and tells what became of them. `clock` gives microseconds since 1970."""

    space = " harvest"

    def __init__(
        self, stores: StoreHolder, options: Options, clock: Callable[[], int], crew: WorkerPool
    ) -> None:
        super().__init__(stores, options, clock)
        self._options = options
        self._crew = crew

    def run(self, caller: Caller, data: bytes) -> tuple[str, bool]:
        """Begin what a request asks for; the status as the store keeps it, and whether it is new.

        Raises Conflict for a known request with another content, InvalidInput for a bad one.
        """
        envelope = read_envelope(data)
        body = read_harvest_body(envelope.body)
        seconds = self._release_seconds(envelope)
        service = self._stores.get()
        if self._known(service, caller, envelope) is not None:
            return self._again(service, caller, envelope), False
        now = self._clock()
        check_deadline(envelope, now=now)
        conventions_named(body.conventions, self._options.harvest_conventions)
        status = self._begun(caller, envelope, body, seconds, now)
        release_at = now + KEPT_WHILE_ACTIVE * MICROSECONDS
        try:
            kept = self._keep(service, caller, envelope, status, now=now, release_at=release_at)
        except Conflict:  # the same request at the same moment
            if self._known(service, caller, envelope) is None:
                raise
            return self._again(service, caller, envelope), False
        if status.work.holder is not None:
            self._crew.put(self._task(caller, status.action_id, body, now))
        return kept, True

    def see(self, caller: Caller, action_id: str) -> ActionRow:
        """The action; where nobody works at it any more, its creator's call begins it again."""
        return self._looked_at(caller, super().see(caller, action_id))

    def cancel(self, caller: Caller, action_id: str) -> ActionRow:
        """The action, which has failed; raises Conflict when it was final before."""
        self.manage(caller, action_id)
        cancelled = self._crew.claims.fail(action_id, CANCELLED, "Cancelled")
        if cancelled is None:
            row = self.manage(caller, action_id)
            raise Conflict(f"The action is {row.status} already; there is nothing to cancel.")
        self._crew.stop(action_id)
        return cancelled

    def resume(self, caller: Caller, action_id: str) -> ActionRow:
        """The action; one that waits for a consent goes on, with the creator's present token."""
        return self._looked_at(caller, self.manage(caller, action_id), waking=True)

    def release(self, caller: Caller, action_id: str) -> ActionRow:
        """Forget an action that is final; raises Conflict for another."""
        row = self.manage(caller, action_id)
        if not is_final(read_harvest(row.document)):
            raise Conflict(f"The action is {row.status}; cancel it, or wait until it is done.")
        return super().release(caller, action_id)

    # ---- beginning -----------------------------------------------------------------------

    def _begun(
        self, caller: Caller, envelope: Envelope, body: HarvestBody, seconds: float, now: int
    ) -> HarvestStatus:
        time = format_time(now) or ""
        details = {**UNDER_WAY, "run_id": body.run_id}
        asked = LogEntry(time, "HarvestAsked", "The run is to be harvested.", {})
        work = Work(body=body, seconds=seconds, deadline=_moment(envelope.deadline), log=[asked])
        return HarvestStatus(
            action_id=ordered_uuid(now),
            status="ACTIVE",
            creator_id=caller.identity,
            details=details,
            start_time=time,
            completion_time=None,
            release_after=iso_duration(seconds),
            label=envelope.label,
            display_status="Harvesting",
            monitor_by=envelope.monitor_by or [],
            manage_by=envelope.manage_by or [],
            work=self._crew.claims.claimed(work) if self._crew.has_room(caller.identity) else work,
        )

    def _again(self, service: StoreService, caller: Caller, envelope: Envelope) -> str:
        row = service.actions.by_request(caller.identity + self.space, envelope.request_id)
        if row is None:
            raise Conflict("The action was released at this moment; ask again.")
        return self._looked_at(caller, row).document

    # ---- taking up -----------------------------------------------------------------------

    def _looked_at(self, caller: Caller, row: ActionRow, *, waking: bool = False) -> ActionRow:
        """The action as it is now: taken up with this call's token, if it is to be."""
        status = read_harvest(row.document)
        claims, action_id = self._crew.claims, row.action_id
        sleeps = waking and status.status == "INACTIVE"
        if not (sleeps or claims.is_free(status)):
            return row
        with suppress(StoreUnavailable):  # a status can be told all the same
            if status.work.deadline is not None and status.work.deadline <= self._clock():
                claims.fail(action_id, TOO_LATE, "Too late")
            elif self._may_take(caller, status) and claims.take(action_id, waking=waking):
                self._crew.put(self._task(caller, action_id, status.work.body, row.created_at))
        return self._stores.get().actions.get(action_id) or row

    def _may_take(self, caller: Caller, status: HarvestStatus) -> bool:
        return caller.identity == status.creator_id and self._crew.has_room(caller.identity)

    def _task(self, caller: Caller, action_id: str, body: HarvestBody, asked_at: int) -> Task:
        return Task(action_id, body, caller, Runs(caller, self._options), asked_at)


def _moment(deadline: str | None) -> int | None:
    """Microseconds since 1970 UTC of a deadline that has been checked."""
    if deadline is None:
        return None
    return int(datetime.fromisoformat(deadline).timestamp() * MICROSECONDS)
