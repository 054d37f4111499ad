"""What others give, read in bounds: files, JSON, times, numbers."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, NoReturn

from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.ids import looks_like_id
from provenance_store.settings import MAX_IMPORT_BYTES
from provenance_store.validation.limits import MAX_INTEGER
from provenance_store.values import TagValue

__all__ = [
    "json_in",
    "micros",
    "odd_time",
    "parse_json",
    "plain_value",
    "read_bounded",
    "read_json",
    "sentence",
    "urn_in",
]

DEEPEST = 64


def read_json(file: Path) -> Any:
    """The JSON value in a file.

    Raises TooLarge beyond BRAID_MAX_IMPORT_BYTES or 64 levels, InvalidInput with the line and the
    column for what is not strictly JSON; FileNotFoundError and the like as they come.
    """
    with file.open("rb") as opened:
        return parse_json(file, read_bounded(file, opened))


def read_bounded(file: Path, opened: IO[bytes]) -> bytes:
    """All bytes of an opened file. Raises TooLarge beyond BRAID_MAX_IMPORT_BYTES."""
    limit = MAX_IMPORT_BYTES.get()
    data = opened.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(
            f"it has more than {limit} bytes; {MAX_IMPORT_BYTES.name} sets the limit.",
            path=f"{file}: $",
        )
    return data


def parse_json(file: Path, data: bytes) -> Any:
    """The JSON value in the bytes of a file, as `read_json`."""
    try:
        value = json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise _too_deep(file) from None
    except json.JSONDecodeError as error:
        where = f"{file}: line {error.lineno} column {error.colno}"
        raise InvalidInput(f"this is not JSON: {error.msg}.", path=where) from None
    except UnicodeError:
        raise InvalidInput("the file is not text in UTF-8.", path=f"{file}: $") from None
    except ValueError as error:
        raise InvalidInput(f"this is not JSON: {error}.", path=f"{file}: $") from None
    if _is_deeper(value, DEEPEST):
        raise _too_deep(file)
    return value


def _too_deep(file: Path) -> TooLarge:
    return TooLarge(f"it is nested more than {DEEPEST} levels deep.", path=f"{file}: $")


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        twice = next(key for key, times in counted.items() if times > 1)
        raise ValueError(f"the key {twice[:80]!r} is given twice in one object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


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
