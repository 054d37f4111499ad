"""Files that records name: where they are on this machine, and whether they still are the same."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit

from provenance_store.digests import (
    ALGORITHM,
    ROOM,
    Measured,
    Progress,
    Tree,
    Unread,
    is_tree,
    measure,
    measure_tree,
    not_opened,
)
from provenance_store.display import counted, escaped
from provenance_store.errors import InvalidInput
from provenance_store.validation.uris import normal_uri

__all__ = [
    "DIRECTORY",
    "FILE_COUNT",
    "LINK_TARGET",
    "MEMBERS",
    "NO_DIGEST",
    "Checked",
    "Expected",
    "LocalFile",
    "Place",
    "State",
    "check",
    "expected",
    "file_uri",
    "link_target",
    "local_path",
    "look",
    "members_of",
    "tags_of",
    "uris_of",
]

LINK_TARGET, NO_DIGEST, FILE_COUNT = "link_target", "no_digest", "file_count"
"""Tags of the record of a file: the URI that its name, a link, leads to; why it has no digest; of a
directory how many files it has."""
DIRECTORY = "inode/directory"
"""The media type of a directory."""
MEMBERS = "members"
"""The document with the files of the directories of a record."""
LONGEST_TAG = 256
LONGEST_NAME = 256

_CHECKED_WITH = {name for name in hashlib.algorithms_guaranteed if not name.startswith("shake_")}
"""Files are checked against digests of any kind that Python's hashlib always has."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class Place(NamedTuple):
    """What begins with `prefix` is in `folder`: ``globus://COLLECTION/`` in ``/mnt/collection``."""

    prefix: str
    folder: Path

    def holds(self, uri: str) -> bool:
        """Whether a URI is in here; ``globus://c`` does not hold ``globus://c2/x``."""
        return self.rest(uri) is not None

    def rest(self, uri: str) -> str | None:
        """What of a URI is behind the prefix, however both are spelled; None when it is not in
        here."""
        if uri.startswith(self.prefix):
            rest = uri.removeprefix(self.prefix)
            whole = self.prefix.endswith(("/", ":")) or rest.startswith("/") or not rest
            return rest if whole else None
        folder = normal_uri(self.prefix).rstrip("/") + "/"
        norm = normal_uri(uri)
        return norm.removeprefix(folder) if norm.startswith(folder) else None


class LocalFile(NamedTuple):
    """A file of this machine as it is recorded: under the name that the user gave it.

    `target` is the URI that the name leads to when it is a link, as git-annex, DVC and caches
    make them.
    """

    name: str
    uri: str
    target: str | None
    found: Measured
    tree: Tree | None = None
    """What is in it, if it is a directory."""

    @property
    def place(self) -> dict[str, Any]:
        """Its URI with size and digest, as far as they are known."""
        media_type = None if self.tree is None else DIRECTORY
        known = {"size": self.found.size, "digest": self.found.digest, "media_type": media_type}
        return {"uri": self.uri} | {name: v for name, v in known.items() if v is not None}

    @property
    def tags(self) -> dict[str, str | int]:
        """What its record is tagged with besides."""
        count = None if self.tree is None else len(self.tree.members)
        told = {LINK_TARGET: self.target, NO_DIGEST: self.found.why or None, FILE_COUNT: count}
        return {name: value for name, value in told.items() if value is not None}


class Expected(NamedTuple):
    """What a file should be: size in bytes or -1, digest as ``sha256:<hex>`` or empty."""

    size: int
    digest: str


class State(StrEnum):
    """What came of checking a file."""

    OK = "ok"
    CHANGED = "changed"
    MISSING = "missing"
    NO_DIGEST = "no digest"
    NOT_LOCAL = "not local"


class Checked(NamedTuple):
    """A file that was checked: `expected` and `found` as far as they are known."""

    state: State
    path: Path | None
    expected: str | None
    found: str | None


def local_path(uri: str, places: Sequence[Place] = ()) -> Path | None:
    """Where a URI is on this machine; None when it is not.

    ``file://`` URIs of this machine, plain paths, and what begins with the prefix of a place (the
    longest counts). Raises InvalidInput for a URI that leads out of its place's folder.
    """
    mapped = [place for place in places if place.holds(uri)]
    if mapped:
        path: Path | None = _inside(max(mapped, key=lambda place: len(place.prefix)), uri)
    else:
        path = _path(uri) if _SCHEME.match(uri) else Path(uri)
    # No file's name has a NUL: the system's calls raise ValueError for it.
    return None if path is None or "\x00" in str(path) else path


def _path(uri: str) -> Path | None:
    """The path of a ``file://`` URI of this machine."""
    parts = urlsplit(uri)
    if parts.scheme.lower() != "file" or parts.netloc.lower() not in ("", "localhost"):
        return None
    return Path(_unquoted(parts.path))


def _unquoted(text: str) -> str:
    """A path whose bytes need not be UTF-8, as the system's calls take it."""
    return os.fsdecode(unquote_to_bytes(text))


def look(path: Path, *, algorithm: str = "sha256", progress: Progress | None = None) -> LocalFile:
    """A local file, or directory (`trees`), to be recorded; `progress` is told how many bytes were
    read.

    Never raises for what is there: without a digest the `why` of what was `found` says so.
    """
    name = escaped(path.name or str(path))[:LONGEST_NAME]
    tree = None
    if is_tree(path):
        found, tree = measure_tree(path, progress=progress)
    else:
        found = measure(path, algorithm=algorithm, progress=progress)
    return LocalFile(name, file_uri(path), link_target(path), found, tree)


