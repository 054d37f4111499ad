"""Read a flow definition from a file, strictly; and one digest for it, however its JSON is laid
out.

Python's JSON reader keeps the last of two equal keys and accepts NaN. A definition with either
means something else to its author than to the service, so both are refused with their place.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from flows.definition.paths import join
from flows.settings import DEFINITION_DEPTH, DEFINITION_LIMIT_BYTES
from provenance_store.errors import BadFile, InvalidInput, TooLarge

__all__ = ["Document", "definition_digest", "load_document", "parse_document"]


def definition_digest(definition: Any) -> str:
    """``sha256:<hex>`` of the canonical JSON: sorted keys, no blanks, UTF-8.

    Equal for documents that are equal as JSON values; NaN and infinities raise ValueError.
    """
    text = json.dumps(
        definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


class Document(NamedTuple):
    """A flow definition and, when the file held more, its input schema, the flow's title and the
    whole document that the definition was in."""

    definition: dict[str, Any]
    input_schema: dict[str, Any] | None
    title: str | None = None
    whole: dict[str, Any] | None = None


def load_document(path: Path) -> Document:
    """The definition in a file: bare, or as the member ``definition`` of a flow document.

    Raises InvalidInput naming the file and the place in it: not readable, not UTF-8, not JSON,
    a key given twice, NaN or Infinity, not an object; TooLarge past the limits in the settings.
    The definition itself is not validated.
    """
    limit = DEFINITION_LIMIT_BYTES.get()
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise InvalidInput(f"{reason}; name a flow definition file.", path=str(path)) from None
    if len(data) > limit:
        message = f"has more than {limit} bytes; raise {DEFINITION_LIMIT_BYTES.name} to read it."
        raise TooLarge(message, path=f"{path}: $")
    return parse_document(data, name=str(path), depth=DEFINITION_DEPTH.get())


def parse_document(data: bytes, *, name: str, depth: int = DEFINITION_DEPTH.default) -> Document:
    """The same for bytes; ``name`` stands for the file in messages."""
    document = _plain(_parse(data, name), name, "$", depth)
    if not isinstance(document, dict):
        raise InvalidInput("the file does not hold an object.", path=f"{name}: $")
    if "definition" not in document or "States" in document:
        return Document(document, None)
    for key in ("definition", "input_schema"):
        value = document.get(key)
        if not isinstance(value, dict) and not (key == "input_schema" and value is None):
            raise InvalidInput(f"{key} is not an object.", path=f"{name}: $.{key}")
    title = document.get("title")
    return Document(
        document["definition"],
        document.get("input_schema"),
        title if isinstance(title, str) and title else None,
        document,
    )


class _Pairs(list[tuple[str, Any]]):
    """An object as written, repeated keys included."""


class _Constant(str):
    """NaN or an infinity as written."""


def _parse(data: bytes, name: str) -> Any:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8: byte {error.start} cannot be read; save it as UTF-8."
        raise BadFile(message, path=name) from None
    try:
        return json.loads(text, object_pairs_hook=_Pairs, parse_constant=_Constant)
    except json.JSONDecodeError as error:
        place = f"{name}: line {error.lineno} column {error.colno}"
        raise InvalidInput(f"is not JSON: {error.msg}.", path=place) from None
    except RecursionError:
        raise TooLarge("is nested too deeply.", path=f"{name}: $") from None
    except ValueError:
        raise BadFile("holds a number that is too long.", path=name) from None


def _plain(value: Any, name: str, path: str, depth: int) -> Any:
    """The value as plain dicts and lists; what may not be in a definition is refused."""

    def refuse(message: str) -> NoReturn:
        raise InvalidInput(message, path=f"{name}: {path}")

    if isinstance(value, list) and depth == 0:
        raise TooLarge("is nested too deeply.", path=f"{name}: {path}")
    if isinstance(value, _Pairs):
        plain: dict[str, Any] = {}
        for key, item in value:
            if key in plain:
                refuse(f"the key {key!r} is given twice; keep one.")
            plain[key] = _plain(item, name, join(path, key), depth - 1)
        return plain
    if isinstance(value, list):
        items = enumerate(value)
        return [_plain(item, name, join(path, number), depth - 1) for number, item in items]
    if isinstance(value, _Constant) or (isinstance(value, float) and math.isinf(value)):
        refuse("the number is not finite; JSON has no NaN and no infinity.")
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        refuse("the text holds half a character (a lone surrogate).")
    return value
