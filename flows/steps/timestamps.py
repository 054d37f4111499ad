"""Times as Globus writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["Moment", "moment", "moment_or_none"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORM = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)


class Moment(int):
    """A point in time: microseconds since 1970, UTC."""


def moment(text: str) -> Moment:
    """Read an RFC 3339 time; without an offset it is taken as UTC, as Globus means it.

    Raises ValueError with a sentence for anything else.
    """
    if len(text) > 64 or not _FORM.fullmatch(text):
        raise ValueError("Write the time as in RFC 3339, such as 2026-11-22T07:30:00Z.")
    try:
        parsed = datetime.fromisoformat(text.upper())
        parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        # Raises for a time that an offset moves out of the years that UTC can be written in.
        return Moment((parsed.astimezone(UTC) - _EPOCH) // _MICROSECOND)
    except (ValueError, OverflowError):
        raise ValueError(
            "This date or time does not exist; write it as 2026-11-22T07:30:00Z."
        ) from None


def moment_or_none(value: object) -> int | None:
    """A time out of somebody else's document, None if it is not one."""
    if not isinstance(value, str):
        return None
    try:
        return int(moment(value))
    except ValueError:
        return None
