"""What a worker and its recording process say to each other, over sockets of their own."""

from __future__ import annotations

import socket
import struct

import msgspec

__all__ = ["CHUNK", "RecordReply", "RecordRequest", "framed", "receive", "send", "taken"]

_LENGTH = struct.Struct("!I")
CHUNK = 1 << 16


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


def framed(message: bytes) -> bytes:
    """A message as it is sent."""
    return _LENGTH.pack(len(message)) + message


def taken(come: bytearray) -> list[bytes]:
    """Take the messages that are whole out of what has come."""
    messages = []
    at = 0
    while (body := at + _LENGTH.size) <= len(come):
        end = body + _LENGTH.unpack_from(come, at)[0]
        if end > len(come):
            break
        messages.append(bytes(come[body:end]))
        at = end
    del come[:at]
    return messages


def send(connection: socket.socket, message: bytes) -> None:
    """Send one message."""
    connection.sendall(framed(message))


def receive(connection: socket.socket) -> bytes:
    """One message; raises ConnectionError at the end of the stream."""
    data = bytearray(_some(connection, CHUNK))
    while len(data) < _LENGTH.size:
        data += _some(connection, CHUNK)
    whole = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    while len(data) < whole:
        data += _some(connection, whole - len(data))
    return bytes(memoryview(data)[_LENGTH.size :])


def _some(connection: socket.socket, size: int) -> bytes:
    data = connection.recv(size)
    if not data:
        raise ConnectionError("the other side is gone")
    return data
