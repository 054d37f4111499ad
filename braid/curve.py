"""A convergence curve in one line of text."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["sparkline"]

BLOCKS, PLAIN = "▁▂▃▄▅▆▇█", "_.-=+*#@"
"""From low to high; the second where the terminal knows only ASCII."""
LONGEST = 40


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
