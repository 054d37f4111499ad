"""Text from the system (arguments, paths, variables) whose bytes were not all UTF-8, and NUL.

Python hands such bytes over as lone surrogates (``surrogateescape``), which no database, JSON
document or UTF-8 file can hold.
"""

from __future__ import annotations

import re

__all__ = ["escaped", "is_kept"]

_NOT_KEPT = re.compile("[\x00\ud800-\udfff]")
_BYTE = 0xDC00
"""What surrogateescape adds to a byte."""


def is_kept(text: str) -> bool:
    """Whether databases and files can hold the text."""
    return _NOT_KEPT.search(text) is None


def escaped(text: str) -> str:
    r"""The text with NUL as ``\x00``, bytes that were no text as ``\xff``, halves as ``\ud800``.

    It is the very same text when it has none of them.
    """
    return _NOT_KEPT.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= _BYTE
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
