"""Values that scripts, callers and files hand over, and what becomes of each at the gate.

One table for all entrances: whoever brings a value, the same is kept of it under the same policy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np

__all__ = ["CASES", "Case", "NoForm", "Tensor", "of_field"]

KEPT = object()
"""The value is kept as it is given."""
LEFT_OUT = object()
"""There is nothing of it in its place; a note says so."""


class Color(Enum):
    """An enumeration of text."""

    RED = "red"


class Level(IntEnum):
    """An enumeration of numbers."""

    HIGH = 3


class Tensor:
    """What a tensor library's scalar looks like: no number, but it has an item."""

    shape = ()

    def __init__(self, value: float, dtype: str = "torch.float64") -> None:
        self._value = value
        self.dtype = dtype

    def item(self) -> float:
        return self._value


class Index:
    """An integer of some library, that says so by ``__index__`` alone."""

    def __index__(self) -> int:
        return 7


class NoForm:
    """Something that no document and no tag can hold."""


class Hostile:
    """Something that raises whatever it is asked."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("__class__", "__dict__"):
            return object.__getattribute__(self, name)
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError


class Text(str):
    """A text of a class of its own."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


@dataclass(frozen=True)
class Case:
    """A value for a field: what is kept of it, whether it is so with strictness too, and whether
    it can come as JSON. `kept` may be a test of what is kept."""

    name: str
    field: str
    value: Any
    kept: Any = KEPT
    strict: bool = True
    json: bool = False

    @property
    def expected(self) -> Any:
        return self.value if self.kept is KEPT else self.kept

    def matches(self, found: Any) -> bool:
        """Whether what was found is what is kept."""
        if callable(self.expected) and not isinstance(self.expected, type):
            return bool(self.expected(found))
        same_type = type(found) is type(self.expected) or {type(found), type(self.expected)} <= {
            int,
            float,
        }
        if isinstance(self.expected, float) and math.isnan(self.expected):
            return isinstance(found, float) and math.isnan(found)
        return bool(found == self.expected) and same_type


def begins(text: str, *, longest: int, mentions: str = "") -> Callable[[Any], bool]:
    """A test: a text that begins so, is not too long, and mentions something."""

    def holds(found: Any) -> bool:
        return (
            isinstance(found, str)
            and found.startswith(text)
            and len(found) <= longest
            and mentions in found
        )

    return holds


def contains(*texts: str) -> Callable[[Any], bool]:
    """A test: these are somewhere in how the value is shown."""
    return lambda found: all(text in str(found) for text in texts)


def same_in(kind: type[np.floating[Any]]) -> Callable[[Any], bool]:
    """A test: a number that is the largest one of a type of floats."""
    return lambda found: bool(kind(found) == np.finfo(kind).max)


