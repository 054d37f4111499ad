"""What an injected state must never copy.

Three sources: what the author declared (``__Private_Parameters``), what the service hides by
name (state keys that begin with ``_private``), and names or values that give themselves away
(authorization, token, password, ``Bearer …``). The provider redacts by the same names again;
here they are kept from leaving the flow at all, also by reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from provenance_store.redaction import is_secret_key

__all__ = ["PRIVATE_PARAMETERS", "any_secret", "declared_private", "is_secret_value", "plain_key"]

PRIVATE_PARAMETERS = "__Private_Parameters"
_SUFFIXES = (".$", ".=")
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


def any_secret(names: Iterable[object]) -> bool:
    """Whether any of the segments of a path is secret by name."""
    return any(isinstance(name, str) and is_secret_key(name) for name in names)


def is_secret_value(value: object) -> bool:
    """Whether a constant gives itself away as a credential."""
    return isinstance(value, str) and _VALUE.match(value) is not None
