"""What a worker asks its recording process, and what that replies."""

from __future__ import annotations

import msgspec

__all__ = ["RecordReply", "RecordRequest"]


class RecordRequest(msgspec.Struct, array_like=True, frozen=True):
    """A request to run an action, as the worker read it, and whose it is."""

    identity: str
    identities: list[str]
    groups: list[str] | None
    reader_group: str | None
    data: bytes
    since: float
    """When the worker began to wait for the answer, by `time.monotonic`: one clock for both."""
    request_id: str = ""
    """For the log."""
    number: int = 0
    """What the reply is told apart by, where several are waited for on one socket."""


class RecordReply(msgspec.Struct, array_like=True, frozen=True):
    """What became of it: an `Answer`, or an error by the name it has in HTTP answers."""

    document: str = ""
    is_new: bool = False
    records: int = 0
    steps: int = 0
    error: str | None = None
    message: str = ""
    choices: list[str] = []
    number: int = 0
    """Of the request that it answers."""
