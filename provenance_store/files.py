"""Files that records name: where they are on this machine, and whether they still are the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from provenance_store.errors import InvalidInput

__all__ = [
    "ALGORITHMS",
    "Checked",
    "Found",
    "Place",
    "State",
    "check",
    "expected",
    "local_path",
    "measure",
    "uris_of",
]

ALGORITHMS = ("sha256", "blake2b")
"""What a digest is made with; files are checked against any that Python's hashlib always has."""
PIECE = 1 << 20
_CHECKED_WITH = {name for name in hashlib.algorithms_guaranteed if not name.startswith("shake_")}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")

Progress = Callable[[int], object]


class Place(NamedTuple):
    """What begins with `prefix` is in `folder`: ``globus://COLLECTION/`` in ``/mnt/collection``."""

    prefix: str
    folder: Path

    def holds(self, uri: str) -> bool:
        """Whether a URI is in here; ``globus://c`` does not hold ``globus://c2/x``."""
        rest = uri.removeprefix(self.prefix)
        whole = self.prefix.endswith(("/", ":")) or rest.startswith("/") or not rest
        return uri.startswith(self.prefix) and whole


class Found(NamedTuple):
    """A file as it is: size in bytes, digest as ``sha256:<hex>``."""

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
        place = max(mapped, key=lambda place: len(place.prefix))
        return _inside(place, uri)
    if not _SCHEME.match(uri):
        return Path(uri)
    parts = urlsplit(uri)
    if parts.scheme.lower() != "file" or parts.netloc.lower() not in ("", "localhost"):
        return None
    return Path(unquote(parts.path))


def uris_of(path: Path, places: Sequence[Place] = ()) -> list[str]:
    """The URIs under which a local file may have been recorded."""
    whole = path.absolute()
    names = [whole.as_uri(), path.resolve().as_uri(), str(path), str(whole)]
    for place in places:
        if whole.is_relative_to(place.folder.absolute()):
            inside = whole.relative_to(place.folder.absolute()).as_posix()
            names.append(place.prefix + inside)
            names.append(f"{place.prefix.rstrip('/')}/{inside}")
    return list(dict.fromkeys(names))


def measure(path: Path, *, algorithm: str = "sha256", progress: Progress | None = None) -> Found:
    """Size and digest of a file, read piece by piece; `progress` is told how many bytes were read.

    Raises OSError when it cannot be read, InvalidInput when it changes meanwhile or is no file.
    """
    if path.exists() and not path.is_file():
        raise InvalidInput(f"{path} is not a file.")
    digest = hashlib.new(algorithm)
    size = 0
    with path.open("rb", buffering=0) as opened:
        while piece := opened.read(PIECE):
            digest.update(piece)
            size += len(piece)
            if progress is not None:
                progress(len(piece))
        if size != path.stat().st_size:
            raise InvalidInput(f"{path} changed while it was read; try again.")
    return Found(size, f"{algorithm}:{digest.hexdigest()}")


def expected(uri: Mapping[str, Any]) -> Found | None:
    """What the file at a URI of a statement's record should be: as recorded, else as first found.

    The size alone may be known: then the digest is empty. None when nothing is.
    """
    if uri["digest"] is None and uri["checks"]:
        first = uri["checks"][0]
        return Found(first["size"], first["digest"])
    if uri["digest"] is None and uri["size"] is None:
        return None
    return Found(-1 if uri["size"] is None else uri["size"], uri["digest"] or "")


def check(
    uri: Mapping[str, Any], places: Sequence[Place] = (), *, progress: Progress | None = None
) -> Checked:
    """Whether the file at a URI of a statement's record still is what it was.

    Where the size differs the content is not read. A file that cannot be read counts as missing.
    """
    path = local_path(uri["uri"], places)
    wanted = expected(uri)
    told = None if wanted is None else wanted.digest or f"{wanted.size} bytes"
    if path is None:
        return Checked(State.NOT_LOCAL, None, told, None)
    try:
        if path.is_dir():
            return Checked(State.CHANGED if told else State.NO_DIGEST, path, told, "a folder")
        size = path.stat().st_size
        if wanted is not None and wanted.size not in (-1, size):
            return Checked(State.CHANGED, path, told, f"{size} bytes")
        algorithm = "" if wanted is None else wanted.digest.partition(":")[0].lower()
        if algorithm not in _CHECKED_WITH or wanted is None:
            return Checked(State.NO_DIGEST, path, told, f"{size} bytes")
        found = measure(path, algorithm=algorithm, progress=progress)
    except OSError as error:
        return Checked(State.MISSING, path, told, error.strerror)
    except InvalidInput as error:
        return Checked(State.CHANGED, path, told, error.message)
    same = found.digest.lower() == wanted.digest.lower()
    return Checked(State.OK if same else State.CHANGED, path, told, found.digest)


def _inside(place: Place, uri: str) -> Path:
    rest = unquote(uri.removeprefix(place.prefix)).lstrip("/")
    path = place.folder / rest
    if ".." in Path(rest).parts:
        raise InvalidInput(f"{uri[:200]} leads out of {place.folder}.")
    return path
