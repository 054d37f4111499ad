"""What one run has recorded of files so far, asked by their paths.

A function on a Compute endpoint is given the path of a file, the transfer that brought it there has
its collection and path. Where the paths are equal, or one is a folder around the other, they are
taken for the same place.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

from flows.steps.uris import globus_uri
from provenance_store.validation.uris import normal_uri

__all__ = [
    "GLOBUS",
    "PATHS",
    "NamedPath",
    "RunFile",
    "RunFiles",
    "Where",
    "are_moved",
    "named_paths",
    "on_collection",
    "on_endpoint",
    "path_key",
    "split_uri",
]

GLOBUS = "globus://"
_ENDPOINT = "globus-compute://endpoint/"
_OF_ENDPOINT = "endpoint/"
PATHS = "paths"
"""The document of a step: the paths that its function was given and returned, and what they are."""


class RunFile(NamedTuple):
    """A record of the run, with one of the places of its bytes."""

    record_id: int
    at: int
    """When it was recorded, in microseconds UTC."""
    uri: str
    """Its normal form."""
    made: bool
    """Whether a step made it."""
    folder: str | None
    """The tag that says that it is a folder: `FOLDER` or `RECURSIVE`."""

    @property
    def when(self) -> tuple[int, int]:
        """Its place in the order of what was recorded."""
        return self.at, self.record_id


class NamedPath(NamedTuple):
    """A path that an earlier Compute step of the run was given or returned."""

    step_id: int
    at: int
    place: str
    """Where it is, as `split_uri` tells it."""
    key: str
    returned: bool
    written: bool = False
    """Whether the argument's name says that the function writes there."""
    of: str | None = None
    """The URN of the record that it was taken for, if it was."""

    @property
    def uri(self) -> str:
        """Where it is, as far as that is known."""
        if self.place.startswith(_OF_ENDPOINT):
            return on_endpoint(self.place.removeprefix(_OF_ENDPOINT), self.key)
        return on_collection(self.place, self.key)

    @property
    def when(self) -> tuple[int, int]:
        """Its place in the order of what was recorded."""
        return self.at, self.step_id

    @property
    def standing(self) -> tuple[bool, bool]:
        """How surely the function left what is there."""
        return self.returned, self.written

    def is_use_of(self, other: NamedPath) -> bool:
        """Whether both are one path that functions named for the same use."""
        return self[2:6] == other[2:6]


T = TypeVar("T", RunFile, NamedPath)


class _ByPath(Generic[T]):
    """Things at paths: at one, at the folders around it, below it."""

    def __init__(self, things: Iterable[tuple[str, str, T]]) -> None:
        self._there: dict[str, list[tuple[str, T]]] = defaultdict(list)
        for place, key, thing in things:
            if key.strip("/~"):
                self._there[key].append((place, thing))
        self._keys: list[str] | None = None

    def at(self, key: str, fits: Callable[[str], bool]) -> list[T]:
        """What is at a path."""
        return [thing for place, thing in self._there.get(key, ()) if fits(place)]

    def around(self, key: str, fits: Callable[[str], bool]) -> Iterator[list[T]]:
        """What is at each folder around a path, the nearest first."""
        while key := key.rpartition("/")[0]:
            if found := self.at(key, fits):
                yield found

    def below(self, key: str, fits: Callable[[str], bool]) -> Iterator[list[T]]:
        """What is at each path below a folder."""
        if self._keys is None:
            self._keys = sorted(self._there)
        start, end = bisect_left(self._keys, f"{key}/"), bisect_left(self._keys, f"{key}0")
        return filter(None, (self.at(inner, fits) for inner in self._keys[start:end]))


class Where(NamedTuple):
    """On which machine a path is: on a collection or on any, of an endpoint or of any."""

    collection: str | None = None
    endpoint: str | None = None

    def fits(self, place: str) -> bool:
        """Whether that may be the place, as `split_uri` tells it."""
        if place.startswith(_OF_ENDPOINT):
            return self.endpoint is None or place == f"{_OF_ENDPOINT}{self.endpoint}"
        return self.collection is None or place == self.collection


