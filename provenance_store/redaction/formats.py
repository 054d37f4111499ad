"""Tokens that are recognised by their own look, whatever stands beside them.

The looks are data, in formats.toml; they are read when a text is first looked at for them.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from provenance_store.redaction.values import REDACTED

__all__ = ["SHORTEST", "has_many_capitals", "without_tokens"]

SHORTEST = 16
"""No token of a provider is shorter than this."""

_CAPITAL = bytes(65 <= i <= 90 for i in range(256))
_CAPITALS = 4


def has_many_capitals(text: bytes) -> bool:
    """Whether a token may be in a text, in UTF-8, without a long run of letters and digits: ``-``
    and ``_`` may break it."""
    return text.translate(_CAPITAL).count(1) >= _CAPITALS


def without_tokens(text: str) -> str:
    """The text with ``[redacted]`` in the place of every token."""
    text = _tokens().sub(REDACTED, text)
    for needs, pattern in _places():
        if needs in text:
            text = pattern.sub(REDACTED, text)
    return text


@functools.cache
def _document() -> dict[str, Any]:
    source = files("provenance_store.redaction").joinpath("formats.toml")
    return tomllib.loads(source.read_text(encoding="utf-8"))


@functools.cache
def _tokens() -> re.Pattern[str]:
    """One pattern for all of them, by their first characters, so that a place in the text where
    none begins is passed by after one step."""
    by_first: dict[str, list[str]] = defaultdict(list)
    for token in _document()["token"]:
        for start in token["starts"]:
            by_first[start[0]].append(_token_pattern(start[1:], token))
    groups = (f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in by_first.items())
    return re.compile(f"(?<![A-Za-z0-9])(?:{'|'.join(groups)})")


def _token_pattern(rest: str, token: dict[str, Any]) -> str:
    rest = re.escape(rest)
    if "then" in token:
        return f"{_before('A-Za-z0-9_-', token)}{rest}{token['then']}"
    letters, least, most = token["alphabet"], token["least"], token.get("most", "")
    kinds = ("0-9", "a-z", "A-Z") if token.get("mixed") else ()
    # Bounded: a text may be nothing but starts, each looking for a digit behind it.
    mixed = "".join(f"(?=[{letters.replace(kind, '')}]{{0,256}}[{kind}])" for kind in kinds)
    behind = "(?![A-Za-z0-9+/=_-])" if token.get("alone") else ""
    before = _before("A-Za-z0-9+/_-", token)
    return f"{before}{rest}{mixed}[{letters}]{{{least},{most}}}+{behind}"


def _before(letters: str, token: dict[str, Any]) -> str:
    """What must not stand before the token, seen from behind its first character."""
    return f"(?<![{letters}].)" if token.get("alone") else ""


@functools.cache
def _places() -> list[tuple[str, re.Pattern[str]]]:
    return [(place["needs"], re.compile(place["pattern"])) for place in _document()["place"]]


def described() -> Iterable[str]:
    """What the formats are of, as the documentation lists them."""
    return (entry["of"] for kind in ("token", "place") for entry in _document()[kind])
