"""Small readings of what others give: times, numbers, JSON in text."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from provenance_store.errors import InvalidInput
from provenance_store.ids import looks_like_id
from provenance_store.validation.limits import MAX_INTEGER
from provenance_store.values import TagValue

__all__ = ["json_in", "micros", "odd_time", "plain_value", "sentence", "urn_in"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_60 = re.compile(r"(T[0-9]{2}:[0-9]{2}:)60(?:\.[0-9]+)?(?=$|[Zz+-])")
_HOUR_24 = re.compile(r"(T)24:00(?=$|[Zz+:-])(?::00(?:\.0+)?)?")
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def micros(value: Any) -> int | None:
    """Microseconds UTC of a time; None for what is none. Without an offset it is taken as UTC.

    Raises InvalidInput for one that is in UTC before year 1 or after 9999.
    """
    if not isinstance(value, datetime):
        return None
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    if not _FIRST <= moment <= _LAST:
        raise InvalidInput(f"The time {value.isoformat()} is not in the years 1 to 9999 UTC.")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def odd_time(value: Any) -> tuple[int | None, str]:
    """Microseconds UTC of a time as others write it, and what is odd about it, if anything.

    A second 60 is the end of the second before, 24:00 the beginning of the next day. What no
    calendar has, or lies outside of the years 1 to 9999, is None.
    """
    text = value if isinstance(value, str) else ""
    last = _SECOND_60.sub(r"\g<1>59.999999", text)
    next_day = _HOUR_24.sub(r"\g<1>00:00", text)
    try:
        found = micros(datetime.fromisoformat(last if last != text else next_day))
        if next_day != text:
            found = (
                None if found is None else micros(_EPOCH + timedelta(days=1, microseconds=found))
            )
    except (ValueError, OverflowError, InvalidInput):
        found = None
    if found is None:
        return None, "is not a time in the years 1 to 9999; it is left out"
    return found, "is kept as the microsecond before the next second" if last != text else ""


def plain_value(value: Any) -> TagValue:
    """A value as a tag takes it; what no tag can hold becomes text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value)


def json_in(text: Any, what: str) -> Any:
    """The JSON value in a text. Raises InvalidInput."""
    if not isinstance(text, str):
        raise InvalidInput(f"{what} is JSON in text.")
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise InvalidInput(f"{what} is nested too deeply.") from None
    except ValueError as error:
        raise InvalidInput(f"{what} is JSON in text: {error}.") from None


def urn_in(value: Any) -> str:
    """The URN of a record. Raises InvalidInput."""
    text = str(value)
    if not (looks_like_id(text) and text.startswith("urn:")):
        raise InvalidInput(f"{text[:80]!r} is not the URN of a record.")
    return text


def sentence(error: InvalidInput) -> str:
    """The message of an error without its place."""
    return error.message.removeprefix(f"{error.path}: ") if error.path else error.message


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
