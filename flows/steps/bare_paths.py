"""Paths without a scheme in arguments and results of functions: which files of the run they are.

A path that equals, or lies under, a path that the run moved, made or named is that file
(`RunFiles`). On which collection the files of a Compute endpoint are, `Collections` may say; else
it is assumed, and the step and what is recorded on that ground have the tag `ASSUMED`. A path that
nothing is known of is not guessed to be a file. It is kept in the step's document `PATHS`, so that
a later step which moves or reads it derives from the function that named it.

What an earlier run left at a path is read by a later one only where that does not write there
itself: flows work in the same folders run after run, and their files replace each other. So a file
of another run is no input of a step that returns its path, or whose function left it there before,
and what functions of this run leave derives from nothing of another one.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from flows.steps.adapters.base import FOLDER, RECURSIVE, BarePath, Thing
from flows.steps.collections import Collections
from flows.steps.run_files import (
    NamedPath,
    RunFile,
    RunFiles,
    Where,
    on_collection,
    on_endpoint,
    path_key,
    split_uri,
)
from flows.steps.things import Things
from flows.steps.uris import name_of_uri
from provenance_store.handles import StepHandle
from provenance_store.kinds import Kind
from provenance_store.validation.uris import normal_uri
from provenance_store.values import TagValue, Uri

__all__ = ["ASSUMED", "BarePaths", "Evidence"]

ASSUMED = "assumed"
"""The tag that says what nobody said, but follows if two paths are one."""
_NAMED = 5


class _Place(NamedTuple):
    """A bare path of this step."""

    given: BarePath
    collection: str | None
    """The collection that is known to have it."""
    key: str

    @property
    def uri(self) -> str:
        """Where it is, as far as that is known."""
        if self.collection is not None:
            return on_collection(self.collection, self.key)
        return on_endpoint(self.given.endpoint, self.key)

    @property
    def where(self) -> Where:
        """Which places are asked for it."""
        return Where(self.collection, self.given.endpoint)


class Evidence(NamedTuple):
    """Why something at a place is new: the function that named it, and what it derives from."""

    named: NamedPath | None
    depends_on: tuple[int, ...]


class _State(NamedTuple):
    """Something new that the step leaves at a place."""

    assumed: bool
    folder: bool


class BarePaths:
    """The bare paths of one step, found among the files of its run."""

    def __init__(
        self,
        things: Things,
        files: RunFiles,
        paths: Iterable[BarePath],
        collections: Collections,
        *,
        succeeded: bool,
        known: Container[str] = (),
        functions: Iterable[str] = (),
    ) -> None:
        """`known` are the URIs, in their normal form, of what the step is known to have used,
        `functions` those of the functions that it calls."""
        self._things = things
        self._known = known
        self._functions = [*functions]
        self._files = files
        self._succeeded = succeeded
        self._places = [*_places(paths, collections)]
        self._found: dict[int, tuple[int, bool]] = {}
        """By the number of a place: the record that it stands for, and whether that is assumed."""
        self._new: dict[str, _State] = {}
        """By its URI what this step leaves."""
        self._used: set[int] = set()
        self._named_directly = False
        self._on: dict[tuple[str, str], list[str]] = {}
        """What is assumed: (endpoint, collection), and the paths that it follows from."""

    @property
    def uris(self) -> list[str]:
        """Where files may be that other runs recorded."""
        return [place.uri for place in self._places if place.collection is not None]

    # ---- what the step is given ----------------------------------------------------------

    def used(self) -> list[int]:
        """The records that the arguments of the step name."""
        given = {n: place for n, place in enumerate(self._places) if not place.given.returned}
        found = {number: self._candidates(place) for number, place in given.items()}
        # A folder around all that there is, such as the mount point of a file system, is given
        # besides the files that are meant.
        self._named_directly = any(found.values())
        for number, place in given.items():
            if not found[number] and not self._named_directly:
                found[number] = self._files.below(place.key, place.where)
        # Where a file was brought to an endpoint, the place that it came from is not meant too.
        brought = {
            _collection(file) for number, files in found.items() for file in files if file.made
        }
        ids: dict[int, None] = {}
        for number, place in given.items():
            files = [f for f in found[number] if not brought or _collection(f) in brought]
            ids.update(dict.fromkeys(self._argument(number, place, files)))
        self._used = set(ids)
        return list(ids)

    def _candidates(self, place: _Place) -> list[RunFile]:
        """The file at a path, and what was made below it since; else the folder around it."""
        if (hit := self._files.at(place.key, place.where)) is not None:
            below = self._files.below(place.key, place.where)
            return [hit, *(file for file in below if file.when > hit.when)]
        around = self._files.around(place.key, place.where)
        return [] if around is None else [around]

    def _argument(self, number: int, place: _Place, found: list[RunFile]) -> list[int]:
        if not found:
            return self._elsewhere(number, place)
        hit = self._files.at(place.key, place.where)
        self._keep(number, place, found[0])
        if self._succeeded and found[0].folder == FOLDER:
            self._work_in(place, hit, found[0])
        return [file.record_id for file in found]

    def _work_in(self, place: _Place, hit: RunFile | None, folder: RunFile) -> None:
        """A function that is given a folder to work in leaves something there."""
        if hit is not None:
            self._new[hit.uri] = _State(assumed=True, folder=True)
        elif folder.made and (collection := _collection(folder)) is not None:
            uri = on_collection(collection, place.key)
            self._new[uri] = _State(assumed=True, folder=False)

    def _elsewhere(self, number: int, place: _Place) -> list[int]:
        """What is known at a path that no file of this run has."""
        known = None if place.collection is None else self._things.known(place.uri)
        if known is not None and not self._writes(place, known):
            self._found[number] = (known, False)
            return [known]
        named = self._files.naming(place.key, place.where, inside=False)
        if named is None and not self._named_directly:
            inside = self._files.returned_below(place.key, place.where)
            return [self._returned_by(each, each.uri) for each in inside if self._is_new(each.uri)]
        if named is None or not self._is_new(place.uri):
            return []
        if not named.returned:
            self._things.steps.append(named.step_id)
            return []
        made = self._returned_by(named, place.uri)
        self._found[number] = (made, False)
        return [made]

    def _writes(self, place: _Place, known: int) -> bool:
        """Whether the step writes at a place anew where another run left something."""
        if any(other.given.returned and other.uri == place.uri for other in self._places):
            return True
        functions = [i for uri in self._functions if (i := self._things.known(uri)) is not None]
        return bool(functions) and self._things.lookup.made_with(known, functions)

    def _is_new(self, uri: str) -> bool:
        return normal_uri(uri) not in self._known

    def _returned_by(self, named: NamedPath, uri: str) -> int:
        return self.state(Thing(name_of_uri(uri), uris=(Uri(uri),)), Evidence(named, ()))

    def _keep(self, number: int, place: _Place, found: RunFile) -> None:
        collection = _collection(found) if place.collection is None else None
        if collection is not None:
            self._on.setdefault((place.given.endpoint, collection), []).append(place.given.path)
        self._found[number] = (found.record_id, collection is not None)

    # ---- what the step makes -------------------------------------------------------------

    def left(self) -> list[Thing]:
        """What the step's function returned the paths of, or was given to work in: new things."""
        for number, place in enumerate(self._places):
            if place.given.returned:
                self._returned(number, place)
        return [_thing(uri, new) for uri, new in self._new.items()]

    def _returned(self, number: int, place: _Place) -> None:
        hit = self._files.at(place.key, place.where)
        if hit is not None and hit.folder is None and hit.record_id in self._used:
            self._found[number] = (hit.record_id, False)
            return  # a file that it was given, named again
        new = _State(assumed=place.collection is None, folder=False)
        if place.collection is not None:
            self._new.setdefault(place.uri, new)
        elif hit is not None:
            self._keep(number, place, hit)
            self._new.setdefault(hit.uri, new)
        elif (around := self._files.around(place.key, place.where)) is not None:
            self._keep(number, place, around)
            if (collection := _collection(around)) is not None:
                self._new.setdefault(on_collection(collection, place.key), new)

    # ---- what is said of it --------------------------------------------------------------

    def document(self) -> list[dict[str, Any]]:
        """The document `PATHS`, for readers and for the steps that follow."""
        kept = []
        for number, place in enumerate(self._places):
            found, assumed = self._found.get(number, (None, False))
            if found is None and not place.given.path.startswith(("/", "~/")):
                continue
            said: dict[str, Any] = {
                "path": place.given.path,
                "where": "result" if place.given.returned else "arguments",
                "at": place.uri,
                "is": None if found is None else self._things.urn(found),
            }
            kept.append({**said, "assumed": True} if assumed else said)
        return kept

    def tags(self) -> dict[str, TagValue]:
        """What is assumed of the step, in words."""
        said = [
            f"The files of Compute endpoint {endpoint or 'unknown'} are taken for those of "
            f"collection {collection}: {_listed(paths)}."
            for (endpoint, collection), paths in self._on.items()
        ]
        return {ASSUMED: " ".join(said)} if said else {}

    # ---- what another step moves or reads ------------------------------------------------

    def source(self, thing: Thing) -> int | None:
        """The record of a file or folder that this step takes from its place, where functions of
        the run left something there since it was last recorded; None where none did."""
        found = self.evidence(thing)
        return None if found is None else self.state(thing, found)

    def evidence(self, thing: Thing) -> Evidence | None:
        """What of this run is in a file or folder that was not when it was last recorded."""
        split = split_uri(thing.place) if thing.uris else None
        if split is None or not split[1].strip("/~") or FOLDER in thing.tags:
            return None
        where, key = Where(split[0]), split[1]
        known, whole = self._things.known(thing.uris[0].uri), thing.tags.get(RECURSIVE) is True
        own = self._files.of(known)
        since = (-1, -1) if own is None else own.when
        held, around = self._files.at(key, where), None
        found = [*([] if held is None else [held]), *self._files.below(key, where)]
        if own is None and not found:
            around = self._files.around(key, where)
        if around is not None and around.made:
            found.append(around)
        sources = [f.record_id for f in found if f.when > since and f.record_id != known]
        named = None
        if own is None or whole:
            named = self._files.naming(key, where, inside=whole, after=since)
        if not sources and named is None:
            return None
        # What another run left there is replaced by what this one leaves.
        before = [] if own is None else [own.record_id]
        return Evidence(named, (*before, *dict.fromkeys(sources)))

    def state(self, thing: Thing, found: Evidence) -> int:
        """A record of what the run left at a place, as far as can be told."""
        named = found.named
        if named is None:
            return self._things.derived(thing, found.depends_on)
        verb = "returned" if named.returned else "was given"
        step = StepHandle(named.step_id, Kind.STEP, "", self._things.recorder)
        note = f"Taken to be made by {self._things.urn(step.id)}, whose function {verb} this path."
        thing = replace(thing, tags={**thing.tags, ASSUMED: note})
        made = self._things.derived(thing, found.depends_on)
        self._things.recorder.generated(step, [made])
        self._things.generated.add(made)
        self._things.lookup.note_maker(made, step.id)
        return made


def _places(paths: Iterable[BarePath], collections: Collections) -> Iterator[_Place]:
    """The paths with the collections that are known to have them; none outside of their roots."""
    for path in paths:
        root, key = collections.get(path.endpoint), path_key(path.path)
        if root is None:
            yield _Place(path, None, key)
        elif (below := root.below(key)) is not None:
            yield _Place(path, root.collection, below)


def _collection(file: RunFile) -> str | None:
    """The collection of a file; None where only its endpoint is known."""
    split = split_uri(file.uri)
    return None if split is None or "/" in split[0] else split[0]


def _thing(uri: str, new: _State) -> Thing:
    tags: dict[str, TagValue] = {FOLDER: True} if new.folder else {}
    if new.assumed:
        tags[ASSUMED] = "Taken to be left here by the step, whose function named this path."
    return Thing(name_of_uri(uri), uris=(Uri(uri),), tags=tags)


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(dict.fromkeys(paths[:_NAMED])) + more
