"""Values as people read them: counts and sizes, and what was given, safely shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from provenance_store import redaction
from provenance_store.errors import ConfigurationError

__all__ = [
    "LONGEST",
    "LOOPBACK",
    "check_server",
    "counted",
    "duration",
    "escaped",
    "is_kept",
    "rounded",
    "shown",
    "size",
]

DIGITS = 5
SHORT_NUMBER = 9
"""A number of at most so many characters is not rounded."""
LARGEST_EXACT = 1e15
"""Whole numbers from here on are written with an exponent."""
SIZES = ("kB", "MB", "GB", "TB", "PB", "EB")
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def counted(number: int, what: str, several: str | None = None) -> str:
    """``1 step``, ``1,200 steps``; `several` is the plural where it does not end in s alone."""
    return f"{number:,} {what if number == 1 else several or f'{what}s'}"


def size(count: int) -> str:
    """Bytes in the decimal unit that fits, with two digits or more: ``819 kB``, ``2.1 MB``."""
    if count < 1000:
        return counted(count, "byte")
    number = float(count)
    for unit in SIZES:
        number /= 1000
        if number < 999.5 or unit == SIZES[-1]:
            break
    return f"{number:.1f} {unit}" if number < 9.95 else f"{number:,.0f} {unit}"


def duration(seconds: float) -> str:
    """``7 ms``, ``0.4 s``, ``12 s``, ``1 min 12 s``, ``2 h 5 min``: the two largest units."""
    if 0 < abs(seconds) < 0.0995:
        return f"{round(seconds * 1000)} ms" if abs(seconds) >= 0.0005 else "under 1 ms"
    if abs(seconds) < 9.95:
        return f"{seconds:.1f} s"
    whole, sign = round(abs(seconds)), "-" if seconds < 0 else ""
    place = next(place for place, (length, _) in enumerate(UNITS) if whole >= length)
    parts = []
    for length, name in UNITS[place : place + 2]:
        number, whole = divmod(whole, length)
        if number:
            parts.append(f"{number} {name}")
    return sign + " ".join(parts)


def rounded(value: float) -> str:
    """The number as Python writes it, to five significant digits where that is long."""
    text = repr(value)
    if len(text) <= SHORT_NUMBER:
        return text
    whole = 10**DIGITS <= abs(value) < LARGEST_EXACT
    return f"{value:.0f}" if whole else f"{value:.{DIGITS}g}"


LONGEST = 1000
LOOKED_AT = 1 << 16
"""What is shown is searched for secrets together with what comes after it: a secret that is cut off
may not look like one."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def shown(text: str, longest: int = LONGEST) -> str:
    """A text without secrets and line breaks, of at most so many characters."""
    line = " ".join(redaction.scrub_text(text[:LOOKED_AT]).split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def check_server(url: str) -> None:
    """Raise ConfigurationError unless a token may be sent to a server at this address."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        named = f"The server {shown(url, 200)!r}"
    except ValueError:  # what stands in the place of the port may be a password
        parts, host, named = urlsplit(""), None, "What is given as the server"
    if "@" in parts.netloc:
        raise ConfigurationError(
            "What is given as the server has a user name or a password in it, which it does not "
            "take; give its address alone, and log in to Globus."
        )
    if parts.scheme not in ("https", "http") or not host:
        raise ConfigurationError(f"{named} is not an https:// address.")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ConfigurationError(
            f"{named} is not https; a token is sent without it to this machine only."
        )


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
