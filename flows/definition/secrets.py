"""What an injected state must never copy.

Three sources: what the author declared (``__Private_Parameters``), what the service hides by
name (state keys that begin with ``_private``), and names or values that give themselves away
(authorization, token, password, ``Bearer …``). Leaving out too much costs a field in a record;
leaving out too little publishes a credential, so the name rule is generous.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "PRIVATE_PARAMETERS",
    "any_secret",
    "declared_private",
    "is_secret_name",
    "is_secret_value",
    "plain_key",
]

PRIVATE_PARAMETERS = "__Private_Parameters"
_SUFFIXES = (".$", ".=")
_WORDS = frozenset(
    {
        *("authorization", "auth", "bearer", "cookie", "cookies", "credential", "credentials"),
        *("passphrase", "passwd", "password", "passwords", "pwd"),
        *("secret", "secrets", "token", "tokens", "apikey"),
    }
)
_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key")})
_VALUE = re.compile(r"\s*(Bearer|Basic)\s+\S|-----BEGIN [A-Z ]*PRIVATE KEY-----", re.IGNORECASE)


def plain_key(key: str) -> str:
    """A parameter's name without its ``.$`` or ``.=``."""
    return key[:-2] if key.endswith(_SUFFIXES) else key


def declared_private(parameters: Mapping[str, Any]) -> frozenset[str]:
    """The plain names that ``__Private_Parameters`` lists on this level."""
    listed = parameters.get(PRIVATE_PARAMETERS)
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(plain_key(name) for name in listed if isinstance(name, str))


def is_secret_name(name: str) -> bool:
    """Whether a key or a path segment names something that must not be copied."""
    if name.startswith("_private"):
        return True
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    words = [word for word in re.split(r"[^A-Za-z0-9]+", spaced.lower()) if word]
    return any(word in _WORDS for word in words) or any(
        pair in _PAIRS for pair in itertools.pairwise(words)
    )


def any_secret(names: Iterable[object]) -> bool:
    """Whether any of the segments of a path is secret by name."""
    return any(isinstance(name, str) and is_secret_name(name) for name in names)


def is_secret_value(value: object) -> bool:
    """Whether a constant gives itself away as a credential."""
    return isinstance(value, str) and _VALUE.match(value) is not None
