"""An action's status document and its log, as Globus Flows reads them."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal

import isodate
import msgspec
from msgspec import Meta

from provenance_store.times import format_time

__all__ = ["ActionLog", "ActionPage", "ActionStatus", "LogEntry", "encode", "iso_duration"]


class ActionStatus(msgspec.Struct):
    """What became of a request. Records and answers are final from the start; a harvest is ACTIVE
    until it is done."""

    action_id: str
    status: Literal["SUCCEEDED", "FAILED", "ACTIVE", "INACTIVE"]
    creator_id: Annotated[str, Meta(description="URN of the identity that asked for it.")]
    details: Annotated[
        Any,
        Meta(description="The receipt: URNs of what was recorded; or why it failed."),
    ]
    start_time: str
    completion_time: str | None
    release_after: Annotated[
        str, Meta(description="ISO 8601 duration for which this status is kept.")
    ]
    label: str | None = None
    display_status: str | None = None
    monitor_by: list[str] = []
    manage_by: list[str] = []


class LogEntry(msgspec.Struct):
    """One thing that happened to an action."""

    time: str
    code: str
    description: str
    details: dict[str, Any]


class ActionLog(msgspec.Struct):
    """What happened to an action."""

    entries: list[LogEntry]
    limit: int
    has_next_page: bool
    marker: str | None


class ActionPage(msgspec.Struct):
    """One page of the actions that the caller may see, newest first."""

    actions: list[ActionStatus]
    limit: int
    has_next_page: bool
    marker: str | None


encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(ActionStatus)


def read_status(document: str) -> ActionStatus:
    """A status as the store keeps it."""
    return _decoder.decode(document)


def log_of(document: str, *, created_at: int) -> ActionLog:
    """The log of an action: it was recorded, at once."""
    status = read_status(document)
    entry = LogEntry(
        format_time(created_at) or "",
        "StepRecorded",
        "The step and its records are in the store.",
        status.details if isinstance(status.details, dict) else {},
    )
    return ActionLog([entry], 1, False, None)


@lru_cache(maxsize=256)
def iso_duration(seconds: float) -> str:
    """Seconds as an ISO 8601 duration: ``P30D``, ``PT0S``."""
    text: str = isodate.duration_isoformat(timedelta(seconds=seconds))
    return "PT0S" if text == "P0D" else text
