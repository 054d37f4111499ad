"""Times as people and JSON write them, from and to microseconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from provenance_store.errors import InvalidInput

__all__ = ["YEARS_1_TO_9999", "format_time", "parse_time"]

YEARS_1_TO_9999 = range(-62_135_596_800_000_000, 253_402_300_800_000_000)
"""The microseconds that can be written as a time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AGO = re.compile(r"([0-9]{1,6})(s|m|h|d|w)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_time(text: str, *, now: int) -> int:
    """Microseconds UTC of RFC 3339 text, a date, or a time ago such as ``90m``, ``7d``.

    Without an offset the time is taken as UTC. Raises InvalidInput otherwise.
    """
    if match := _AGO.fullmatch(text):
        return _within(now - int(match[1]) * _UNITS[match[2]] * 1_000_000, text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"{text[:40]!r} is not a time: write 2026-11-01, 2026-11-01T12:00:00Z, or 7d for "
            "seven days ago."
        ) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _within((aware - _EPOCH) // _MICROSECOND, text)


def _within(micros: int, text: str) -> int:
    if micros not in YEARS_1_TO_9999:
        raise InvalidInput(f"{text[:40]!r} is not in the years 1 to 9999 UTC.")
    return micros


def format_time(micros: int | None) -> str | None:
    """RFC 3339 text in UTC, as Globus writes it: ``2026-11-01T12:00:00.000000+00:00``."""
    if micros is None:
        return None
    return (_EPOCH + micros * _MICROSECOND).isoformat(timespec="microseconds")
