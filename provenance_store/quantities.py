"""Numbers as people read them: counts with their noun, sizes, durations, rounded values."""

from __future__ import annotations

__all__ = ["counted", "duration", "rounded", "size"]

DIGITS = 5
SHORT_NUMBER = 9
"""A number of at most so many characters is not rounded."""
LARGEST_EXACT = 1e15
"""Whole numbers from here on are written with an exponent."""
SIZES = ("kB", "MB", "GB", "TB", "PB", "EB")
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def counted(number: int, what: str, several: str | None = None) -> str:
    """``1 step``, ``1,200 steps``; `several` is the plural where it does not end in s alone."""
    return f"{number:,} {what if number == 1 else several or f'{what}s'}"


def size(count: int) -> str:
    """Bytes in the decimal unit that fits, with two digits or more: ``819 kB``, ``2.1 MB``."""
    if count < 1000:
        return counted(count, "byte")
    number = float(count)
    for unit in SIZES:
        number /= 1000
        if number < 999.5 or unit == SIZES[-1]:
            break
    return f"{number:.1f} {unit}" if number < 9.95 else f"{number:,.0f} {unit}"


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``1 min 12 s``, ``2 h 5 min``, ``3 d 4 h``: the two largest units."""
    if abs(seconds) < 9.95:
        return f"{seconds:.1f} s"
    whole, sign = round(abs(seconds)), "-" if seconds < 0 else ""
    place = next(place for place, (length, _) in enumerate(UNITS) if whole >= length)
    parts = []
    for length, name in UNITS[place : place + 2]:
        number, whole = divmod(whole, length)
        if number:
            parts.append(f"{number} {name}")
    return sign + " ".join(parts)


def rounded(value: float) -> str:
    """The number as Python writes it, to five significant digits where that is long."""
    text = repr(value)
    if len(text) <= SHORT_NUMBER:
        return text
    whole = 10**DIGITS <= abs(value) < LARGEST_EXACT
    return f"{value:.0f}" if whole else f"{value:.{DIGITS}g}"