def _tags() -> Iterator[Case]:
    f = "tag"
    yield Case("text", f, "Ni", json=True)
    yield Case("empty text", f, "", json=True)
    yield Case("text of any script", f, "結晶 é", json=True)
    yield Case("text of its own class", f, Text("Ni"), "Ni")
    yield Case("text of NumPy", f, np.str_("Ni"), "Ni")
    yield Case("truth", f, True, json=True)
    yield Case("truth of NumPy", f, np.bool_(True), True)
    yield Case("integer", f, 7, json=True)
    yield Case("zero", f, 0, json=True)
    yield Case("negative integer", f, -7, json=True)
    yield Case("largest integer", f, (1 << 63) - 1, json=True)
    yield Case("integer of its own class", f, Level.HIGH, 3)
    for kind in (np.int8, np.int32, np.int64, np.uint8, np.uint64):
        yield Case(f"integer of NumPy, {kind.__name__}", f, kind(7), 7)
    yield Case("integer by its index", f, Index(), 7)
    yield Case("float", f, 293.5, json=True)
    yield Case("negative zero", f, -0.0, json=True)
    yield Case("smallest float", f, 5e-324, json=True)
    for kind in (np.float16, np.float32, np.float64, np.longdouble):
        yield Case(f"float of NumPy, {kind.__name__}", f, kind(293.5), 293.5)
    for kind in (np.float16, np.float32):
        yield Case(f"fraction of NumPy, {kind.__name__}", f, kind(1e-3), 0.001)
        yield Case(f"largest of NumPy, {kind.__name__}", f, np.finfo(kind).max, same_in(kind))
    yield Case("array without dimensions", f, np.array(293.5), 293.5)
    yield Case("short array without dimensions", f, np.array(0.1, "f4"), 0.1)
    yield Case("short tensor", f, Tensor(0.10009765625, "torch.bfloat16"), 0.1)
    yield Case("tensor", f, Tensor(293.5), 293.5)
    yield Case("decimal", f, Decimal("293.5"), 293.5)
    yield Case("whole decimal", f, Decimal("293"), 293)
    yield Case(
        "decimal that is no double",
        f,
        Decimal("0.1000000000000000000001"),
        "0.1000000000000000000001",
    )
    yield Case("fraction", f, Fraction(1, 4), 0.25)
    yield Case("path", f, PurePosixPath("/data/x.h5"), "/data/x.h5")
    yield Case("UUID", f, UUID(int=7), "00000000-0000-0000-0000-000000000007")
    yield Case("enumeration of text", f, Color.RED, "red")
    yield Case("date", f, date(2026, 11, 29), "2026-11-29")
    yield Case("datetime", f, datetime(2026, 11, 29, tzinfo=UTC), "2026-11-29T00:00:00+00:00")
    yield Case("datetime of NumPy", f, np.datetime64("2026-11-29"), "2026-11-29")
    yield Case("duration", f, timedelta(seconds=90), "0:01:30")
    yield Case("not a number", f, math.nan)
    yield Case("infinity", f, math.inf)
    yield Case("minus infinity", f, -math.inf)
    yield Case("not a number of NumPy", f, np.float32("nan"), math.nan)
    yield Case("decimal that is not a number", f, Decimal("NaN"), math.nan)
    yield Case("none", f, None, contains("None"), strict=False, json=True)
    yield Case(
        "long integer", f, 1 << 70, contains(str(1 << 70), "64 bits"), strict=False, json=False
    )
    yield Case(
        "integer of a million digits", f, 1 << 4_000_000, contains("4000001 bits"), strict=False
    )
    yield Case("list", f, [1, 2], contains("[1,2]", "list"), strict=False, json=True)
    yield Case("mapping", f, {"a": 1}, contains('{"a":1}', "dict"), strict=False, json=True)
    yield Case("tuple", f, (1, 2), contains("[1,2]", "tuple"), strict=False)
    yield Case("set", f, {2, 1}, contains("[1,2]", "set"), strict=False)
    yield Case("array", f, np.arange(3), contains("[0,1,2]", "ndarray"), strict=False)
    yield Case("large array", f, np.zeros(100_000), contains("100000", "float64"), strict=False)
    yield Case("bytes", f, b"\x00\xff", contains("bytes", "sha256:"), strict=False)
    yield Case("complex number", f, 1j, contains("1j", "complex"), strict=False)
    yield Case("object without a form", f, NoForm(), contains("NoForm"), strict=False)
    yield Case("object that raises", f, Hostile(), contains("Hostile"), strict=False)
    yield Case("NUL", f, "a\x00b", r"a\x00b", strict=False)
    yield Case("half a character", f, "a\ud800b", r"a\ud800b", strict=False)
    yield Case("byte that is no text", f, "a\udcffb", r"a\xffb", strict=False)
    yield Case("longest text", f, "x" * 16_384, json=True)
    cut = begins("x" * 100, longest=16_384, mentions="20000 characters, sha256:")
    yield Case("text that is too long", f, "x" * 20_000, cut, strict=False, json=True)
    yield Case("secret", f, "https://ada:hunter22@h/x", contains("[redacted]"), json=True)


def _names() -> Iterator[Case]:
    f = "name"
    yield Case("text", f, "scan-17", json=True)
    yield Case("text of any script", f, "é 結晶 \U0001f52c", json=True)
    yield Case("longest text", f, "x" * 1024, json=True)
    yield Case("text of its own class", f, Text("scan"), "scan")
    yield Case("path", f, Path("/data/scan.h5"), "/data/scan.h5")
    yield Case("empty", f, "", "unnamed", strict=False, json=True)
    yield Case(
        "too long",
        f,
        "x" * 2000,
        begins("x" * 800, longest=1024, mentions="2000 characters"),
        strict=False,
        json=True,
    )
    yield Case("NUL", f, "a\x00b", r"a\x00b", strict=False)
    yield Case("half a character", f, "a\ud800", r"a\ud800", strict=False)
    yield Case("byte that is no text", f, "scan-\udce9.h5", r"scan-\xe9.h5", strict=False)
    yield Case("number", f, 17, "17", strict=False)
    yield Case("bytes", f, b"scan", "scan", strict=False)
    yield Case("nothing", f, None, "unnamed", strict=False)
    yield Case("object", f, NoForm(), contains("NoForm"), strict=False)
    yield Case("control characters", f, "a\x1b[31mb", json=True)
    yield Case("right-to-left override", f, "a\u202eb", json=True)


