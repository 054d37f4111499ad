"""Secrets are taken out before anything is written.

Redacted are values under keys that Globus Flows treats as private (``_private*``, the siblings
named by ``__Private_Parameters``) and under keys that are named like a credential.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from provenance_store.errors import TooLarge

__all__ = ["REDACTED", "is_secret_key", "redact"]

REDACTED = "[redacted]"
PRIVATE_PARAMETERS = "__Private_Parameters"
MAX_DEPTH = 128
MAX_KEY = 256

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_SECRET_WORDS = frozenset(
    {"authorization", "credential", "credentials", "passphrase", "passwd", "password", "pwd"}
    | {"secret", "secrets", "token", "tokens", "cookie", "apikey", "bearer", "jwt"}
)
_SECRET_PAIRS = frozenset(
    {("api", "key"), ("private", "key"), ("access", "key"), ("ssh", "key"), ("signing", "key")}
    | {("secret", "key"), ("account", "key"), ("encryption", "key"), ("auth", "header")}
)
_HARMLESS_LAST = frozenset({"count", "counts", "limit", "length", "type", "size", "info", "exp"})


def is_secret_key(key: str) -> bool:
    """Whether a key is private to Globus Flows or named like a credential.

    Word by word: ``accessToken`` and ``AWS_SECRET`` are, ``token_count``, ``tokenizer`` and
    ``max_tokens`` are not.
    """
    if key.startswith("_private") or key == "_tokens":
        return True
    return _names_a_credential(key[:MAX_KEY])


@functools.lru_cache(maxsize=4096)
def _names_a_credential(key: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)]
    if not words or words[-1] in _HARMLESS_LAST or words[0] in {"max", "min", "num", "n"}:
        return False
    return bool(_SECRET_WORDS.intersection(words)) or any(
        pair in _SECRET_PAIRS for pair in itertools.pairwise(words)
    )


def redact(value: Any, *, private: Iterable[str] = ()) -> Any:
    """A copy of a JSON value with secrets replaced by ``[redacted]``.

    `private` names further keys, at any depth. Raises TooLarge beyond 128 levels.
    """
    return _redact(value, frozenset(private), MAX_DEPTH)


def _redact(value: Any, private: frozenset[str], depth: int) -> Any:
    if depth == 0:
        raise TooLarge(f"The document is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, Mapping):
        hidden = private | _named_private(value)
        return {
            key: REDACTED
            if key in hidden or (isinstance(key, str) and is_secret_key(key))
            else _redact(item, private, depth - 1)
            for key, item in value.items()
            if key != PRIVATE_PARAMETERS
        }
    if isinstance(value, list | tuple):
        return [_redact(item, private, depth - 1) for item in value]
    return value


def _named_private(mapping: Mapping[Any, Any]) -> frozenset[str]:
    named = mapping.get(PRIVATE_PARAMETERS)
    if not isinstance(named, list):
        return frozenset()
    names = [name for name in named if isinstance(name, str)]
    bare = [name.removesuffix(".$").removesuffix(".=") for name in names]
    return frozenset([*names, *bare, *(n + s for n in bare for s in (".$", ".="))])