def tags_of(files: Sequence[LocalFile]) -> dict[str, str | int]:
    """What the one record of these files is tagged with; of several each tag names its file."""
    if len(files) == 1:
        return files[0].tags
    return {
        f"{tag}:{file.name}"[:LONGEST_TAG]: value
        for file in files
        for tag, value in file.tags.items()
    }


def members_of(files: Sequence[LocalFile]) -> list[dict[str, Any]]:
    """What is in those of these that are directories, as a document."""
    trees = [(file.uri, file.tree) for file in files if file.tree is not None]
    return [{"uri": uri} | tree.document(ROOM // len(trees)) for uri, tree in trees]


def file_uri(path: Path) -> str:
    """The ``file://`` URI of a path: absolute, links in its folder resolved, the last one not.

    So a file has one URI from wherever it is named, and a link keeps its own name. The path as
    it is, if it is relative and the current folder is gone.
    """
    try:
        whole = path.absolute()
    except FileNotFoundError:
        return escaped(str(path))
    if path.name in ("", ".."):
        return Path(os.path.realpath(whole)).as_uri()
    folder = Path(os.path.realpath(whole.parent))
    # Of /dev/fd/63 the folder leads to a process's own, which means nothing to anybody else.
    return (whole if folder.is_relative_to("/proc") else folder / path.name).as_uri()


def link_target(path: Path) -> str | None:
    """The URI of what a link leads to; None for a path that is no link, or leads nowhere."""
    if not os.path.islink(path) or not os.path.exists(path):
        return None
    target = os.path.realpath(path)
    return Path(target).as_uri() if os.path.exists(target) else None


def uris_of(path: Path, places: Sequence[Place] = ()) -> list[str]:
    """The URIs under which a local file may have been recorded, each in one spelling."""
    whole = path.absolute()
    resolved = Path(os.path.realpath(path)).as_uri()
    names = [file_uri(path), whole.as_uri(), resolved, escaped(str(path)), escaped(str(whole))]
    for place in places:
        if whole.is_relative_to(place.folder.absolute()):
            inside = whole.relative_to(place.folder.absolute()).as_posix()
            names.append(place.prefix + inside)
            names.append(f"{place.prefix.rstrip('/')}/{inside}")
            names.append(f"{place.prefix.rstrip('/')}/{quote(inside)}")
    return list(dict.fromkeys(names))


def expected(uri: Mapping[str, Any]) -> Expected | None:
    """What the file at a URI of a statement's record should be: as recorded, else as first found.

    The size alone may be known: then the digest is empty. None when nothing is.
    """
    if uri["digest"] is None and uri["checks"]:
        first = uri["checks"][0]
        return Expected(first["size"], first["digest"])
    if uri["digest"] is None and uri["size"] is None:
        return None
    return Expected(-1 if uri["size"] is None else uri["size"], uri["digest"] or "")


def check(
    uri: Mapping[str, Any], places: Sequence[Place] = (), *, progress: Progress | None = None
) -> Checked:
    """Whether the file at a URI of a statement's record still is what it was.

    Where the size differs the content is not read. A file that cannot be read counts as missing.
    """
    path = local_path(uri["uri"], places)
    wanted = expected(uri)
    told = None if wanted is None else wanted.digest or counted(wanted.size, "byte")
    if path is None:
        return Checked(State.NOT_LOCAL, None, told, None)
    state, found = _compared(path, wanted, progress)
    return Checked(state, path, told, found)


def _compared(
    path: Path, wanted: Expected | None, progress: Progress | None
) -> tuple[State, str | None]:
    """What came of it, and what was found."""
    try:
        there = os.stat(path)
    except OSError as error:
        return State.MISSING, error.strerror
    if wanted is not None and wanted.digest.startswith(f"{ALGORITHM}:") and is_tree(path):
        now = measure_tree(path, progress=progress)[0]
        same = now.digest == wanted.digest
        return State.OK if same else State.CHANGED, now.digest or now.why
    if (refused := not_opened(there)) is not None:
        return State.NO_DIGEST if wanted is None else State.CHANGED, refused.why
    if wanted is not None and wanted.size not in (-1, there.st_size):
        return State.CHANGED, counted(there.st_size, "byte")
    algorithm = "" if wanted is None else wanted.digest.partition(":")[0].lower()
    if algorithm not in _CHECKED_WITH or wanted is None:
        return State.NO_DIGEST, counted(there.st_size, "byte")
    found = measure(path, algorithm=algorithm, progress=progress)
    if found.digest is None:
        changing = found.unread in (Unread.CHANGING, Unread.DIRECTORY, Unread.SPECIAL)
        return State.CHANGED if changing else State.MISSING, found.why
    same = found.digest.lower() == wanted.digest.lower()
    return State.OK if same else State.CHANGED, found.digest


def _inside(place: Place, uri: str) -> Path:
    parts: list[str] = []
    for part in _unquoted(place.rest(uri) or "").split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            parts.append(part)
        elif not parts:
            raise InvalidInput(f"{uri[:200]} leads out of {place.folder}.")
        else:
            del parts[-1]
    return place.folder.joinpath(*parts)
