"""Python's many kinds of values as plain ones, by what they can do and not by what they are.

NumPy, torch, pandas and the like are never imported: their scalars have ``__index__``, ``item``,
``__float__`` or ``isoformat``, and that is enough.
"""

from __future__ import annotations

import hashlib
import math
import operator
import os
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import islice
from numbers import Integral, Real
from typing import Any
from uuid import UUID

from provenance_store.display import counted

__all__ = [
    "NOT_FINITE",
    "described",
    "is_a",
    "one_or_many",
    "plain",
    "plain_document",
    "read_all",
    "type_name",
]

Plain = str | int | float | bool | None

NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""Numbers that JSON does not have, by Python's ``repr``, as text of a document."""
LARGEST_ARRAY = 10_000
"""Elements up to which an array becomes a list in a document."""
MOST_VALUES = 500_000
"""Values of one document that are looked at."""
DEEPEST = 100
_PLAIN = frozenset({str, int, float, bool, type(None)})


def is_a(value: Any, kinds: Any) -> bool:
    """`isinstance`, also of an object that raises when it is asked for its class."""
    try:
        return isinstance(value, kinds)
    except Exception:
        return False


def read_all(several: Iterable[Any], failed: Callable[[str], object]) -> list[Any]:
    """What an iterable yields, as far as it can be read; `failed` is told why it ended early."""
    found: list[Any] = []
    try:
        found.extend(several)  # keeps what came before an error
    except Exception as error:
        failed(type_name(error))
    return found


def plain(value: Any) -> Any:
    """A scalar as str, int, float, bool or None; what is no scalar comes back as it is.

    Taken are subclasses of these, enumerations (their value), integers and reals of any library,
    decimals and fractions, arrays without dimensions, UUIDs, paths, dates and times (ISO 8601).
    """
    if type(value) in _PLAIN:
        return value
    try:
        return _plain(value)
    except Exception:  # whatever a foreign type does when it is asked
        return value


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return plain(value.value)
    # Of subclasses, without what they make of str(), int() and float().
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta | UUID):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(os.fspath(value))
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, Integral):
        return operator.index(value)
    if type(value).__name__ in ("datetime64", "timedelta64"):
        return str(value)
    if isinstance(value, Fraction | Real):
        return _as_written(float(value), value)
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        item = value.item()
        return item if type(item) is type(value) else _as_written(plain(item), value)
    if hasattr(type(value), "__index__"):
        return operator.index(value)
    return value


def _as_written(number: Any, given: Any) -> Any:
    """A number, or nested lists, of NumPy, torch or JAX as it is written: of a float of less than
    double precision the shortest decimal that is the same in its own type.

    So ``np.float32(1e-3)`` is 0.001, as in the script, and not 0.0010000000474974513; converted
    back it has the same bits.
    """
    as_short = _SHORT.get(str(getattr(given, "dtype", "")).rpartition(".")[2])
    return number if as_short is None else _shortest(number, as_short)


def _shortest(number: Any, as_short: Callable[[float], float]) -> Any:
    if type(number) is list:
        return [_shortest(each, as_short) for each in number]
    if type(number) is not float or not math.isfinite(number):
        return number
    for digits in range(1, 10):
        decimal = float(f"{number:.{digits}g}")
        try:
            if as_short(decimal) == number:
                return decimal
        except (OverflowError, struct.error):  # it was rounded up beyond the largest number
            continue
    return number


def _as_float16(number: float) -> float:
    return float(struct.unpack("<e", struct.pack("<e", number))[0])