def _tag_names() -> Iterator[Case]:
    f = "tag name"
    yield Case("text", f, "temperature_K", json=True)
    yield Case("longest", f, "x" * 256, json=True)
    yield Case("empty", f, "", "unnamed", strict=False, json=True)
    yield Case(
        "too long",
        f,
        "x" * 300,
        begins("x" * 100, longest=256, mentions="300 characters"),
        strict=False,
        json=True,
    )
    yield Case("number", f, 5, "5", strict=False)
    yield Case("NUL", f, "a\x00", r"a\x00", strict=False)


def _uris() -> Iterator[Case]:
    f = "uri"
    yield Case("globus", f, "globus://6c54cade/data/x.h5", json=True)
    yield Case("globus with a space", f, "globus://C/a b.h5")
    yield Case("file", f, "file:///data/x.h5", json=True)
    yield Case("path of this machine", f, PurePosixPath("/data/a b.h5"), "file:///data/a%20b.h5")
    yield Case("text of its own class", f, Text("file:///x"), "file:///x")
    yield Case("no scheme", f, "scan.h5")
    yield Case("longest", f, "https://h/" + "x" * 8182, json=True)
    long = begins("https://h/xxx", longest=8192, mentions="#shortened;characters=9010;sha256=")
    yield Case("too long", f, "https://h/" + "x" * 9000, long, strict=False, json=True)
    yield Case("NUL", f, "file:///a\x00b", r"file:///a\x00b", strict=False)
    yield Case("half a character", f, "file:///a\ud800", r"file:///a\ud800", strict=False)
    yield Case("empty", f, "", "about:blank", strict=False)
    yield Case("number", f, 5, "5", strict=False)
    yield Case("secret", f, "https://ada:hunter22@h/x", contains("[redacted]"), json=True)


def _of_files() -> Iterator[Case]:
    yield Case("size", "size", 17, json=True)
    yield Case("size 0", "size", 0, json=True)
    yield Case("size of NumPy", "size", np.int64(17), 17)
    yield Case("size as a float", "size", 17.0, 17)
    yield Case("negative size", "size", -1, None, strict=False, json=True)
    yield Case("broken size", "size", 1.5, None, strict=False)
    yield Case("size as text", "size", "17", None, strict=False)
    yield Case("size beyond 64 bits", "size", 1 << 64, None, strict=False)
    yield Case("digest", "digest", "sha256:ab12", json=True)
    yield Case("digest of another algorithm", "digest", "Blake2b:AB", "blake2b:ab", json=True)
    yield Case("digest without algorithm", "digest", "ab12", None, strict=False, json=True)
    yield Case(
        "digest that is not hexadecimal", "digest", "sha256:xyz", None, strict=False, json=True
    )
    yield Case("digest as bytes", "digest", b"\xab", None, strict=False)
    yield Case(
        "digest that is too long", "digest", "sha256:" + "a" * 300, None, strict=False, json=True
    )
    yield Case("media type", "media_type", "application/x-hdf5", json=True)
    yield Case(
        "media type that is too long",
        "media_type",
        "x" * 300,
        begins("x" * 100, longest=256),
        strict=False,
        json=True,
    )


def _numbers() -> Iterator[Case]:
    f = "metric"
    yield Case("float", f, 0.25, json=True)
    yield Case("integer", f, 3, 3.0, json=True)
    for kind in (np.float32, np.float64, np.int64):
        yield Case(f"of NumPy, {kind.__name__}", f, kind(3), 3.0)
    yield Case("fraction of single precision", f, np.float32(0.1), 0.1)
    yield Case("tensor", f, Tensor(0.25), 0.25)
    yield Case("short tensor", f, Tensor(0.10000000149011612, "torch.float32"), 0.1)
    yield Case("decimal", f, Decimal("0.25"), 0.25)
    yield Case("not a number", f, math.nan, "NaN")
    yield Case("infinity", f, math.inf, "Infinity")
    yield Case("minus infinity", f, -math.inf, "-Infinity")
    yield Case("not a number in JSON", f, "NaN", json=True)
    yield Case("infinity in JSON", f, "Infinity", json=True)
    yield Case("not finite, not known how", f, None, None, json=True)
    yield Case("integer of 400 digits", f, 10**400, "Infinity")
    yield Case("text", f, "low", LEFT_OUT, strict=False, json=True)
    yield Case("truth", f, True, LEFT_OUT, strict=False, json=True)
    yield Case("list", f, [1], LEFT_OUT, strict=False, json=True)
    yield Case("object", f, NoForm(), LEFT_OUT, strict=False)


