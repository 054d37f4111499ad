"""Actions that are kept in the store: seen, managed, listed and released by whom they name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from action_provider.auth import Caller
from action_provider.providers.envelope import (
    ActionPage,
    ActionStatus,
    Envelope,
    content_digest,
    encode,
    iso_duration,
    read_status,
    release_seconds,
)
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from provenance_store.batch import Batch
from provenance_store.enums import Level
from provenance_store.errors import Conflict, InvalidInput, NotAllowed, NotFound
from provenance_store.rows import ActionRow
from provenance_store.service import StoreService
from provenance_store.times import format_time
from provenance_store.values import Audience

__all__ = ["MICROSECONDS", "ActionStore", "EnumerateParameters", "page_of", "status_of"]

DAY = 86_400
MICROSECONDS = 1_000_000
PAGE_OF_SCAN = 200


class ActionStore:
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

    def _known(self, service: StoreService, caller: Caller, envelope: Envelope) -> str | None:
        """The status that was answered to the same request before; None for a new one.

        Raises Conflict when that request had another content.
        """
        creator = caller.identity + self.space
        known = service.actions.by_request(creator, envelope.request_id)
        if known is None:
            return None
        if known.release_at <= self._clock():
            service.actions.release(known.action_id)
            return None
        if known.body_digest != content_digest(envelope):
            raise Conflict(
                f"The request_id {known.request_id!r} was used before with another content."
            )
        return known.document

    def _keep(
        self,
        service: StoreService,
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
        service.sink.write(
            Batch(audience=[audience], audience_member=list(members), action=[action])
        )
        return document

    def _release_seconds(self, envelope: Envelope) -> float:
        return release_seconds(envelope, default=self._default_release, most=self._most_release)

    def _is_here(self, row: ActionRow) -> bool:
        return row.release_at > self._clock() and row.creator.partition(" ")[2] == self.space[1:]

    def _seen(
        self, service: StoreService, caller: Caller, action_id: str
    ) -> tuple[ActionRow, Level]:
        row = service.actions.get(action_id)
        if row is None or not self._is_here(row):
            raise NotFound(f"There is no action {action_id[:80]!r}.")
        members = service.actions.members(row.audience)
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


STATUSES = frozenset({"active", "inactive", "succeeded", "failed"})
ROLES = frozenset({"creator_id", "monitor_by", "manage_by"})


class ListsActions(Protocol):
    """Lists actions that a caller may see, newest first."""

    def listed(
        self, caller: Caller, statuses: frozenset[str], after: tuple[int, str] | None
    ) -> Iterator[ActionRow]: ...


class EnumerateParameters(msgspec.Struct, forbid_unknown_fields=True):
    """Which actions to list."""

    status: Annotated[
        str,
        Meta(
            description="Statuses, separated by commas: active, inactive, succeeded, failed. "
            "Only harvests take their time; all other actions have succeeded."
        ),
    ] = "active"
    roles: Annotated[
        str,
        Meta(
            description="What the caller is to the actions, separated by commas: creator_id, "
            "monitor_by, manage_by."
        ),
    ] = "creator_id"
    limit: Annotated[int, Meta(ge=1, le=1000, description="Actions on a page.")] = 100
    marker: Annotated[str, Meta(description="The marker of the page before.")] | None = None


def page_of(actions: ListsActions, caller: Caller, wanted: EnumerateParameters) -> ActionPage:
    """One page of the actions that the caller may see."""
    statuses = frozenset(s.upper() for s in _words(wanted.status, STATUSES, "status"))
    roles = _words(wanted.roles, ROLES, "roles")
    rows = actions.listed(caller, statuses, _place(wanted.marker))
    fitting = (
        (row, status)
        for row in rows
        if _has_role(caller, status := read_status(row.document), roles)
    )
    kept = list(itertools.islice(fitting, wanted.limit + 1))
    page = kept[: wanted.limit]
    more = len(kept) > wanted.limit
    marker = _marker(page[-1][0]) if more else None
    return ActionPage([status for _, status in page], wanted.limit, more, marker)


def _has_role(caller: Caller, status: ActionStatus, roles: frozenset[str]) -> bool:
    return (
        ("creator_id" in roles and status.creator_id in caller.identities)
        or ("monitor_by" in roles and caller.is_one_of(status.monitor_by))
        or ("manage_by" in roles and caller.is_one_of(status.manage_by))
    )


def _words(text: str, known: frozenset[str], path: str) -> frozenset[str]:
    words = frozenset(word.strip().lower() for word in text.split(",") if word.strip())
    if not words or words - known:
        raise InvalidInput(f"It must be one or more of {', '.join(sorted(known))}.", path=path)
    return words


def _marker(row: ActionRow) -> str:
    return f"{row.created_at}_{row.action_id}"


def _place(marker: str | None) -> tuple[int, str] | None:
    if marker is None:
        return None
    time, _, action_id = marker.partition("_")
    if not time.isascii() or not time.isdecimal() or len(time) > 18 or not action_id:
        raise InvalidInput("It must be the marker of an earlier page.", path="marker")
    return int(time), action_id
