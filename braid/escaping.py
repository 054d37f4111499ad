r"""Text of others, so that it can be written anywhere.

Names, notes and errors come from others: what could drive a terminal, or show text in another
order than it has, is escaped before it is written.
"""

from __future__ import annotations

import json
import re
import unicodedata

__all__ = ["inert", "json_text", "printable"]

BLANKS = frozenset("\t\n\r")
JOINERS = frozenset("\u200c\u200d")
"""Invisible, but Persian and Hindi cannot be written without them, nor many emoji."""
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""What may be in a document's strings and a terminal may obey: control characters, what sets the
direction of text, line separators, lone surrogates (no UTF-8 file holds them), invisible tags."""


def json_text(document: object) -> str:
    """The document as indented JSON in which nothing can drive a terminal."""
    return inert(json.dumps(document, indent=2, ensure_ascii=False))


def inert(text: str) -> str:
    r"""JSON or PROV-N with its unsafe characters, all inside strings, as ``\uXXXX``."""
    return UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    # json.dumps leaves DEL, which is ASCII, as it is.
    return "\\u007f" if found[0] == "\x7f" else json.dumps(found[0])[1:-1]


def printable(text: str) -> str:
    r"""The text on one line, with what could drive a terminal escaped as ``\x9b`` or ``\u202e``."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable() or character in JOINERS:
        return character
    if character in BLANKS or unicodedata.category(character) == "Zs":
        return " "
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
