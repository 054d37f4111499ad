"""What ranks and aggregators say to each other.

A rank sends BATCH (8 bytes sequence number, then the encoded batch) and at last BYE. The
aggregator answers ACK: MessagePack pairs of a sequence number and whether that batch is durable;
of one that is not, it says that the rank must keep it in its spool.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

__all__ = ["Tag", "decode_answers", "encode_answers", "pack", "unpack"]

NUMBER_BYTES = 8


class Tag(IntEnum):
    """MPI tags, in a communicator of our own."""

    BATCH = 1
    BYE = 2
    ACK = 3


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[tuple[int, bool]])


def pack(number: int, batch: bytes) -> bytes:
    """A BATCH message."""
    return number.to_bytes(NUMBER_BYTES, "big") + batch


def unpack(message: bytes | bytearray) -> tuple[int, memoryview]:
    """The sequence number and the encoded batch of a BATCH message."""
    view = memoryview(message)
    return int.from_bytes(view[:NUMBER_BYTES], "big"), view[NUMBER_BYTES:]


def encode_answers(answers: list[tuple[int, bool]]) -> bytes:
    """An ACK message."""
    return _encoder.encode(answers)


def decode_answers(message: bytes | bytearray) -> list[tuple[int, bool]]:
    """The pairs of an ACK message."""
    return _decoder.decode(message)
