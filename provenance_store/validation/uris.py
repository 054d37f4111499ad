"""One normal form for each URI.

The spelling of a URI that was given is kept and shown; its normal form serves to find it. The
normal form follows RFC 3986 (case of scheme and host, percent-encoding, dot segments, default
ports) and what each scheme says:

- ``globus`` and ``file``: everything behind the collection or host is a path, ``?`` and ``#`` are
  characters of it, and repeated, trailing and ``.`` parts mean nothing;
- ``s3``, ``gs`` and other object stores: keys are opaque, so slashes and dots stay;
- ``urn`` and ``doi``: the parts that are not case-sensitive are in lower case.

Text is composed to Unicode NFC, since systems type and list the same name differently. Applying the
normal form twice changes nothing.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

__all__ = ["normal_uri"]

_NORMAL = re.compile(
    r"(?!file://localhost/|urn:|doi:)[a-z][a-z0-9+.-]{0,31}://[0-9a-z.-]*"
    r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_.~-]+)+"
)
"""Most URIs: nothing in them can be spelled in another way."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_ONLY = frozenset({"globus", "file"})
_OPAQUE_PATHS = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "az", "abfs", "abfss", "wasb", "wasbs"})
_PORTS = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}
_SEGMENT = "!$&'()*+,;=:@~"
"""What RFC 3986 lets stand in a part of a path, besides letters, digits and ``-._``."""
_TAIL = _SEGMENT + "/?"


def normal_uri(uri: str) -> str:
    """The normal form of a URI; text that is no URI is only composed to NFC."""
    return uri if _NORMAL.fullmatch(uri) else _normal(uri)


@functools.lru_cache(maxsize=4096)
def _normal(uri: str) -> str:
    uri = unicodedata.normalize("NFC", uri)  # first, for a letter of the scheme may come of it
    found = _SCHEME.match(uri)
    if found is None:
        return uri
    scheme, rest = found[1].lower(), uri[found.end() :]
    if scheme in _PATH_ONLY:
        return _path_only(scheme, rest)
    if scheme == "urn":
        namespace, colon, name = rest.partition(":")
        low = namespace.lower()
        name = name.lower() if low in ("uuid", "doi", "braid") else name
        return f"urn:{low}{colon}{_escaped(name, _TAIL)}"
    if scheme == "doi":
        return f"doi:{_escaped(rest, _TAIL).lower()}"
    if not rest.startswith("//"):
        return f"{scheme}:{_escaped(rest, _TAIL + '#')}"
    return _hierarchical(scheme, rest[2:])


def _path_only(scheme: str, rest: str) -> str:
    host, _slash, path = rest[2:].partition("/") if rest.startswith("//") else ("", "", rest)
    host = _part(host).lower()
    if scheme == "file" and host == "localhost":
        host = ""
    parts: list[str] = []
    for part in map(_part, path.split("/")):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return f"{scheme}://{host}/{'/'.join(parts)}"


def _part(text: str) -> str:
    """A part of a path where only a slash has a meaning: any other character may be an escape.

    Bytes that are no UTF-8 are kept as they are.
    """
    data = unquote_to_bytes(text.encode(errors="surrogatepass"))
    try:
        return quote(unicodedata.normalize("NFC", data.decode()), safe=_SEGMENT)
    except UnicodeDecodeError:
        return quote(data, safe=_SEGMENT)


def _hierarchical(scheme: str, rest: str) -> str:
    end = min((place for place in map(rest.find, "/?#") if place >= 0), default=len(rest))
    authority, tail = rest[:end], rest[end:]
    before, hash_, fragment = tail.partition("#")
    path, mark, query = before.partition("?")
    path = _escaped(path, _SEGMENT + "/")
    if scheme not in _OPAQUE_PATHS:
        path = _without_dots(path) or "/"
    shown = f"{scheme}://{_authority(scheme, authority)}{path}"
    if mark:
        shown += f"?{_escaped(query, _TAIL)}"
    return f"{shown}#{_escaped(fragment, _TAIL)}" if hash_ else shown


def _authority(scheme: str, authority: str) -> str:
    user, at, place = authority.rpartition("@")
    place = _escaped(place, _SEGMENT + "[]").lower().rstrip(":")
    host, _, port = place.rpartition(":")
    if port == _PORTS.get(scheme) and (":" not in host or host.endswith("]")):
        place = host
    return f"{_escaped(user, _SEGMENT)}{at}{place}"


def _without_dots(path: str) -> str:
    """The path without ``.`` and ``..``, RFC 3986 section 5.2.4; a slash at the end stays."""
    parts: list[str] = []
    segments = path.split("/")
    for segment in segments[1:]:
        if segment == "..":
            del parts[-1:]
        elif segment != ".":
            parts.append(segment)
    if len(segments) > 1 and segments[-1] in (".", ".."):
        parts.append("")
    return "".join(f"/{part}" for part in parts)


def _escaped(text: str, safe: str) -> str:
    """Text with the escapes that it needs: those of letters, digits, ``-._~`` and of what is not
    ASCII mean the character, those of reserved characters something else than the character."""
    plain = unicodedata.normalize("NFC", _ESCAPES.sub(_plain, text))
    plain = _STRAY.sub("%25", plain)
    return quote(plain.encode(errors="surrogatepass"), safe=safe + "%")


def _plain(found: re.Match[str]) -> str:
    data = unquote_to_bytes(found[0])
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return found[0].upper()
    return "".join(c if c in _UNRESERVED or not c.isascii() else f"%{ord(c):02X}" for c in text)
