"""A statement's JSON from elsewhere: read so that every program reads the same of it.

What JSON leaves open, and readers decide differently, is refused: a name that an object has
twice, numbers that are not finite or have more than 64 bits, text that is not Unicode.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from provenance_store.errors import BadFile

__all__ = ["read_json"]

MAX_INTEGER = (1 << 64) - 1
NOT_THE_JSON = "verify takes the JSON form of a statement, as `--format json` writes it."


def read_json(data: bytes, *, path: str = "") -> Any:
    """The document in UTF-8 JSON text; raises BadFile, with a path, for anything doubtful."""
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadFile("it has text that is not Unicode: half of a pair.", path=path) from None
    except RecursionError:
        raise BadFile("it is nested too deeply.", path=path) from None
    except _Doubtful as error:
        raise BadFile(f"{error}", path=path) from None
    except ValueError as error:
        looks_like_json = data.lstrip().startswith((b"{", b"["))
        why = f"it is not JSON: {error}." if looks_like_json else NOT_THE_JSON
        raise BadFile(why, path=path) from None
    return document


class _Doubtful(ValueError):
    """JSON that programs read differently."""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Doubtful(f"an object has the field {twice!r:.80} twice; each may be there once.")
    return found


def _no_constant(name: str) -> Any:
    raise _Doubtful(f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise _Doubtful(f"the number {text:.40} is too large.")
    return number


def _integer(text: str) -> int:
    if len(text) > 20 or not -MAX_INTEGER // 2 <= (number := int(text)) <= MAX_INTEGER:
        raise _Doubtful(f"the number {text:.40} has more than 64 bits.")
    return number
