"""URIs of what Globus moves and runs, in one spelling, so that the same thing is the same URI."""

from __future__ import annotations

import functools
import re
from urllib.parse import quote, unquote

from provenance_store.redaction import scrub_text
from provenance_store.validation.uris import normal_uri

__all__ = ["globus_uri", "is_uri", "name_of_uri", "norm_of", "tidy_uri"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[^\s\x00-\x1f]")
_TIDY = re.compile(r"globus://[0-9a-z-]+(?:/[A-Za-z0-9_.~-]+)+")
"""Most URIs: nothing in them can be a secret or be spelled in another way."""
_SAFE = "/~!$&'()*+,;=:@"


def is_uri(text: str) -> bool:
    """Whether a text begins with a scheme, as URIs do and names and paths do not."""
    return _SCHEME.match(text) is not None


def globus_uri(collection: str, path: str) -> str:
    """``globus://<collection id>/<path>``.

    A path that does not begin with a slash is relative to the collection's home, ``/~/``, and may
    say so by a tilde.
    Repeated and trailing slashes go, so a folder has one URI however it is written.
    """
    home = path == "~" or path.startswith("~/")
    absolute = path if path.startswith("/") else f"/{path}" if home else f"/~/{path}"
    parts = [part for part in absolute.split("/") if part]
    return f"globus://{quote(collection.lower(), safe='')}/{quote('/'.join(parts), safe=_SAFE)}"


@functools.lru_cache(maxsize=2048)
def tidy_uri(uri: str) -> str:
    """The URI in the spelling that is stored: globus URIs as `globus_uri` makes them, and
    passwords and signatures replaced by ``[redacted]``."""
    if _TIDY.fullmatch(uri):
        return uri
    uri = scrub_text(uri)
    if uri[:9].lower() == "globus://":
        collection, _, path = uri[9:].partition("/")
        return globus_uri(unquote(collection), "/" + unquote(path))
    return uri


norm_of = functools.lru_cache(maxsize=4096)(normal_uri)
"""The normal form of a URI; a step asks for that of each of its own several times."""


def name_of_uri(uri: str) -> str:
    """A name for what a URI points to: the last part of its path, else the URI itself."""
    path = uri.split("?", 1)[0].split("#", 1)[0].rstrip("/")
    last = path.rpartition("/")[2] if "://" in path else path
    has_path = "/" in path.partition("://")[2]
    return (unquote(last, errors="replace") if last and has_path else uri)[:1024]
