"""Paths without a scheme in arguments and results of functions: which files of the run they are.

A path that equals, or lies under, a path that the run moved, made or named is that file
(`RunFiles`). On which collection the files of a Compute endpoint are, `Collections` may say; else
it is assumed, and the step and what is recorded on that ground have the tag `ASSUMED`. A path that
nothing is known of is not guessed to be a file. It is kept in the step's document `PATHS`, so that
a later step which moves or reads it derives from the function that named it.

What another run left at a path is read by this one only where nothing says that this one has
replaced it: flows work in the same folders run after run. It is replaced

- if this run moved something there, or a function of it returned the path, or was given it under
  a name that says that it writes there (`out`, `--output`, ``>``);
- if the same state of the flow, or the same function, left it there before (`Call.is_like`);
- if a function left it there, and one of this run returns the path, or was given it and is not
  known to have read just that.

The same holds in one run that comes to a state several times: what that state left at a path before
is no input of it. What is replaced is derived from in no case.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

from flows.steps.adapters.base import FOLDER, RECURSIVE, BarePath, Derived, Thing
from flows.steps.collections import Collections
from flows.steps.record_resolver import RecordResolver
from flows.steps.run_files import (
    GLOBUS,
    NamedPath,
    RunFile,
    RunFiles,
    Where,
    on_collection,
    on_endpoint,
    path_key,
    split_uri,
)
from flows.steps.uris import name_of_uri
from provenance_store.enums import Kind
from provenance_store.handles import StepHandle
from provenance_store.queries.document_reader import Call
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
    note: str | None = None
    """What is assumed."""


class _State(NamedTuple):
    """Something new that the step leaves at a place."""

    assumed: bool
    folder: bool


class BarePaths:
    """The bare paths of one step, found among the files of its run."""

    def __init__(
        self,
        things: RecordResolver,
        files: RunFiles,
        paths: Iterable[BarePath],
        collections: Collections,
        *,
        succeeded: bool,
        step: str,
        derived: Derived,
        known: Container[str] = (),
    ) -> None:
        """`step` is the name of the step, `derived` what its documents tell; `known` are the URIs,
        in their normal form, of what it is known to have used."""
        self._things = things
        self._known = known
        self._step = step
        self._functions = derived.functions
        self._told = frozenset(thing.place for thing in derived.outputs)
        self._files = files
        self._succeeded = succeeded
        self._places = [*_places(paths, collections)]
        self._made_by: dict[int, list[Call]] = {}
        self._found: dict[int, tuple[int, bool]] = {}
        """By the number of a place: the record that it stands for, and whether that is assumed."""
        self._new: dict[str, _State] = {}
        """By its URI what this step leaves."""
        self._used: set[int] = set()
        self._of_others: dict[str, int] = {}
        """By their URIs what is read of other runs."""
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
        again = {n: hit for n, place in given.items() if (hit := self._again(place)) is not None}
        given = {n: place for n, place in given.items() if n not in again}
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
        if self._succeeded:
            self._replace(again)
        self._used = set(ids)
        return list(ids)

    @cached_property
    def _call(self) -> Call:
        """This step, which is not recorded yet."""
        functions = (self._things.known(uri) for uri in self._functions)
        return Call(0, self._step, frozenset(i for i in functions if i is not None))

    @property
    def _run_id(self) -> str:
        return self._things.recorder.run_id or ""

    def _makers(self, record_id: int) -> list[Call]:
        if record_id not in self._made_by:
            self._made_by[record_id] = self._things.lookup.makers(record_id, self._run_id)
        return self._made_by[record_id]

    @cached_property
    def _called(self) -> set[int]:
        """The functions that the run has called before this step."""
        return self._things.lookup.called(self._run_id)

    def _again(self, place: _Place) -> RunFile | None:
        """The file at a path that an earlier visit of this state left there."""
        if not self._files.is_named(place.key, place.where):
            return None
        hit = self._files.at(place.key, place.where)
        if hit is None or hit.folder is not None or not hit.made:
            return None
        makers = self._makers(hit.record_id)
        return hit if any(maker.name == self._step for maker in makers) else None

    def _replace(self, again: Mapping[int, RunFile]) -> None:
        """Leave something new where the state left something before, and where a path is given
        both to read and to write."""
        for number, hit in again.items():
            if not self._is_returned(self._places[number]):
                self._new[hit.uri] = _State(assumed=True, folder=False)
        for number, place in enumerate(self._places):
            if place.given.written and number not in again and self._is_read(place):
                there = self._files.at(place.key, place.where)
                uri = place.uri if there is None else there.uri
                if (there is not None and there.folder is None) or uri in self._of_others:
                    self._new.setdefault(uri, _State(assumed=True, folder=False))

    def _is_read(self, place: _Place) -> bool:
        """Whether the step was given a path without a word that it is to write there."""
        return any(p.uri == place.uri and _is_read(p.given) for p in self._places)

    def _is_written(self, place: _Place) -> bool:
        return any(p.uri == place.uri and p.given.written for p in self._places)

    def _is_returned(self, place: _Place) -> bool:
        returned = (p.uri for p in self._places if p.given.returned)
        return place.uri in self._told or place.uri in returned

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
        urn = None if known is None else self._things.urn(known)
        named = self._files.naming(place.key, place.where, inside=False, but=urn)
        if known is not None and not self._is_replaced(place, known, named):
            self._found[number] = (known, False)
            self._of_others[place.uri] = known
            return [known]
        if named is None and not self._named_directly:
            inside = self._files.returned_below(place.key, place.where)
            return [self._returned_by(each, each.uri) for each in inside if self._is_new(each.uri)]
        if named is None or not self._is_new(place.uri):
            return []
        if place.given.written and not self._is_read(place):
            return []
        if not (named.returned or named.written):
            self._things.steps.append(named.step_id)
            return []
        made = self._returned_by(named, place.uri)
        self._found[number] = (made, False)
        return [made]

    def _is_replaced(self, place: _Place, known: int, named: NamedPath | None) -> bool:
        """Whether what another run left at a path is not what the step reads there."""
        if place.given.written and not self._is_read(place):
            return True
        if named is not None and self._replaces(named, known):
            return True
        if self._is_left_unnamed(known, place.key):
            return True
        makers = self._makers(known)
        return any(
            maker.is_like(self._call) or (maker.functions and self._is_returned(place))
            for maker in makers
        )

    def _is_left_unnamed(self, known: int, key: str) -> bool:
        """Whether a function that this run has called too left there what another run left, without
        naming the path, as far as rules tell: it left something there again."""
        makers = [maker for maker in self._makers(known) if maker.functions]
        return any(
            not maker.functions.isdisjoint(self._called)
            and all(path.key != key for path in self._things.lookup.named_by(maker.step_id))
            for maker in makers
        )

    def _replaces(self, named: NamedPath, known: int) -> bool:
        """Whether a function of this run replaced what another run left at a path."""
        return named.returned or named.written or any(m.functions for m in self._makers(known))

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
        given = self._of_others.get(place.uri)
        if hit is not None and hit.folder is None and hit.record_id in self._used:
            given = hit.record_id
        if given is not None and not self._is_written(place):
            self._found[number] = (given, False)
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
            if found is None and not place.given.path.startswith(("/", "~/", GLOBUS)):
                continue
            said: dict[str, Any] = {
                "path": place.given.path,
                "where": "result" if place.given.returned else "arguments",
                "at": place.uri,
                "is": None if found is None else self._things.urn(found),
            }
            said |= {"written": True} if place.given.written else {}
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

    def made_at(self, thing: Thing) -> list[int]:
        """What a step of the run made at the place of a thing."""
        own = self._files.of(self._things.known(thing.uris[0].uri))
        return [own.record_id] if own is not None and own.made else []

    def evidence(self, thing: Thing) -> Evidence | None:
        """What of this run is in a file or folder that was not when it was last recorded."""
        split = split_uri(thing.place) if thing.uris else None
        if split is None or not split[1].strip("/~") or FOLDER in thing.tags:
            return None
        where, key = Where(split[0]), split[1]
        known, whole = self._things.known(thing.uris[0].uri), thing.tags.get(RECURSIVE) is True
        own = self._files.of(known)
        other = known if own is None else None
        since = (-1, -1) if own is None else own.when
        held, around = self._files.at(key, where), None
        found = [*([] if held is None else [held]), *self._files.below(key, where)]
        if own is None and not found:
            around = self._files.around(key, where)
        if around is not None and around.made:
            found.append(around)
        sources = [f.record_id for f in found if f.when > since and f.record_id != known]
        changed = known is not None and self._things.differs(known, thing.uris)
        urn = None if other is None else self._things.urn(other)
        named = self._files.naming(key, where, inside=whole, after=since, but=urn)
        if own is not None and named is not None and not (whole or changed):
            # Of a file that is there only who left it there before is taken to leave it again.
            if self._left_before(own, named):
                return Evidence(named, ())
            named = None
        if not sources and named is None:
            if other is None or not self._is_left_unnamed(other, key):
                return None
            note = f"Not {self._things.urn(other)}, which a function that this run called left."
            return Evidence(None, (), note)
        stands = other is not None and not changed and self._stands(other, named, whole)
        if stands and not sources and not whole:
            return None
        before = [known] if known is not None and (own is not None or (stands and whole)) else []
        return Evidence(named, (*before, *dict.fromkeys(sources)))

    def _left_before(self, own: RunFile, named: NamedPath) -> bool:
        """Whether a file of the run was left by a function that had named the same path for the
        same use as another one did later: a state that the run came to again."""
        if not own.made:
            return False
        makers = {maker.step_id for maker in self._makers(own.record_id)}
        return any(each.step_id in makers and each.is_use_of(named) for each in self._files.named)

    def overwrites(self, thing: Thing) -> bool:
        """Whether a file whose URI the step's function was given is one that it, or an earlier
        call, left there, and that is replaced."""
        known = self._things.known(thing.place) if thing.uris and thing.kind == "data" else None
        if known is None:
            return False
        makers = self._makers(known)
        if self._files.of(known) is not None:
            return any(maker.name == self._step for maker in makers)
        returned = thing.place in self._told
        return any(maker.is_like(self._call) or (maker.functions and returned) for maker in makers)

    def _stands(self, other: int, named: NamedPath | None, whole: bool) -> bool:
        """Whether what another run left at a place is there still; in a folder it may be, besides
        what functions of this run put in, but for what functions left there before."""
        if named is None or whole:
            return not self._makers(other)
        return not self._replaces(named, other)

    def state(self, thing: Thing, found: Evidence) -> int:
        """A record of what the run left at a place, as far as can be told."""
        named = found.named
        if found.note is not None:
            thing = replace(thing, tags={**thing.tags, ASSUMED: found.note})
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


def _is_read(given: BarePath) -> bool:
    return not (given.returned or given.written)


def _places(paths: Iterable[BarePath], collections: Collections) -> Iterator[_Place]:
    """The paths with the collections that are known to have them; none outside of their roots."""
    for path in paths:
        if (split := split_uri(normal_uri(path.path))) is not None:
            yield _Place(path, *split)
            continue
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
