"""Which sandbox provider stands in for which hosted action provider."""

from __future__ import annotations

import re

__all__ = ["ECHO", "provider_for"]

ECHO = "echo"
"""The provider for everything that has no stand-in of its own."""

_ACTIONS = r"https://actions(?:\.automate)?\.globus\.org"
_TRANSFER = rf"(?:{_ACTIONS}/transfer|https://transfer\.actions\.globus\.org)"

_TABLE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern + r"/?$"), provider)
    for pattern, provider in (
        (rf"{_TRANSFER}(?:/transfer)?", "transfer"),
        (rf"{_TRANSFER}/ls", "ls"),
        (rf"{_TRANSFER}/stat", "stat"),
        (rf"{_TRANSFER}/collection_info", "collection_info"),
        (rf"{_TRANSFER}/mkdir", "mkdir"),
        (rf"{_TRANSFER}/delete", "delete"),
        (r"https://compute\.actions\.globus\.org(?:/v2|/v3|/fxap)?", "compute"),
        (r"https://(?:api\.funcx\.org|automate\.funcx\.org)(?:/automate)?", "funcx"),
        (rf"{_ACTIONS}/hello_world", "hello"),
        (r"https://hello-world\.actions\.globus\.org(?:/.*)?", "hello"),
        (rf"{_ACTIONS}/expression_eval", "expression"),
    )
)


def provider_for(action_url: str) -> str | None:
    """The name of the stand-in for a hosted action URL, or None when there is none."""
    for pattern, provider in _TABLE:
        if pattern.match(action_url):
            return provider
    return None