class RunFiles:
    """The files of a run, and the paths that its functions named."""

    def __init__(self, files: Sequence[RunFile] = (), named: Sequence[NamedPath] = ()) -> None:
        self.files = files
        self.named = named
        self._by_id = {file.record_id: file for file in files}
        places = ((file, split_uri(file.uri)) for file in files)
        self._files = _ByPath((*place, file) for file, place in places if place is not None)
        self._named = _ByPath((one.place, one.key, one) for one in named)

    def of(self, record_id: int | None) -> RunFile | None:
        """A record, if it is one of the run."""
        return None if record_id is None else self._by_id.get(record_id)

    def at(self, key: str, where: Where) -> RunFile | None:
        """The newest record at a path, one that a step made before others."""
        return max(self._files.at(key, where.fits), key=_standing, default=None)

    def around(self, key: str, where: Where) -> RunFile | None:
        """The record of the nearest folder around a path."""
        nearest = next(self._files.around(key, where.fits), ())
        return max(nearest, key=_standing, default=None)

    def below(self, key: str, where: Where) -> list[RunFile]:
        """The newest record at each path below a folder, of those that steps made."""
        newest = (max(found, key=_standing) for found in self._files.below(key, where.fits))
        return [file for file in newest if file.made]

    def naming(
        self,
        key: str,
        where: Where,
        *,
        inside: bool,
        after: tuple[int, int] = (-1, -1),
        but: str | None = None,
    ) -> NamedPath | None:
        """The last function that named a path or a folder around it, or with `inside` something
        below it; one that returned it, or else was given it to write there, before one that was
        only given it. Not one that took it for the record with the URN `but`."""
        found = [
            *self._named.at(key, where.fits),
            *chain.from_iterable(self._named.around(key, where.fits)),
            *(chain.from_iterable(self._named.below(key, where.fits)) if inside else ()),
        ]
        later = (n for n in found if n.when > after and (but is None or n.of != but))
        return max(later, key=lambda named: (*named.standing, *named.when), default=None)

    def is_named(self, key: str, where: Where) -> bool:
        """Whether a function of the run named a path."""
        return bool(self._named.at(key, where.fits))

    def returned_below(self, key: str, where: Where) -> list[NamedPath]:
        """The last function that returned each path below a folder."""
        found = (
            [named for named in there if named.returned]
            for there in self._named.below(key, where.fits)
        )
        return [max(there, key=lambda named: named.when) for there in found if there]


def _standing(file: RunFile) -> tuple[bool, int, int]:
    return (file.made, *file.when)


def are_moved(uris: Iterable[str]) -> bool:
    """Whether any of these is on a collection, where a transfer may have brought it."""
    return any(uri.startswith(GLOBUS) for uri in uris)


def split_uri(uri: str) -> tuple[str, str] | None:
    """Where a path is, a collection or ``endpoint/<id>``, and the path as `path_key` has it, of a
    URI in its normal form; None for a URI of another kind."""
    if uri.startswith(GLOBUS):
        collection, slash, path = uri[len(GLOBUS) :].partition("/")
        return collection, slash + path
    if uri.startswith(_ENDPOINT):
        endpoint, slash, path = uri[len(_ENDPOINT) :].partition("/")
        return f"{_OF_ENDPOINT}{endpoint}", slash + path
    return None


def path_key(path: str) -> str:
    """A path as it stands in the normal form of a URI, by which paths are compared."""
    split = split_uri(normal_uri(globus_uri("-", path)))
    return "/" if split is None else split[1]


def on_endpoint(endpoint: str, key: str) -> str:
    """The URI of a path on the machine of a Compute endpoint, whose collection is not known."""
    return f"{_ENDPOINT}{endpoint}{key}"


def on_collection(collection: str, key: str) -> str:
    """The URI of a path on a collection."""
    return f"{GLOBUS}{collection}{key}"


def named_paths(step_id: int, at: int, document: Any) -> list[NamedPath]:
    """The paths that a step's document `PATHS` names."""
    found = []
    for said in document if isinstance(document, list) else ():
        if not isinstance(said, dict) or not isinstance(said.get("at"), str):
            continue
        if (place := split_uri(normal_uri(said["at"]))) is not None:
            returned, written = said.get("where") == "result", said.get("written") is True
            found.append(NamedPath(step_id, at, *place, returned, written, said.get("is")))
    return found