def _epochs() -> Iterator[Case]:
    f = "epoch"
    yield Case("whole", f, 3, json=True)
    yield Case("whole as a float", f, 3.0, 3, json=True)
    yield Case("of NumPy", f, np.int64(3), 3)
    yield Case("fraction", f, 0.16, json=True)
    yield Case("negative", f, -1, json=True)
    yield Case("text", f, "three", 0, strict=False, json=True)
    yield Case("not a number", f, math.nan, 0, strict=False)
    yield Case("truth", f, True, 0, strict=False, json=True)
    yield Case("nothing", f, None, 0, json=True)


def _documents() -> Iterator[Case]:
    f = "document"
    yield Case("object", f, {"a": [1, None, True, "x"]}, json=True)
    yield Case("not a number", f, {"x": math.nan}, {"x": "NaN"})
    yield Case("infinity", f, {"x": [math.inf]}, {"x": ["Infinity"]})
    yield Case("NumPy", f, {"x": np.float64(2.5)}, {"x": 2.5})
    yield Case("array", f, {"x": np.arange(3)}, {"x": [0, 1, 2]})
    short = np.array([[0.1, np.nan]], "f4")
    yield Case("array of single precision", f, {"x": short}, {"x": [[0.1, "NaN"]]})
    yield Case("long integer", f, {"x": 1 << 70}, {"x": str(1 << 70)})
    yield Case("path", f, {"x": PurePosixPath("/a")}, {"x": "/a"})
    yield Case("key that is no text", f, {1: 2}, {"1": 2})
    yield Case("tuple and set", f, {"x": (1, {2})}, {"x": [1, [2]]})
    yield Case(
        "datetime",
        f,
        {"x": datetime(2026, 11, 29, tzinfo=timezone(timedelta(hours=1)))},
        {"x": "2026-11-29T00:00:00+01:00"},
    )
    yield Case("secret", f, {"password": "x"}, {"password": "[redacted]"}, json=True)
    yield Case("NUL in text", f, {"x": "a\x00b"}, {"x": "a\x00b"})
    yield Case("object without a form", f, {"x": NoForm()}, contains("NoForm"), strict=False)
    yield Case("bytes", f, {"x": b"\xff"}, contains("sha256:"), strict=False)
    yield Case("nested without end", f, _nested(300), contains("[[["), strict=False)


def _nested(levels: int) -> Any:
    document: Any = 0
    for _ in range(levels):
        document = [document]
    return document


def _of_steps() -> Iterator[Case]:
    yield Case("status", "status", "SUCCEEDED", json=True)
    yield Case(
        "status that is too long", "status", "x" * 100, begins("x" * 30, longest=64), strict=False
    )
    yield Case("status that is empty", "status", "", "UNKNOWN", strict=False)
    yield Case("type", "type", "Script", json=True)
    yield Case(
        "type that is too long", "type", "x" * 9000, begins("x" * 8000, longest=8192), strict=False
    )
    yield Case("ordinal", "ordinal", 3)
    yield Case("ordinal of NumPy", "ordinal", np.int32(3), 3)
    yield Case("negative ordinal", "ordinal", -3, None, strict=False)
    when = datetime(2026, 11, 29, 12, tzinfo=UTC)
    micros = 1_795_953_600_000_000
    yield Case("time", "time", when, micros)
    yield Case("time elsewhere", "time", when.astimezone(timezone(timedelta(hours=9))), micros)
    yield Case("time in microseconds", "time", micros)
    yield Case("time of NumPy", "time", np.int64(micros), micros)
    yield Case("time as text", "time", "2026-11-29T12:00:00Z", micros)
    yield Case("time without a zone", "time", when.replace(tzinfo=None), None, strict=False)
    yield Case("time in seconds", "time", 1.7e9, None, strict=False)
    yield Case("no time", "time", "noon", None, strict=False)
    yield Case("time beyond all years", "time", 1 << 62, None, strict=False)
    yield Case("time ago", "time", "7d", None, strict=False)


CASES: tuple[Case, ...] = tuple(
    case
    for make in (
        *(_tags, _names, _tag_names, _uris, _of_files),
        *(_numbers, _epochs, _documents, _of_steps),
    )
    for case in make()
)


def of_field(*fields: str, json: bool = False) -> list[Case]:
    """The cases of some fields; with `json` those that can come as JSON."""
    return [case for case in CASES if case.field in fields and (case.json or not json)]
