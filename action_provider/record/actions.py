"""Actions: answered once, kept in the store with their records, released later.

A request is named by its caller's identity and `request_id`. Repeated with the same content it
is answered with the same action; with another content it is a Conflict. Once an action is
released, or its release time has come, its request is forgotten as well: the same `request_id`
is then a new request. The records stay in every case.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from action_provider.auth import Caller
from action_provider.metrics import Metrics
from action_provider.record.callers import CallersLookup, ManagedRuns
from action_provider.record.envelope import (
    Envelope,
    check_deadline,
    content_digest,
    read_envelope,
    release_seconds,
)
from action_provider.record.status import ActionStatus, encode, iso_duration
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from flows.steps.body import Body, read_body
from flows.steps.record import audience_of, record_step
from provenance_store.errors import Conflict, InvalidInput, NotAllowed, NotFound
from provenance_store.kinds import Level
from provenance_store.rows import ActionRow
from provenance_store.store import Store
from provenance_store.times import format_time
from provenance_store.values import Audience

__all__ = ["Actions"]

DAY = 86_400
MICROSECONDS = 1_000_000
PAGE_OF_SCAN = 200


class Actions:
    """What callers may do with actions. `clock` gives microseconds since 1970 UTC."""

    def __init__(
        self, stores: StoreHolder, options: Options, metrics: Metrics, clock: Callable[[], int]
    ) -> None:
        self._stores = stores
        self._metrics = metrics
        self._clock = clock
        self._runs = ManagedRuns()
        self._default_release = options.release_after_days * DAY
        self._most_release = max(options.release_after_max_days * DAY, self._default_release)

    def run(self, caller: Caller, data: bytes) -> tuple[str, bool]:
        """Record what a request body says; the action's status as JSON, and whether it is new.

        Raises Conflict for a known request with another content, InvalidInput for a bad one.
        """
        envelope = read_envelope(data)
        body = read_body(envelope.body)
        seconds = release_seconds(envelope, default=self._default_release, most=self._most_release)
        digest = content_digest(envelope)
        store = self._stores.get()
        try:
            check_deadline(envelope, now=self._clock())
            return self._record(store, caller, envelope, body, digest, seconds), True
        except (Conflict, InvalidInput, NotFound, NotAllowed):
            # Whether the request is known is asked only here, for nearly all are new, and the
            # store takes each (creator, request_id) once, whoever else writes it now.
            known = store.actions.by_request(caller.identity, envelope.request_id)
            if known is None:
                raise
        if known.release_at > self._clock():
            return _repeated(known, digest), False
        store.actions.release(known.action_id)
        return self.run(caller, data)

    def see(self, caller: Caller, action_id: str) -> ActionRow:
        """The action, if the caller may see it; raises NotFound otherwise."""
        row, _ = self._seen(self._stores.get(), caller, action_id)
        return row

    def manage(self, caller: Caller, action_id: str) -> ActionRow:
        """The action, if the caller may manage it; raises NotFound, or NotAllowed."""
        row, level = self._seen(self._stores.get(), caller, action_id)
        if level is not Level.MANAGE:
            raise NotAllowed("You may see this action, but not manage it.")
        return row

    def release(self, caller: Caller, action_id: str) -> ActionRow:
        """Forget the action and its request; its last status is returned."""
        row = self.manage(caller, action_id)
        if not self._stores.get().actions.release(action_id):
            raise NotFound(f"There is no action {action_id[:80]!r}.")
        return row

    def listed(
        self, caller: Caller, statuses: frozenset[str], after: tuple[int, str] | None
    ) -> Iterator[ActionRow]:
        """The actions of these statuses that the caller may see, newest first."""
        principals = caller.viewer().principals
        actions = self._stores.get().actions
        while True:
            page = actions.page(principals, statuses=statuses, limit=PAGE_OF_SCAN, after=after)
            yield from (row for row in page if row.release_at > self._clock())
            if len(page) < PAGE_OF_SCAN:
                return
            after = (page[-1].created_at, page[-1].action_id)

    # ---- recording -----------------------------------------------------------------------

    def _record(
        self,
        store: Store,
        caller: Caller,
        envelope: Envelope,
        body: Body,
        digest: str,
        seconds: float,
    ) -> str:
        now = self._clock()
        alone_as = self._runs.require(store, caller, body.run.run_id)
        audience = _audience(caller, envelope, body)
        recorder = store.recorder(
            run_id=body.run.run_id,
            audience=audience,
            environment=body.environment,
            alone_as=alone_as,
        )
        action_id = str(uuid.uuid4())
        with recorder.together() as batch:
            receipt = record_step(
                recorder, CallersLookup(store, caller), body, label=envelope.label
            )
            self._runs.forget_repetition(batch, body.run)
            status = _status(action_id, caller, envelope, receipt.document(), now, seconds)
            document = encode(status).decode()
            batch.action.append(
                ActionRow(
                    action_id,
                    caller.identity,
                    envelope.request_id,
                    digest,
                    status.status,
                    document,
                    receipt.step,
                    batch.audience[0].digest,
                    now,
                    now + int(seconds * MICROSECONDS),
                )
            )
        self._runs.said(body.run)
        self._metrics.recorded(batch)
        return document

    # ---- access --------------------------------------------------------------------------

    def _seen(self, store: Store, caller: Caller, action_id: str) -> tuple[ActionRow, Level]:
        row = store.actions.get(action_id)
        if row is None or row.release_at <= self._clock():
            raise NotFound(f"There is no action {action_id[:80]!r}.")
        members = store.actions.members(row.audience)
        managers = {principal for principal, level in members.items() if level is Level.MANAGE}
        if caller.is_one_of(managers, everybody=False):
            return row, Level.MANAGE
        if caller.is_one_of(members, everybody=False) or caller.reads_everything:
            return row, Level.READ
        raise NotFound(f"There is no action {action_id[:80]!r}.")


def _audience(caller: Caller, envelope: Envelope, body: Body) -> Audience:
    """The caller owns; the action's and the run's monitors and managers may see and manage.
    So may the run's owner see, when it is the caller by another identity."""
    own = Audience(
        caller.identity, tuple(envelope.monitor_by or ()), tuple(envelope.manage_by or ())
    )
    return audience_of(body, own, identities=caller.identities)


def _repeated(known: ActionRow, digest: str) -> str:
    if known.body_digest != digest:
        raise Conflict(f"The request_id {known.request_id!r} was used before with another content.")
    return known.document


def _status(
    action_id: str, caller: Caller, envelope: Envelope, receipt: Any, now: int, seconds: float
) -> ActionStatus:
    time = format_time(now) or ""
    return ActionStatus(
        action_id,
        "SUCCEEDED",
        caller.identity,
        receipt,
        time,
        time,
        iso_duration(seconds),
        label=envelope.label,
        display_status="Recorded",
        monitor_by=envelope.monitor_by or [],
        manage_by=envelope.manage_by or [],
    )
