"""Secrets are taken out before anything is written.

Redacted are values under keys that Globus Flows treats as private (``_private*``, the siblings
named by ``__Private_Parameters``), values under keys that are named like a credential, and what
`provenance_store.scrubbing` finds inside text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from provenance_store.errors import TooLarge
from provenance_store.scrubbing import NAME_AND_VALUE, looks_secret, scrubbed
from provenance_store.secret_names import REDACTED, is_secret_key, is_secret_option

__all__ = ["REDACTED", "is_secret_key", "redact", "scrub_text"]

PRIVATE_PARAMETERS = "__Private_Parameters"
MAX_DEPTH = 128
LONGEST_JSON = 1 << 20
"""Text of up to so many characters is looked at as JSON; longer text as text alone."""

_PLAIN = (bool, int, float, type(None))
_NAMES = ("name", "Name", "key", "Key", "header")
_VALUES = ("value", "Value")


def redact(value: Any, *, private: Iterable[str] = ()) -> Any:
    """A copy of a JSON value with secrets replaced by ``[redacted]``.

    `private` names further keys, at any depth. Lists are also read as command lines: what
    follows ``--password`` goes. Raises TooLarge beyond 128 levels.
    """
    return _redact(value, frozenset(private), MAX_DEPTH)


def scrub_text(text: str) -> str:
    """The text without the secrets in it; the very same text when there are none.

    Passwords and signatures in URLs, ``Bearer`` and ``Basic`` credentials, private keys, what is
    given to names like a credential's (``NAME=value``, ``--name value``, ``Name: value``), and
    all of these inside JSON. What cannot be told apart from a secret goes too.
    """
    return _scrub(text, MAX_DEPTH) if looks_secret(text) else text


def _redact(value: Any, private: frozenset[str], depth: int) -> Any:
    if isinstance(value, str):
        return _scrub(value, depth) if looks_secret(value) else value
    if isinstance(value, _PLAIN):
        return value
    if depth <= 0:
        raise TooLarge(f"The document is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, Mapping):
        return _redact_mapping(value, private, depth)
    if isinstance(value, list | tuple):
        return _redact_list(value, private, depth)
    return _redact_object(value, private, depth)


def _redact_mapping(
    value: Mapping[Any, Any], private: frozenset[str], depth: int
) -> dict[Any, Any]:
    hidden = private | _named_private(value) | _named_values(value)
    return {
        _key(key): REDACTED
        if key in hidden or (isinstance(key, str) and is_secret_key(key))
        else _redact(item, private, depth - 1)
        for key, item in value.items()
        if key != PRIVATE_PARAMETERS
    }


def _key(key: Any) -> Any:
    return scrub_text(key) if isinstance(key, str) and "://" in key else key


def _redact_list(
    value: list[Any] | tuple[Any, ...], private: frozenset[str], depth: int
) -> list[Any]:
    redacted = []
    hide_next = False
    for item in value:
        if not isinstance(item, str):
            redacted.append(_redact(item, private, depth - 1))
            hide_next = False
            continue
        hidden = hide_next and not item.startswith("--")
        redacted.append(REDACTED if hidden else _redact_word(item, depth))
        hide_next = not hidden and _asks_for_secret(item)
    return redacted


def _asks_for_secret(word: str) -> bool:
    """Whether it is an option such as ``--password``, whose value comes next."""
    return word.startswith("-") and "=" not in word and is_secret_option(word)


def _redact_word(word: str, depth: int) -> str:
    """One of a list of texts; as a ``NAME=value`` it is a value to its end, spaces and all."""
    if not looks_secret(word):
        return word
    if (pair := NAME_AND_VALUE.fullmatch(word)) and is_secret_option(pair[2]):
        return f"{pair[1]}{REDACTED}"
    return _scrub(word, depth)


def _redact_object(value: Any, private: frozenset[str], depth: int) -> Any:
    """What is no JSON value but has a form as one, such as a dataclass; else it as it is."""
    try:
        plain = msgspec.to_builtins(value)
    except (TypeError, ValueError, RecursionError):
        return value
    return value if plain is value else _redact(plain, private, depth - 1)


def _scrub(text: str, depth: int) -> str:
    if text.lstrip()[:1] in ("{", "[") and len(text) <= LONGEST_JSON and depth > 0:
        try:
            document = msgspec.json.decode(text)
            redacted = _redact(document, frozenset(), depth - 1)
        except (ValueError, RecursionError, TooLarge):
            return scrubbed(text)
        if redacted != document:
            return msgspec.json.encode(redacted).decode()
    return scrubbed(text)


def _named_private(mapping: Mapping[Any, Any]) -> frozenset[str]:
    named = mapping.get(PRIVATE_PARAMETERS)
    if not isinstance(named, list):
        return frozenset()
    names = [name for name in named if isinstance(name, str)]
    bare = [name.removesuffix(".$").removesuffix(".=") for name in names]
    return frozenset([*names, *bare, *(n + s for n in bare for s in (".$", ".="))])


def _named_values(mapping: Mapping[Any, Any]) -> frozenset[str]:
    """``value`` where the name beside it is secret: ``{"name": "Authorization", "value": …}``."""
    if not any(key in mapping for key in _VALUES):
        return frozenset()
    names = (mapping.get(key) for key in _NAMES)
    secret = any(isinstance(name, str) and is_secret_key(name) for name in names)
    return frozenset(_VALUES) if secret else frozenset()
