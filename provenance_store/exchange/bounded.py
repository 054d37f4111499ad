"""Reading files of others: bounded in size and depth, and told apart from what they are not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import IO, Any, NoReturn

from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.settings import MAX_IMPORT_BYTES

__all__ = ["parse_json", "read_bounded", "read_json"]

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
