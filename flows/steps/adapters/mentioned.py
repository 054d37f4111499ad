"""URIs in JSON that somebody else wrote: values that say by their form that they are some.

What merely looks like a file's path is not guessed to be one: `bare_paths` finds what may be some,
for whoever knows which files there are. Documents are read in their order,
the first `MAX_VALUES` values of them, `MAX_DEPTH` levels deep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from flows.steps.adapters.base import Thing, clean, is_told
from flows.steps.uris import is_uri, name_of_uri, tidy_uri
from provenance_store.validation.limits import MAX_INTEGER, MAX_URI
from provenance_store.values import Uri

__all__ = ["Mention", "bare_paths", "described_files", "given_uris", "things_at"]

MAX_DEPTH = 32
MAX_VALUES = 10_000
MADE = re.compile(r"globus://[^/\s]+/\S+|doi:\S+", re.IGNORECASE)
"""Results that name their bytes, not a whole collection; any other address in a result need not
be of something that was made."""
GIVEN = re.compile(rf"{MADE.pattern}|(?:https?|file|s3|gs)://\S+", re.IGNORECASE)
"""Arguments that do so."""
_FROM_ROOT = re.compile(r"~?/[^\x00-\x1f]*[^\x00-\x1f/][^\x00-\x1f]*")
_RELATIVE = re.compile(r"[^\s/:~][^\s/:]*/[^\s:]+")
_IN_COMMAND = re.compile(
    r"""(?:(?<!\S)(?P<option>-{1,2}[\w-]+|[\w-]+(?==))[\s=]*|(?P<into>>)\s*)?
        (?:^|(?<=[\s='">]))['"]?(?P<path>~?/[^\s'"=,;:]+)""",
    re.VERBOSE,
)
"""Paths from a root inside a text, such as the line of a command."""
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_WRITTEN = re.compile(r"o|out|output|outputs|out(?:dir|file|path)|save|saved|write")
"""What the name of an argument or option has in it that is written to. A destination is one of a
transfer: functions are often given the whole input of a flow."""
MAX_PATH = 4096
MAX_PATHS = 1_000
FIELDS = frozenset({"uri", "size", "digest", "sha256", "media_type"})
DIGEST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,31}:[0-9A-Fa-f]{1,200}")
SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
MAX_MEDIA_TYPE = 256


class Mention(NamedTuple):
    """A text of an argument or result that names a file."""

    text: str
    written: bool = False
    """Whether the name of the argument says that it is written to."""


def given_uris(documents: Iterable[Any]) -> Iterator[Mention]:
    """The texts in arguments that are URIs of bytes, one for each."""
    for name, value in _named_values(documents):
        if is_told(value) and _fits(value, GIVEN):
            yield Mention(tidy_uri(value), _is_written(name))


def described_files(documents: Iterable[Any]) -> Iterator[Uri]:
    """What results say was made: objects of nothing but ``uri`` and as they like ``size``,
    ``digest`` or ``sha256``, and ``media_type``; and texts that are globus:// or doi: URIs."""
    for value in _values(documents, whole=lambda v: _described(v) is not None):
        if (uri := _described(value)) is not None:
            yield uri
        elif is_told(value) and _fits(value, MADE):
            yield Uri(tidy_uri(value))


def bare_paths(documents: Iterable[Any]) -> Iterator[Mention]:
    """Texts that may be paths of files, each once, as they are written; the first `MAX_PATHS`.

    What says from where to where something is to be moved is no file of the function.
    """
    found: dict[Mention, None] = {}
    for name, value in _named_values(documents, whole=_is_order):
        if not is_told(value) or "/" not in value or len(value) > MAX_VALUES:
            continue
        text = value.strip()
        whole = _FROM_ROOT.fullmatch(text) or _RELATIVE.fullmatch(text)
        if whole and len(text) <= MAX_PATH:
            found[Mention(text, _is_written(name))] = None
        if not whole or " " in text:
            found.update(dict.fromkeys(_in_command(text)))
        if len(found) >= MAX_PATHS:
            break
    return islice(found, MAX_PATHS)


def _in_command(line: str) -> Iterator[Mention]:
    for found in _IN_COMMAND.finditer(line):
        written = found["into"] is not None or _is_written(found["option"] or "")
        yield Mention(found["path"], written)


def _is_written(name: str) -> bool:
    """Whether an argument or option of that name is written to."""
    return any(_WRITTEN.fullmatch(part.lower()) for part in _PARTS.findall(name))


def _is_order(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() >= {"source_path", "destination_path"}


def things_at(uris: Iterable[Uri]) -> tuple[Thing, ...]:
    """A record for each URI, the first that was said of it."""
    first: dict[str, Uri] = {}
    for uri in uris:
        first.setdefault(uri.uri, uri)
    return tuple(Thing(name_of_uri(uri.uri), uris=(uri,)) for uri in first.values())


def _fits(text: str, pattern: re.Pattern[str]) -> bool:
    return len(text) <= MAX_URI and pattern.fullmatch(text) is not None


def _described(value: Any) -> Uri | None:
    """The URI that an object describes, None if it is not of that form."""
    if not isinstance(value, Mapping) or not value.keys() <= FIELDS:
        return None
    uri, size, media = value.get("uri"), value.get("size"), value.get("media_type")
    if not is_told(uri) or len(uri) > MAX_URI or not is_uri(uri):
        return None
    if not (size is None or (type(size) is int and 0 <= size <= MAX_INTEGER)):
        return None
    if not (media is None or (is_told(media) and clean(media, MAX_MEDIA_TYPE) == media)):
        return None
    digest, plain = value.get("digest"), value.get("sha256")
    if not (digest is None or (is_told(digest) and DIGEST.fullmatch(digest))):
        return None
    if not (plain is None or (is_told(plain) and SHA256.fullmatch(plain))):
        return None
    return Uri(tidy_uri(uri), size, digest or (f"sha256:{plain}" if plain else None), media)


def _values(
    documents: Iterable[Any], *, whole: Callable[[Any], bool] = lambda value: False
) -> Iterator[Any]:
    """The documents and all that is in them, but nothing inside a value that is a `whole`."""
    return (value for _, value in _named_values(documents, whole=whole))


def _named_values(
    documents: Iterable[Any], *, whole: Callable[[Any], bool] = lambda value: False
) -> Iterator[tuple[str, Any]]:
    """The same, each with the name that it or the nearest list around it has, empty without."""
    waiting = [("", document, 0) for document in reversed(list(documents))]
    for _ in range(MAX_VALUES):
        if not waiting:
            return
        name, value, depth = waiting.pop()
        yield name, value
        if depth < MAX_DEPTH and not whole(value):
            inner = list(_inside(name, value))[:MAX_VALUES]
            waiting += [(inner_name, item, depth + 1) for inner_name, item in reversed(inner)]


def _inside(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return ((str(key), item) for key, item in value.items())
    return ((name, item) for item in value) if isinstance(value, list) else ()
