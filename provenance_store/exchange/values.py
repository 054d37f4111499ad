"""Small readings of what others give: times, numbers, JSON in text."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any, NoReturn

from provenance_store.errors import InvalidInput
from provenance_store.ids import looks_like_id
from provenance_store.validation.limits import MAX_INTEGER
from provenance_store.values import TagValue

__all__ = ["json_in", "micros", "plain_value", "sentence", "urn_in"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
