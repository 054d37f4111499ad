"""Ids: 64-bit integers inside, strings outside.

An id is ``origin_no << 32 | sequence``. ``origin_no`` is a small number that one store gave to
an origin (a writing session); ``sequence`` counts from 1 within that origin. The name that
holds everywhere is the URN ``urn:braid:<origin uuid>:<sequence>``; people type the short form
``<origin_no>.<sequence>``, which holds in one store only.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from typing import NamedTuple

from provenance_store.errors import InvalidInput
from provenance_store.validation.scalars import type_name

__all__ = [
    "MAX_ORIGIN_NO",
    "MAX_SEQUENCE",
    "SEQUENCE_BITS",
    "ShortId",
    "Urn",
    "looks_like_id",
    "make_id",
    "new_uuid",
    "now",
    "ordered_uuid",
    "parse_id",
    "short_id",
    "split_id",
    "urn_of",
]

SEQUENCE_BITS = 32
MAX_SEQUENCE = (1 << SEQUENCE_BITS) - 1
MAX_ORIGIN_NO = (1 << 31) - 1
_LOWEST_62 = (1 << 62) - 1

_SHORT = re.compile(r"([1-9][0-9]{0,9})\.([1-9][0-9]{0,9})")
_URN = re.compile(
    r"urn:braid:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):([1-9][0-9]{0,9})"
)


class ShortId(NamedTuple):
    """An id as typed by a person: valid in one store only."""

    origin_no: int
    sequence: int


class Urn(NamedTuple):
    """The permanent name of a record: the UUID of its origin and its number there."""

    origin: str
    sequence: int

    def __str__(self) -> str:
        return urn_of(self.origin, self.sequence)


def urn_of(origin: str, sequence: int) -> str:
    """The permanent name as text."""
    return f"urn:braid:{origin}:{sequence}"


def make_id(origin_no: int, sequence: int) -> int:
    """The 64-bit id of the sequence-th thing that an origin made."""
    return origin_no << SEQUENCE_BITS | sequence


def split_id(record_id: int) -> ShortId:
    """The two halves of an id."""
    return ShortId(record_id >> SEQUENCE_BITS, record_id & MAX_SEQUENCE)


def short_id(record_id: int) -> str:
    """The short form ``<origin_no>.<sequence>``."""
    return f"{record_id >> SEQUENCE_BITS}.{record_id & MAX_SEQUENCE}"


def looks_like_id(text: str) -> bool:
    """Whether a text is written like a URN or a short id (and not like a name or a URI)."""
    return type(text) is str and bool(_URN.fullmatch(text) or _SHORT.fullmatch(text))


def parse_id(text: str) -> Urn | ShortId:
    """Read a URN or a short id; raises InvalidInput for anything else."""
    if type(text) is not str:
        raise InvalidInput(f"An id must be text, not {type_name(text)}.")
    if match := _URN.fullmatch(text):
        return Urn(match[1], _bounded(int(match[2]), MAX_SEQUENCE, text))
    if match := _SHORT.fullmatch(text):
        origin_no = _bounded(int(match[1]), MAX_ORIGIN_NO, text)
        return ShortId(origin_no, _bounded(int(match[2]), MAX_SEQUENCE, text))
    raise InvalidInput(
        f"{text[:80]!r} is not an id: write urn:braid:<uuid>:<number> or the short form 3.17."
    )


def _bounded(number: int, highest: int, text: str) -> int:
    if number > highest:
        raise InvalidInput(f"{text!r} is not an id: {number} is over {highest}.")
    return number


def new_uuid() -> str:
    """A fresh random UUID in its 36-character form."""
    return str(uuid.uuid4())


def ordered_uuid(at: int) -> str:
    """A fresh UUID that begins with a time, in microseconds since 1970 UTC: version 7 of RFC 9562.

    Keys made one after the other stand together in an index, where random ones are each in a page
    of their own. 74 of its bits are random.
    """
    chance = int.from_bytes(os.urandom(10))
    high = (at // 1000) << 16 | 7 << 12 | chance >> 68
    digits = f"{high << 64 | 2 << 62 | chance & _LOWEST_62:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def now() -> int:
    """The time: microseconds since 1970, UTC."""
    return time.time_ns() // 1000
