"""Times as people and JSON write them, from and to microseconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from provenance_store.errors import InvalidInput
from provenance_store.validation.limits import YEARS
from provenance_store.validation.scalars import described, is_a, plain, type_name

__all__ = [
    "UNKNOWN_TIME",
    "TimeLike",
    "datetime_of",
    "format_time",
    "known_time",
    "micros",
    "parse_time",
    "rfc3339",
    "time_if_known",
]

UNKNOWN_TIME = "unknown"
TimeLike = datetime | int | str
"""A time: a datetime with a time zone, microseconds since 1970 UTC, or RFC 3339 text."""

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


def micros(given: Any) -> int:
    """Microseconds since 1970 UTC of a time as programs have it.

    A datetime with a time zone, whole microseconds of any integer type, or RFC 3339 text. Raises
    InvalidInput for anything else, and for a datetime without a time zone, which could mean any.
    """
    if is_a(given, datetime):
        return _of_datetime(given)
    value = plain(given)
    if type(value) is str:
        if _AGO.fullmatch(value):
            raise InvalidInput(f"{value!r} is not a time: write 2026-11-01T12:00:00Z.")
        return parse_time(value, now=0)
    if type(value) is not int:
        raise InvalidInput(
            "A time is a datetime with a time zone, RFC 3339 text, or whole microseconds since "
            f"1970 UTC, not {type_name(given)}."
        )
    return _within(value, described(value))


def _of_datetime(given: datetime) -> int:
    """Those of a class of its own, or of such a time zone, may raise or say anything."""
    try:
        shown, zone = datetime.isoformat(given), given.tzinfo
        since = None if zone is None else (given - _EPOCH) // _MICROSECOND
    except Exception:
        raise InvalidInput("The time zone of a datetime does not say its offset.") from None
    if zone is None:
        raise InvalidInput(
            f"The datetime {shown} has no time zone; give one that has, such as datetime.now(UTC)."
        )
    if type(since) is not int:
        raise InvalidInput("A datetime does not say how far it is from another.")
    return _within(since, shown)


def _within(micros: int, text: str) -> int:
    if not YEARS.start <= micros < YEARS.stop:
        raise InvalidInput(f"{text[:40]!r} is not in the years 1 to 9999 UTC.")
    return micros


def datetime_of(micros: int) -> datetime:
    """Microseconds since 1970 UTC as a datetime in UTC."""
    return _EPOCH + micros * _MICROSECOND


def format_time(micros: int | None) -> str | None:
    """RFC 3339 text in UTC, as Globus writes it: ``2026-11-01T12:00:00.000000+00:00``."""
    if micros is None:
        return None
    try:
        return rfc3339(datetime_of(micros))
    except (TypeError, OverflowError):  # a row that no Braid of today writes: shown as it is
        return str(micros)


def rfc3339(moment: datetime) -> str:
    """The text of a datetime with a time zone, as `format_time` writes it."""
    return moment.isoformat(timespec="microseconds")


def time_if_known(micros: int | None) -> str | None:
    """A time for readers; None for 0 too, which an import keeps where a document tells none."""
    return format_time(micros) if micros else None


def known_time(micros: int) -> str:
    """A time that a record was made, for statements.

    An import keeps 0, the beginning of 1970, where a document tells no time at all; that is a time
    which nobody claims.
    """
    return UNKNOWN_TIME if micros == 0 else str(format_time(micros))
