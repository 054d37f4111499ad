"""Text from the system (arguments, paths, variables) whose bytes were not all UTF-8.

Python hands such bytes over as lone surrogates (``surrogateescape``), which no database, JSON
document or UTF-8 file can hold.
"""

from __future__ import annotations

import re

__all__ = ["readable"]

_LONE = re.compile("[\ud800-\udfff]")
_BYTE = 0xDC00
"""What surrogateescape adds to a byte."""


def readable(text: str) -> str:
    r"""The text with each such byte written as ``\xff``; the very same text when it has none."""
    return text if text.isascii() else _LONE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - _BYTE:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
