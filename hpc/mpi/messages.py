"""What ranks and aggregators say to each other.

A rank sends BATCH (8 bytes sequence number, then the encoded batch) and at last BYE. The
aggregator answers ACK: for each batch the sequence number, whether it is durable, and if only a
part of it is not, the places of what was refused. What is not the rank must keep in its spool.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import msgspec

__all__ = ["Acknowledgement", "Tag", "decode_answers", "encode_answers", "pack", "unpack"]

NUMBER_BYTES = 8


class Tag(IntEnum):
    """MPI tags, in a communicator of our own."""

    BATCH = 1
    BYE = 2
    ACK = 3


class Acknowledgement(NamedTuple):
    """What became of a batch. `refused` are places in `Batch.parted`; all of it when empty."""

    number: int
    durable: bool
    refused: list[int]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Acknowledgement])


def pack(number: int, batch: bytes) -> bytes:
    """A BATCH message."""
    return number.to_bytes(NUMBER_BYTES, "big") + batch


def unpack(message: bytes | bytearray) -> tuple[int, memoryview]:
    """The sequence number and the encoded batch of a BATCH message."""
    view = memoryview(message)
    return int.from_bytes(view[:NUMBER_BYTES], "big"), view[NUMBER_BYTES:]


def encode_answers(answers: list[Acknowledgement]) -> bytes:
    """An ACK message."""
    return _encoder.encode(answers)


def decode_answers(message: bytes | bytearray) -> list[Acknowledgement]:
    """The answers of an ACK message."""
    return _decoder.decode(message)
