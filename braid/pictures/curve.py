"""A convergence curve in one line of text."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provenance_store.enums import LARGEST

__all__ = ["curves", "sparkline"]

BLOCKS, PLAIN = "▁▂▃▄▅▆▇█", "_.-=+*#@"
"""From low to high; the second where the terminal knows only ASCII."""
LONGEST = 40
COUNTERS = ("step", "epoch")
"""What counts the points of a curve; of two the first."""


def sparkline(values: Sequence[float | None]) -> str:
    """The values as bars, low to high; of more than 40 every so many-th, and the last one.

    What is not known is a space.
    """
    shown = _thinned(values)
    known = [value for value in shown if value is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    bars = _bars()
    scaled = (
        (0.5 if not span else (value - low) / span) if value is not None else -1 for value in shown
    )
    return "".join(" " if part < 0 else bars[round(part * (len(bars) - 1))] for part in scaled)


def _thinned(values: Sequence[float | None]) -> list[float | None]:
    if len(values) <= LONGEST:
        return list(values)
    last = len(values) - 1
    return [values[round(place * last / (LONGEST - 1))] for place in range(LONGEST)]


def _bars() -> str:
    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return BLOCKS


def curves(version: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each metric of a version with its course, its first and its last value, and where they are.

    One whose last value is not finite, or beyond single precision, has diverged.
    """
    points = version.get("metrics") or ()
    for name in dict.fromkeys(k for point in points for k in point if k not in COUNTERS):
        given = [point for point in points if name in point]
        values = [point[name] for point in given]
        finite = [value if isinstance(value, int | float) else None for value in values]
        ends = f"{_shown(values[0])} to {_shown(values[-1])}"
        places = f"{_place(given[0])} to {_place(given[-1])}"
        is_good = isinstance(values[-1], int | float) and abs(values[-1]) <= LARGEST
        diverged = "" if is_good else "  DIVERGED"
        yield name, f"{sparkline(finite)}  {ends}, {places}{diverged}"


def _place(point: Mapping[str, Any]) -> str:
    counter = next(name for name in COUNTERS if name in point)
    return f"{counter} {point[counter]}"


def _shown(value: float | str | None) -> str:
    """A point of a curve; one that was not finite is text, or None where it is not known which."""
    if value is None:
        return "not finite"
    return value if isinstance(value, str) else f"{value:.4g}"
