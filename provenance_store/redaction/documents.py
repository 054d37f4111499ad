"""Secrets in documents: under keys, in pairs of a name and a value, in lists of words, in texts.

Redacted are values under keys that Globus Flows treats as private (``_private*``, the siblings
named by ``__Private_Parameters``), values under keys that are named like a credential, and what
`provenance_store.redaction.text` finds inside text.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from provenance_store.errors import TooLarge
from provenance_store.redaction.commands import secrets_of_words
from provenance_store.redaction.names import Secrecy, hides, secrecy
from provenance_store.redaction.text import NAME_AND_VALUE, NAMES, scrubbed, suspicion
from provenance_store.redaction.values import REDACTED

__all__ = ["is_secret_value", "redact", "scrub_text"]

PRIVATE_PARAMETERS = "__Private_Parameters"
MAX_DEPTH = 128
LONGEST_JSON = 1 << 20
"""Text of up to so many characters is looked at as JSON; longer text as text alone."""
LONGEST_KEY = 256
"""Keys of up to so many characters are remembered with what they say."""

_LOG = logging.getLogger(__name__)
_PLAIN = (bool, int, float, type(None))
_NAME = re.compile(r"[\w.$-]{1,256}")
_NAMES = frozenset(
    "name key header field param parameter option variable var k parameterkey headername".split()
)
_VALUES = frozenset("value val v content default".split())
_EITHER_CASE = _VALUES | {
    *(word.capitalize() for word in _VALUES),
    *("ParameterValue", "parameterValue", "parameter_value", "headerValue", "header_value"),
}


def redact(value: Any, *, private: Iterable[str] = ()) -> Any:
    """A copy of a JSON value with secrets replaced by ``[redacted]``.

    `private` names further keys, at any depth. Lists are also read as command lines and as pairs:
    what follows ``--password`` goes, and the second of ``["X-Auth-Token", "…"]``. What cannot be
    read at all is replaced as a whole. Raises TooLarge beyond 128 levels.
    """
    return _redact(value, frozenset(private), MAX_DEPTH)


def is_secret_value(name: str, value: str) -> bool:
    """Whether a text is a secret for what it is called: some names tell it by its look alone."""
    return _key(name)[1] and hides(name, value)


def scrub_text(text: str) -> str:
    """The text without the secrets in it; the very same text when there are none.

    Passwords and signatures in URLs, credentials in headers, what is given to names like a
    credential's (``NAME=value``, ``--name value``, ``Name: value``, ``<name>value</name>``) or to
    options of known programs (``curl -u``), private keys, tokens with the look of a provider's,
    and all of these inside JSON. What cannot be told apart from a secret goes too.
    """
    found = suspicion(text)
    return _scrub(text, found, MAX_DEPTH) if found else text


_clean: dict[str, None] = {}
"""Texts that seemed to hold a secret and hold none, such as ``urn:globus:auth:identity:...``: the
same few are written with each step."""
LONGEST_KEPT, MOST_KEPT = 256, 1024


def _redact(value: Any, private: frozenset[str], depth: int) -> Any:
    if isinstance(value, str):
        found = suspicion(value)
        return _scrub(value, found, depth) if found else value
    if isinstance(value, _PLAIN):
        return value
    if depth <= 0:
        raise TooLarge(f"The document is nested more than {MAX_DEPTH} levels deep.")
    try:
        if type(value) is dict or isinstance(value, Mapping):
            return _redact_mapping(value, private, depth)
        if isinstance(value, list | tuple):
            return _redact_list(value, private, depth)
        if isinstance(value, bytes | bytearray):
            return _redact_bytes(bytes(value))
        return _redact_object(value, private, depth)
    except TooLarge:
        raise
    except Exception as error:  # An object of the caller may fail whenever it is read.
        return _unread(error)


def _unread(error: Exception) -> str:
    """Instead of what could not be looked at: the record goes on, and nothing is let through."""
    _LOG.warning(
        "A value was replaced by %s: reading it raised %s.", REDACTED, type(error).__name__
    )
    return REDACTED


def _redact_mapping(
    value: Mapping[Any, Any], private: frozenset[str], depth: int
) -> dict[Any, Any]:
    if value.get("kind") == "Secret":
        value = _without_kept(value)
    hidden = private
    if PRIVATE_PARAMETERS in value:
        hidden |= _named_private(value)
    if not _EITHER_CASE.isdisjoint(value):
        hidden |= _named_values(value)
    redacted: dict[Any, Any] = {}
    for key, item in value.items():
        if key == PRIVATE_PARAMETERS:
            continue
        shown, said = _key(key) if isinstance(key, str) else (key, False)
        if shown != key and shown in redacted:
            shown = f"{shown} {len(redacted)}"  # two keys may differ in their secrets alone
        if (said and hides(key, item)) or key in hidden:
            redacted[shown] = REDACTED
        else:
            redacted[shown] = _redact(item, private, depth - 1)
    return redacted


def _without_kept(manifest: Mapping[Any, Any]) -> dict[Any, Any]:
    """A Secret of Kubernetes, all of whose data is secret whatever it is called."""
    kept = {
        key: dict.fromkeys(manifest[key], REDACTED)
        for key in ("data", "stringData")
        if isinstance(manifest.get(key), Mapping)
    }
    return {**manifest, **kept}


def _key(key: str) -> tuple[str, bool]:
    """A key without the secrets in itself, and whether it says anything of its value."""
    return _known_key(key) if len(key) <= LONGEST_KEY else _read_key(key)


def _read_key(key: str) -> tuple[str, bool]:
    return scrub_text(key), secrecy(key) is not Secrecy.NONE


_known_key = functools.lru_cache(maxsize=4096)(_read_key)


def _redact_list(
    value: list[Any] | tuple[Any, ...], private: frozenset[str], depth: int
) -> list[Any]:
    if value and _are_pairs(value):
        return [_redact_pair(pair, private, depth) for pair in value]
    if isinstance(value, tuple) and _are_pairs([value]) and hides(value[0], value[1]):
        return [scrub_text(value[0]), REDACTED]
    shown = secrets_of_words(value)
    return [
        _redact_word(shown.get(index, item), depth)
        if isinstance(item, str)
        else _redact(item, private, depth - 1)
        for index, item in enumerate(value)
    ]


def _are_pairs(items: Sequence[Any]) -> bool:
    """Whether a list is of pairs, as headers are: ``[["X-Auth-Token", "…"], …]``."""
    return all(
        isinstance(item, list | tuple)
        and len(item) == 2
        and isinstance(item[0], str)
        and _NAME.fullmatch(item[0])
        for item in items
    )


def _redact_pair(pair: Sequence[Any], private: frozenset[str], depth: int) -> list[Any]:
    name, value = pair
    if hides(name.lstrip("-"), value):
        return [scrub_text(name), REDACTED]
    redacted: list[Any] = _redact_list(list(pair), private, depth - 1)
    return redacted


def _redact_word(word: str, depth: int) -> str:
    """One of a list of texts; as a ``NAME=value`` it is a value to its end, spaces and all."""
    found = suspicion(word)
    if not found:
        return word
    if found & NAMES and (pair := NAME_AND_VALUE.fullmatch(word)) and hides(pair[2], pair[3]):
        return f"{pair[1]}{REDACTED}"
    return _scrub(word, found, depth)


def _redact_bytes(value: bytes) -> Any:
    """Bytes as they are, when there is no secret in what they spell."""
    text = value.decode("utf-8", "replace")
    return value if scrub_text(text) == text else REDACTED


def _redact_object(value: Any, private: frozenset[str], depth: int) -> Any:
    """What is no JSON value but has a form as one, such as a dataclass; else it as it is."""
    try:
        plain = msgspec.to_builtins(value)
    except (TypeError, ValueError, RecursionError):
        return value
    return value if plain is value else _redact(plain, private, depth - 1)


def _scrub(text: str, found: int, depth: int) -> str:
    if text in _clean:
        return text
    try:
        shown = _scrub_json(text, depth) if found & NAMES else scrubbed(text, found)
    except Exception as error:
        return _unread(error)
    if shown == text and len(text) <= LONGEST_KEPT and depth > MAX_DEPTH // 2:
        if len(_clean) >= MOST_KEPT:
            _clean.clear()
        _clean[text] = None
    return shown


def _scrub_json(text: str, depth: int) -> str:
    if text.lstrip()[:1] in ("{", "[") and len(text) <= LONGEST_JSON and depth > 0:
        try:
            document = msgspec.json.decode(text)
            redacted = _redact(document, frozenset(), depth - 1)
        except (ValueError, RecursionError, TooLarge):
            return scrubbed(text, suspicion(text))
        if redacted != document:
            text = msgspec.json.encode(redacted).decode()
    return scrubbed(text, suspicion(text))


def _named_private(mapping: Mapping[Any, Any]) -> frozenset[str]:
    named = mapping.get(PRIVATE_PARAMETERS)
    if not isinstance(named, list):
        return frozenset()
    names = [name for name in named if isinstance(name, str)]
    bare = [name.removesuffix(".$").removesuffix(".=") for name in names]
    return frozenset([*names, *bare, *(n + s for n in bare for s in (".$", ".="))])


def _named_values(mapping: Mapping[Any, Any]) -> frozenset[str]:
    """``value`` where the name beside it is secret: ``{"name": "Authorization", "value": …}``."""
    names = [
        name
        for key, name in mapping.items()
        if isinstance(key, str) and key.replace("_", "").lower() in _NAMES and isinstance(name, str)
    ]
    return frozenset(
        key for key in _EITHER_CASE & mapping.keys() if any(hides(n, mapping[key]) for n in names)
    )
