"""Enumerating actions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from action_provider.actions.status import ActionPage, ActionStatus, read_status
from action_provider.auth import Caller
from provenance_store.errors import InvalidInput
from provenance_store.rows import ActionRow

__all__ = ["EnumerateParameters", "page_of"]

STATUSES = frozenset({"active", "inactive", "succeeded", "failed"})
ROLES = frozenset({"creator_id", "monitor_by", "manage_by"})


class Listing(Protocol):
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


def page_of(actions: Listing, caller: Caller, wanted: EnumerateParameters) -> ActionPage:
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
