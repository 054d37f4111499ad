"""Actions that are kept in the store: seen, managed, listed and released by whom they name.

A request is named by its caller's identity and `request_id`. Once an action is released, or its
release time has come, its request is forgotten as well: the same `request_id` is then a new
request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from action_provider.actions.envelope import Envelope, content_digest, release_seconds
from action_provider.actions.status import ActionStatus, encode, iso_duration
from action_provider.auth import Caller
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from provenance_store.batch import Batch
from provenance_store.errors import Conflict, NotAllowed, NotFound
from provenance_store.kinds import Level
from provenance_store.rows import ActionRow
from provenance_store.store import Store
from provenance_store.times import format_time
from provenance_store.values import Audience

__all__ = ["MICROSECONDS", "KeptActions", "status_of"]

DAY = 86_400
MICROSECONDS = 1_000_000
PAGE_OF_SCAN = 200


class KeptActions:
    """What callers may do with actions once they are answered.

    `clock` gives microseconds since 1970 UTC. `space` is put behind the identity of whoever asks
    for an action, so that the requests of one provider are not taken for another's.
    """

    space = ""

    def __init__(self, stores: StoreHolder, options: Options, clock: Callable[[], int]) -> None:
        self._stores = stores
        self._clock = clock
        self._default_release = options.release_after_days * DAY
        self._most_release = max(options.release_after_max_days * DAY, self._default_release)

    def see(self, caller: Caller, action_id: str) -> ActionRow:
        """The action, if the caller may see it; raises NotFound otherwise."""
        row, _ = self._seen(self._stores.get(), caller, action_id)
        return row

    def manage(self, caller: Caller, action_id: str) -> ActionRow:
        """The action, if the caller may manage it; raises NotFound, or NotAllowed."""
        row, level = self._seen(self._stores.get(), caller, action_id)
        if level is not Level.MANAGE:
            raise NotAllowed("You may view this action, but not manage it.")
        return row

    def release(self, caller: Caller, action_id: str) -> ActionRow:
        """Forget the action and its request; its last status is returned."""
        row = self.manage(caller, action_id)
        if not self._stores.get().actions.release(action_id):
            raise NotFound(f"There is no action {action_id[:80]!r}.")
        return row

    def cancel(self, caller: Caller, action_id: str) -> ActionRow:
        """Raises Conflict, for every action is final from the start."""
        row = self.manage(caller, action_id)
        raise Conflict(f"The action is {row.status} already; there is nothing to cancel.")

    def resume(self, caller: Caller, action_id: str) -> ActionRow:
        """The action unchanged: nothing waits here."""
        return self.manage(caller, action_id)

    def listed(
        self, caller: Caller, statuses: frozenset[str], after: tuple[int, str] | None
    ) -> Iterator[ActionRow]:
        """The actions of these statuses that the caller may see, newest first."""
        principals = caller.viewer().principals
        actions = self._stores.get().actions
        while True:
            page = actions.page(principals, statuses=statuses, limit=PAGE_OF_SCAN, after=after)
            yield from (row for row in page if self._is_here(row))
            if len(page) < PAGE_OF_SCAN:
                return
            after = (page[-1].created_at, page[-1].action_id)

    # ---- for providers -------------------------------------------------------------------

    def _known(self, store: Store, caller: Caller, envelope: Envelope) -> str | None:
        """The status that was answered to the same request before; None for a new one.

        Raises Conflict when that request had another content.
        """
        creator = caller.identity + self.space
        known = store.actions.by_request(creator, envelope.request_id)
        if known is None:
            return None
        if known.release_at <= self._clock():
            store.actions.release(known.action_id)
            return None
        if known.body_digest != content_digest(envelope):
            raise Conflict(
                f"The request_id {known.request_id!r} was used before with another content."
            )
        return known.document

    def _keep(
        self,
        store: Store,
        caller: Caller,
        envelope: Envelope,
        status: ActionStatus,
        *,
        now: int,
        release_at: int,
    ) -> str:
        """Keep a new action that records nothing itself; its status as it is kept.

        Raises Conflict when the same request is there already.
        """
        readers, managers = tuple(envelope.monitor_by or ()), tuple(envelope.manage_by or ())
        audience, members = Audience(caller.identity, readers, managers).rows()
        document = encode(status).decode()
        action = ActionRow(
            status.action_id,
            caller.identity + self.space,
            envelope.request_id,
            content_digest(envelope),
            status.status,
            document,
            None,
            audience.digest,
            now,
            release_at,
        )
        store.sink.write(Batch(audience=[audience], audience_member=list(members), action=[action]))
        return document

    def _release_seconds(self, envelope: Envelope) -> float:
        return release_seconds(envelope, default=self._default_release, most=self._most_release)

    def _is_here(self, row: ActionRow) -> bool:
        return row.release_at > self._clock() and row.creator.partition(" ")[2] == self.space[1:]

    def _seen(self, store: Store, caller: Caller, action_id: str) -> tuple[ActionRow, Level]:
        row = store.actions.get(action_id)
        if row is None or not self._is_here(row):
            raise NotFound(f"There is no action {action_id[:80]!r}.")
        members = store.actions.members(row.audience)
        managers = {principal for principal, level in members.items() if level is Level.MANAGE}
        if caller.is_one_of(managers, everybody=False):
            return row, Level.MANAGE
        if caller.is_one_of(members, everybody=False) or caller.reads_everything:
            return row, Level.READ
        raise NotFound(f"There is no action {action_id[:80]!r}.")


def status_of(
    action_id: str,
    caller: Caller,
    envelope: Envelope,
    details: Any,
    *,
    said: str,
    now: int,
    seconds: float,
) -> ActionStatus:
    """The status of an action that is final from the start; `said` is its display status."""
    time = format_time(now) or ""
    return ActionStatus(
        action_id,
        "SUCCEEDED",
        caller.identity,
        details,
        time,
        time,
        iso_duration(seconds),
        label=envelope.label,
        display_status=said,
        monitor_by=envelope.monitor_by or [],
        manage_by=envelope.manage_by or [],
    )
