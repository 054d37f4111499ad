"""What was given, as messages and logs may show it: without secrets, on one line, and short."""

from __future__ import annotations

from urllib.parse import urlsplit

from provenance_store import redaction
from provenance_store.errors import ConfigurationError

__all__ = ["LONGEST", "LOOPBACK", "check_server", "shown"]

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