def _as_float32(number: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


def _as_bfloat16(number: float) -> float:
    """The upper half of a float32, rounded to the nearest, of two to the even one."""
    (bits,) = struct.unpack("<I", struct.pack("<f", number))
    upper = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return float(struct.unpack("<f", struct.pack("<I", upper))[0])


_SHORT = {"float16": _as_float16, "float32": _as_float32, "bfloat16": _as_bfloat16}
"""What a number is in the types of floats that are shorter than Python's."""


def _decimal(value: Decimal) -> Any:
    """As an integer or float where that is the same number, else as the text of its digits."""
    if not value.is_finite():
        return math.nan if value.is_nan() else float(value)
    if value.adjusted() < 19 and value == value.to_integral_value():
        return int(value)
    number = float(value)
    same = math.isfinite(number) and Decimal(repr(number)) == value
    return number if same else str(value)


_ALONE = (str, bytes, bytearray, os.PathLike)


def one_or_many(given: Any, *, mapping: bool = False) -> Iterable[Any]:
    """What was given where several are meant: a text, a path or a handle alone is one, and with
    `mapping` a mapping too; None is nothing."""
    several: Iterable[Any] = given
    if type(given) is tuple or type(given) is list:  # nearly always, and the rest takes longer
        return several
    if given is None:
        return ()
    alone = (*_ALONE, Mapping) if mapping else _ALONE
    try:
        if getattr(given, "shape", None) == ():  # an array without dimensions
            return (given,)
        return (given,) if isinstance(given, alone) else iter(several)
    except Exception:  # it is nothing to iterate over, or does not say
        return (given,)


def described(value: Any, longest: int = 200) -> str:
    """What can be said of a value that has no plain form, the same each time it is said.

    Its type and how it is written, without the address that `repr` shows of most objects.
    """
    kind = type(value)
    try:
        shown = "" if "__repr__" not in _written(kind) else str.__str__(repr(value))
    except Exception:
        shown = ""
    if " at 0x" in shown:
        shown = ""
    try:
        name = type_name(value) if kind.__module__ == "builtins" else _whole_name(kind)
    except Exception:
        name = type_name(value)
    return f"{shown[:longest]} ({name[:longest]})".lstrip()


def type_name(value: Any) -> str:
    """The name of a value's type, which a metaclass cannot change."""
    return str.__str__(_name_of_type(type(value)))


_name_of_type = type.__dict__["__name__"].__get__


def _whole_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _written(kind: type) -> set[str]:
    """What the classes of a type say of it, but not `object`."""
    return {name for base in kind.__mro__[:-1] for name in vars(base)}


def plain_document(value: Any, lost: list[str] | None = None) -> Any:
    """A document with nothing in it but what JSON has.

    Numbers that are not finite become the texts of `NOT_FINITE`, integers of more than 64 bits
    their digits, tuples and sets lists, keys text. Of bytes, large arrays and what has no form at
    all only what can be said of them is kept; `lost` is given a phrase for each of those.
    """
    return _Documents([] if lost is None else lost).plain(value, DEEPEST)


class _Documents:
    """Makes documents plain, and notes what was lost on the way."""

    def __init__(self, lost: list[str]) -> None:
        self._lost = lost
        self._left = MOST_VALUES

    def plain(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            return self._cut()
        kind = type(value)
        if kind is str or kind is bool or value is None:
            return value
        if kind is int:
            return value if -(1 << 63) <= value < 1 << 64 else _digits(value)
        if kind is float:
            return value if math.isfinite(value) else NOT_FINITE[repr(value)]
        if depth == 0:
            return self._described(value)
        try:
            return self._composed(value, depth)
        except Exception:  # whatever a foreign type does when it is read
            return self._described(value)

    def _composed(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            return self._list(value, depth)
        if isinstance(value, Set):
            return [self.plain(item, depth - 1) for item in sorted(value, key=_order)]
        if isinstance(value, bytes | bytearray | memoryview):
            self._lost.append(counted(len(value), "byte"))
            return _bytes(bytes(value))
        found = plain(value)
        if type(found) in _PLAIN:
            return self.plain(found, depth)
        return self._other(value, depth)

    def _other(self, value: Any, depth: int) -> Any:
        """An array or tensor, a data class, a structure, or anything else."""
        if hasattr(value, "shape") and callable(getattr(value, "tolist", None)):
            return self._array(value, depth)
        for name in ("__dataclass_fields__", "__struct_fields__", "_fields"):
            if fields := getattr(type(value), name, None):
                return {field: self.plain(getattr(value, field), depth - 1) for field in fields}
        if isinstance(value, Sequence):
            return self._list(value, depth)
        return self._described(value)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        pairs = self._read(value.items(), value)
        return {_key(key): self.plain(item, depth - 1) for key, item in pairs}

    def _list(self, value: Sequence[Any], depth: int) -> list[Any]:
        return [self.plain(item, depth - 1) for item in self._read(value, value)]

    def _read(self, several: Iterable[Any], value: Any) -> list[Any]:
        """What there is to read, as far as there is room for it and it can be read."""

        def failed(error: str) -> None:
            self._lost.append(f"end of a {type_name(value)} that raised {error}")

        return read_all(islice(several, max(self._left, 0) + 1), failed)

    def _array(self, value: Any, depth: int) -> Any:
        if math.prod(value.shape) <= LARGEST_ARRAY:
            return self.plain(_as_written(value.tolist(), value), depth - 1)
        self._lost.append(f"an array of shape {tuple(value.shape)}")
        return {"_array": {"shape": list(value.shape), "dtype": str(getattr(value, "dtype", ""))}}

    def _cut(self) -> None:
        """The same list may be in a document many times, and itself in it without end."""
        if self._left == -1:
            self._lost.append(f"more than {MOST_VALUES:,} values")

    def _described(self, value: Any) -> str:
        shown = described(value)
        self._lost.append(shown)
        return shown


def _digits(value: int) -> str:
    """The digits of a long integer; of one of thousands its size, as Python writes it only so."""
    return str(value) if value.bit_length() < 4096 else f"an integer of {value.bit_length()} bits"


def _key(key: Any) -> str:
    found = plain(key)
    if type(found) is str:
        return found
    if type(found) is int:
        return _digits(found)
    return described(key) if type(found) not in _PLAIN else str(found)


def _order(value: Any) -> tuple[str, str]:
    return type_name(value), described(value)


def _bytes(data: bytes) -> dict[str, Any]:
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    return {"_bytes": {"bytes": len(data), "digest": digest}}
