"""What an injected state must never copy.

Three sources: what the author declared (``__Private_Parameters``), what the service hides by
name (state keys that begin with ``_private``), and names or values that give themselves away
(authorization, token, password, ``Bearer …``). The provider redacts by the same rules again;
here they are kept from leaving the flow at all, also by reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from provenance_store.redaction import is_secret_key, redact

__all__ = [
    "PRIVATE_PARAMETERS",
    "any_secret",
    "declared_private",
    "holds_object",
    "plain_key",
    "without_secrets",
]

PRIVATE_PARAMETERS = "__Private_Parameters"
_SUFFIXES = (".$", ".=")


def plain_key(key: str) -> str:
    """A parameter's name without its ``.$`` or ``.=``."""
    return key[:-2] if key.endswith(_SUFFIXES) else key


def declared_private(parameters: Mapping[str, Any]) -> frozenset[str]:
    """The plain names that ``__Private_Parameters`` lists on this level."""
    listed = parameters.get(PRIVATE_PARAMETERS)
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(plain_key(name) for name in listed if isinstance(name, str))


def any_secret(names: Iterable[object]) -> bool:
    """Whether any of the segments of a path is secret by name."""
    return any(isinstance(name, str) and is_secret_key(name) for name in names)


def holds_object(value: object) -> bool:
    """Whether there is an object in a list, at any depth; such a list is copied item by item."""
    return isinstance(value, dict) or (isinstance(value, list) and any(map(holds_object, value)))


def without_secrets(name: str, value: Any) -> Any:
    """A constant without the secrets in it: a text, or a list such as a command line. The value
    itself when it holds none."""
    (clean,) = redact({name: value}).values()
    return value if clean == value else clean
