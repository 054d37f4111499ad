"""JSON paths as a flow definition writes them, and names that collide with nothing.

Only the shape of a path matters here: which part of the run's state it names. Shapes decide whether
a step overwrites what it read. Values are evaluated in `flows.language`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

__all__ = [
    "STATE_NAME_LIMIT",
    "Any",
    "Names",
    "Path",
    "PathSyntaxError",
    "Segment",
    "join",
    "overlaps",
    "parse_path",
    "simple_prefix",
    "slug_of",
]

STATE_NAME_LIMIT = 128


class Names:
    """Hands out names, each once; the same calls in the same order give the same names."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._numbers: dict[tuple[str, str, int], int] = {}
        """The last number that each wanted name got: all before it are taken."""

    def unique(self, wanted: str, *, limit: int = STATE_NAME_LIMIT, mark: str = " ") -> str:
        """The wanted name, cut to the limit and numbered when it is taken."""
        name, key = wanted[:limit], (wanted, mark, limit)
        number = self._numbers.get(key, 1)
        while name in self._taken:
            number += 1
            suffix = f"{mark}{number}"
            name = wanted[: limit - len(suffix)] + suffix
        self._taken.add(name)
        self._numbers[key] = number
        return name


def slug_of(state_name: str) -> str:
    """A state's name as a member name that paths and expressions can spell."""
    slug = re.sub(r"[^A-Za-z0-9]+", "_", state_name).strip("_") or "step"
    return slug if slug[0].isalpha() else f"s_{slug}"


class Any(Enum):
    """A segment that may select more than one member."""

    MANY = "*"
    BELOW = ".."


Segment = str | int | Any
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_TOKEN = re.compile(
    r"""
    (?P<below>\.\.)(?=[^.\[])
  | \.(?P<star>\*)
  | \.(?P<name>[^\s.\[\]'"`()*?@,;:|]+)
  | \[(?P<index>-?\d{1,9})\]
  | \['(?P<single>(?:[^'\\]|\\.)+)'\]
  | \["(?P<double>(?:[^"\\]|\\.)+)"\]
  | \[(?P<many>\*|-?\d*:-?\d*(?::-?\d*)?|-?\d+(?:,\s*-?\d+)+|\?.+?)\](?=[.\[]|\Z)
    """,
    re.VERBOSE,
)
_AFTER_BELOW = re.compile(r"(?P<name>[^\s.\[\]'\"`()*?@,;:|]+)|(?P<star>\*)")


class PathSyntaxError(ValueError):
    """The text is not a JSON path."""


class Path(NamedTuple):
    """A parsed path: its segments and where in the text each one ends."""

    text: str
    segments: tuple[Segment, ...]
    ends: tuple[int, ...]

    @property
    def is_definite(self) -> bool:
        """Whether the path names at most one place."""
        return not any(isinstance(segment, Any) for segment in self.segments)

    @property
    def names(self) -> tuple[str, ...]:
        """The member names on the way."""
        return tuple(segment for segment in self.segments if isinstance(segment, str))


def parse_path(text: str) -> Path:
    """The parsed path; raises PathSyntaxError with what is wrong in a few words."""
    if not text.startswith("$"):
        raise PathSyntaxError("does not start with '$'")
    segments: list[Segment] = []
    ends: list[int] = []
    position = 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise PathSyntaxError(f"is not a JSON path from {text[position : position + 20]!r} on")
        position = match.end()
        if match["below"]:
            segments.append(Any.BELOW)
            ends.append(position)
            match = _AFTER_BELOW.match(text, position)
            if match is None:
                raise PathSyntaxError("ends after '..'")
            position = match.end()
        segments.append(_segment(match.groupdict()))
        ends.append(position)
    return Path(text, tuple(segments), tuple(ends))


def _segment(groups: dict[str, str | None]) -> Segment:
    if groups.get("index") is not None:
        return int(str(groups["index"]))
    for kind in ("name", "single", "double"):
        found = groups.get(kind)
        if found is not None:
            return re.sub(r"\\(.)", r"\1", found) if kind != "name" else found
    return Any.MANY


def overlaps(one: tuple[Segment, ...], other: tuple[Segment, ...]) -> bool:
    """Whether writing at one path can change what is read at the other.

    True when one may be the same place as, hold, or lie in the other. In doubt (wildcards,
    slices, negative indices) the answer is True.
    """
    for left, right in zip(one, other, strict=False):
        if Any.BELOW in (left, right):
            return True
        if not _may_be_same(left, right):
            return False
    return True


def _may_be_same(left: Segment, right: Segment) -> bool:
    if isinstance(left, Any) or isinstance(right, Any):
        return True
    if isinstance(left, int) and isinstance(right, int):
        return left == right or left < 0 or right < 0
    return left == right


def simple_prefix(segments: tuple[Segment, ...]) -> tuple[str, int]:
    """The longest beginning that ``getattr('…')`` in an expression can name, and its length.

    ``("input.files[0].name", 4)``: names that are identifiers, and indices from the start.
    """
    text, used = "", 0
    for segment in segments:
        if isinstance(segment, str) and _IDENTIFIER.match(segment):
            text += f".{segment}" if text else segment
        elif isinstance(segment, int) and segment >= 0 and text:
            text += f"[{segment}]"
        else:
            break
        used += 1
    return text, used


def join(path: str, key: str | int) -> str:
    """The JSON path of a member: ``$.States.Train``, ``$.States['My state']``, ``$.Choices[0]``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if re.fullmatch(r"[A-Za-z_][\w-]*", key, re.ASCII):
        return f"{path}.{key}"
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"{path}['{escaped}']"
