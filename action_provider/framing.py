"""Messages on a stream between a worker and its child processes: the length, then the bytes."""

from __future__ import annotations

import socket
import struct

__all__ = ["CHUNK", "framed", "receive", "send", "taken"]

_LENGTH = struct.Struct("!I")
CHUNK = 1 << 16
"""How many bytes are read at once."""


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
