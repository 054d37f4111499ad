"""What stands around a body: the run request, and an action's status document and log."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal

import isodate
import msgspec
from msgspec import Meta

from action_provider.request_body import decode
from flows.steps.validation_errors import BodyRefused
from flows.steps.values import read_principal
from provenance_store.errors import InvalidInput
from provenance_store.redaction import scrub_text
from provenance_store.times import format_time

__all__ = [
    "ActionLog",
    "ActionPage",
    "ActionStatus",
    "Envelope",
    "LogEntry",
    "check_deadline",
    "content_digest",
    "encode",
    "iso_duration",
    "release_seconds",
]

MAX_PRINCIPALS = 256
MAX_DURATION = 64

Principals = Annotated[
    list[str], Meta(max_length=MAX_PRINCIPALS, description="Globus identity and group URNs.")
]


MAX_LABEL = 64


class Envelope(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A request to run an action: Globus Flows sends it."""

    request_id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=256,
            description="Names the request. The same one again, with the same content, is "
            "answered with the same action; with another content it is refused.",
        ),
    ]
    body: Annotated[dict[str, Any], Meta(description="The step, as the input schema says.")]
    label: Annotated[str, Meta(min_length=1, max_length=MAX_LABEL)] | None = None
    monitor_by: Principals | None = None
    manage_by: Principals | None = None
    allowed_clients: (
        Annotated[list[str], Meta(description='Only "public" is possible: any client.')] | None
    ) = None
    deadline: (
        Annotated[str, Meta(description="RFC 3339 time with an offset; not in the past.")] | None
    ) = None
    release_after: (
        Annotated[
            str | int | float,
            Meta(
                description="How long the action's status is kept: an ISO 8601 duration such as "
                "P30D, or seconds. The records stay."
            ),
        ]
        | None
    ) = None


_decoder = msgspec.json.Decoder(Envelope)


def read_envelope(data: bytes) -> Envelope:
    """The request in a body; raises InvalidInput with its path for what does not fit."""
    envelope = decode(data, _decoder)
    if envelope.allowed_clients and set(envelope.allowed_clients) != {"public"}:
        raise InvalidInput('It must be "public".', path="allowed_clients")
    return msgspec.structs.replace(
        envelope,
        request_id=_kept_name(envelope.request_id),
        label=envelope.label and scrub_text(envelope.label)[:MAX_LABEL],
        monitor_by=_principals(envelope.monitor_by, "monitor_by"),
        manage_by=_principals(envelope.manage_by, "manage_by"),
    )


def _kept_name(request_id: str) -> str:
    """A request's name as it is kept; one that holds a secret is told from others by its digest."""
    if scrub_text(request_id) == request_id:
        return request_id
    return "sha256:" + hashlib.sha256(request_id.encode()).hexdigest()


def _principals(items: list[str] | None, path: str) -> list[str] | None:
    return items and [_principal(item, f"{path}[{place}]") for place, item in enumerate(items)]


def _principal(item: str, path: str) -> str:
    try:
        return str(read_principal(item))
    except BodyRefused as error:
        raise InvalidInput(error.message, path=path) from None


def content_digest(envelope: Envelope) -> str:
    """The same for two requests that ask for the same thing, however they are written."""
    _, *content = msgspec.structs.astuple(envelope)
    return "sha256:" + hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def check_deadline(envelope: Envelope, *, now: int) -> None:
    """Raise InvalidInput for a deadline that is not a time, or is before `now` (microseconds)."""
    if envelope.deadline is None:
        return
    try:
        deadline = datetime.fromisoformat(envelope.deadline)
    except ValueError:
        deadline = None
    if deadline is None or deadline.tzinfo is None:
        raise InvalidInput("It must be a time such as 2026-11-01T12:00:00Z.", path="deadline")
    if deadline < datetime.fromtimestamp(now / 1e6, UTC):
        raise InvalidInput("The deadline has passed.", path="deadline")


def release_seconds(envelope: Envelope, *, default: int, most: int) -> float:
    """Seconds that the action's status is kept; raises InvalidInput for what is no duration."""
    asked = envelope.release_after
    if asked is None:
        return default
    seconds = _duration(asked) if isinstance(asked, str) else _number(asked)
    if not 0 <= seconds <= most or not math.isfinite(seconds):
        raise InvalidInput(f"It must be from PT0S to P{most // 86_400}D.", path="release_after")
    return seconds


def _number(given: float) -> float:
    try:
        return float(given)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf


def _duration(text: str) -> float:
    try:
        duration = isodate.parse_duration(text) if len(text) <= MAX_DURATION else None
        if isinstance(duration, isodate.Duration):
            duration = duration.totimedelta(start=datetime(2001, 1, 1))
    except (ValueError, OverflowError, ArithmeticError):
        duration = None
    if not isinstance(duration, timedelta):
        raise InvalidInput(
            "It must be an ISO 8601 duration, such as P30D or PT12H.", path="release_after"
        )
    return duration.total_seconds()


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
_status_decoder = msgspec.json.Decoder(ActionStatus)


def read_status(document: str) -> ActionStatus:
    """A status as the store keeps it."""
    return _status_decoder.decode(document)


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
