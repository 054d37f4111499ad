"""What is recorded already, as far as the caller may see it: the seam to the store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

import msgspec

from flows.steps.adapters.base import FUNCTIONS
from flows.steps.limits import MAX_LINKS
from flows.steps.run_files import PATHS, NamedPath, RunFile, RunFiles, named_paths
from provenance_store.enums import Kind
from provenance_store.errors import NotFound
from provenance_store.queries.document_reader import LAST, Call, DocumentReader, Head
from provenance_store.validation.uris import normal_uri
from provenance_store.values import Uri

__all__ = ["Head", "Lookup", "MadeByStep", "MemoryLookup", "StoreLookup", "files_of_run"]

T = TypeVar("T")
MOST_FILES, EARLIEST = 1_200, 200
"""As many of the files of a run are remembered as a store tells, some of them the first."""


class MadeByStep(NamedTuple):
    """What a step made: ids of records, and of model versions."""

    outputs: tuple[int, ...]
    models: tuple[int, ...]


class Lookup(ABC):
    """Answers what a record step needs to know; what the caller may not see is not there."""

    @abstractmethod
    def resolve(self, reference: str) -> int:
        """The id of a URN or short id. Raises NotFound."""

    @abstractmethod
    def find_uri(self, uri: str, *, run_id: str | None = None) -> int | None:
        """The newest record with that URI, of that run first; None if there is none."""

    @abstractmethod
    def heads(self, name: str, *, run_id: str | None = None) -> list[Head]:
        """Versions of models of that name that none revises: of that run first, newest first."""

    @abstractmethod
    def version(self, record_id: int) -> Head | None:
        """The model version with that id; None if it is another kind of record."""

    @abstractmethod
    def made_by(self, step_id: int) -> MadeByStep:
        """What a step made: as far as the links of one step go, and one more if there are more."""

    @abstractmethod
    def makers(self, record_id: int, run_id: str) -> list[Call]:
        """The steps that made a record, compared with those of a run."""

    @abstractmethod
    def called(self, run_id: str) -> set[int]:
        """The functions that a run has called so far."""

    @abstractmethod
    def named_by(self, step_id: int) -> list[NamedPath]:
        """The paths that a step's functions named."""

    @abstractmethod
    def places(self, ids: Collection[int]) -> dict[int, list[Uri]]:
        """Where the bytes of these records are, and what is known of them."""

    def resolve_all(self, references: Iterable[str]) -> dict[str, int]:
        """The ids of those URNs and short ids that name something; all at once where it can."""
        found = {}
        for reference in references:
            with suppress(NotFound):
                found[reference] = self.resolve(reference)
        return found

    def find_uris(self, uris: Iterable[str], *, run_id: str | None = None) -> dict[str, int]:
        """`find_uri` for several, those that are known; all at once where it can."""
        found = ((uri, self.find_uri(uri, run_id=run_id)) for uri in uris)
        return {uri: record_id for uri, record_id in found if record_id is not None}

    def run_files(self, run_id: str) -> RunFiles:
        """The files of a run, and the paths that its functions named."""
        return RunFiles()

    def last_step(self, run_id: str) -> int | None:
        """The step of a run that was recorded last, where it can be asked for."""
        return None

    def names_paths(self, run_id: str) -> bool:
        """Whether functions of the run named any."""
        return bool(self.run_files(run_id).named)

    remembers_files = False
    """Whether it is to be told of these, for they cannot be found yet."""

    def note_files(  # noqa: B027
        self, run_id: str, files: Iterable[RunFile], named: Iterable[NamedPath]
    ) -> None:
        """Told of the files and paths of each step."""

    def note_uri(self, uri: str, record_id: int, *, run_id: str | None = None) -> None:  # noqa: B027
        """Told of each record that is made; a store finds it by itself once it is written."""

    def note_places(self, record_id: int, uris: Iterable[Uri]) -> None:  # noqa: B027
        """Told where its bytes are."""

    def note_version(self, head: Head, *, parent: int | None) -> None:  # noqa: B027
        """Told of each model version that is made."""

    def note_made(self, call: Call, made: MadeByStep, *, run_id: str | None) -> None:  # noqa: B027
        """Told of what each step made."""

    def note_maker(self, record_id: int, step_id: int) -> None:  # noqa: B027
        """Told of each record that turns out to be made by an earlier step."""


class StoreLookup(Lookup):
    """Asks a store on behalf of the reader's viewer: ``StoreLookup(store.documents(viewer))``."""

    def __init__(self, reader: DocumentReader) -> None:
        self._reader = reader

    def resolve(self, reference: str) -> int:
        return self._reader.resolve(reference)

    def find_uri(self, uri: str, *, run_id: str | None = None) -> int | None:
        return self._reader.find_uri(uri, run_id=run_id)

    def heads(self, name: str, *, run_id: str | None = None) -> list[Head]:
        return self._reader.heads(name, run_id=run_id)

    def version(self, record_id: int) -> Head | None:
        return self._reader.version(record_id)

    def makers(self, record_id: int, run_id: str) -> list[Call]:
        return self._reader.makers(record_id, run_id, FUNCTIONS)

    def called(self, run_id: str) -> set[int]:
        return self._reader.called(run_id, FUNCTIONS)

    def named_by(self, step_id: int) -> list[NamedPath]:
        document = self._reader.document(step_id, PATHS)
        return [] if document is None else named_paths(step_id, 0, msgspec.json.decode(document))

    def places(self, ids: Collection[int]) -> dict[int, list[Uri]]:
        return self._reader.places(ids)

    def resolve_all(self, references: Iterable[str]) -> dict[str, int]:
        return self._reader.resolve_all(references)

    def find_uris(self, uris: Iterable[str], *, run_id: str | None = None) -> dict[str, int]:
        return self._reader.find_uris(uris, run_id=run_id)

    def run_files(self, run_id: str) -> RunFiles:
        return RunFiles(*files_of_run(self._reader, run_id))

    def last_step(self, run_id: str) -> int | None:
        return self._reader.last_step(run_id)

    def names_paths(self, run_id: str) -> bool:
        return self._reader.has_documents(run_id, PATHS)

    def made_by(self, step_id: int) -> MadeByStep:
        made = self._reader.made_by(step_id, limit=MAX_LINKS + 1)
        return MadeByStep(
            tuple(record_id for record_id, kind in made if kind is not Kind.MODEL),
            tuple(record_id for record_id, kind in made if kind is Kind.MODEL),
        )


def files_of_run(
    reader: DocumentReader, run_id: str, until: int = LAST
) -> tuple[list[RunFile], list[NamedPath]]:
    """What a store has of the files of a run, until a time in microseconds UTC."""
    places = reader.run_files(run_id, PATHS, until=until)
    files = [
        RunFile(place.record_id, place.at, place.uri, place.is_made, place.folder)
        for place in places
        if place.uri is not None
    ]
    named = [
        path
        for place in places
        if place.document is not None
        for path in named_paths(place.record_id, place.at, msgspec.json.decode(place.document))
    ]
    return files, named


class MemoryLookup(Lookup):
    """Knows what it was told, and asks `behind` for the rest.

    The in-memory twin for tests; over a store's lookup it lets several steps be recorded in one
    batch and find each other before the batch is written. `resolver` reads references when there
    is nothing behind, such as `MemorySink.resolve`.
    """

    def __init__(
        self, behind: Lookup | None = None, *, resolver: Callable[[str], int] | None = None
    ) -> None:
        self._behind = behind
        self._resolver = resolver
        self._uris: dict[tuple[str | None, str], int] = {}
        self._versions: dict[int, Head] = {}
        self._parents: set[int] = set()
        self._made: dict[int, MadeByStep] = {}
        self._calls: dict[int, tuple[str | None, Call]] = {}
        """With the runs that they are of."""
        self._makers: dict[int, int] = {}
        self._places: dict[int, list[Uri]] = {}
        self._files: dict[str, tuple[list[RunFile], list[NamedPath]]] = {}

    def resolve(self, reference: str) -> int:
        if self._behind is not None:
            return self._behind.resolve(reference)
        if self._resolver is not None:
            return self._resolver(reference)
        raise NotFound(f"There is no record {reference}.")

    def find_uri(self, uri: str, *, run_id: str | None = None) -> int | None:
        if (found := self._told(uri, run_id)) is not None:
            return found
        return self._behind.find_uri(uri, run_id=run_id) if self._behind else None

    def _told(self, uri: str, run_id: str | None) -> int | None:
        norm = normal_uri(uri)
        return self._uris.get((run_id, norm), self._uris.get((None, norm)))

    def resolve_all(self, references: Iterable[str]) -> dict[str, int]:
        if self._behind is not None:
            return self._behind.resolve_all(references)
        return super().resolve_all(references)

    def find_uris(self, uris: Iterable[str], *, run_id: str | None = None) -> dict[str, int]:
        if self._behind is None:
            return super().find_uris(uris, run_id=run_id)
        own = {uri: self._told(uri, run_id) for uri in uris}
        asked = [uri for uri, record_id in own.items() if record_id is None]
        told = {uri: record_id for uri, record_id in own.items() if record_id is not None}
        return told | self._behind.find_uris(asked, run_id=run_id)

    def heads(self, name: str, *, run_id: str | None = None) -> list[Head]:
        told = [head for head in reversed(self._versions.values()) if head.name == name]
        known = self._behind.heads(name, run_id=run_id) if self._behind else []
        ends = [head for head in (*told, *known) if head.id not in self._parents]
        return sorted(ends, key=lambda head: head.run_id != run_id)

    def version(self, record_id: int) -> Head | None:
        if (head := self._versions.get(record_id)) is not None:
            return head
        return self._behind.version(record_id) if self._behind else None

    def made_by(self, step_id: int) -> MadeByStep:
        if (made := self._made.get(step_id)) is not None:
            return made
        return self._behind.made_by(step_id) if self._behind else MadeByStep((), ())

    def makers(self, record_id: int, run_id: str) -> list[Call]:
        if (step_id := self._makers.get(record_id)) is not None:
            of_run, call = self._calls[step_id]
            return [call._replace(same_flow=of_run == run_id)]
        return self._behind.makers(record_id, run_id) if self._behind else []

    def called(self, run_id: str) -> set[int]:
        told = (call.functions for of_run, call in self._calls.values() if of_run == run_id)
        behind = self._behind.called(run_id) if self._behind else set[int]()
        return behind.union(*told)

    def named_by(self, step_id: int) -> list[NamedPath]:
        of_run, _ = self._calls.get(step_id, (None, None))
        if of_run is not None:
            return [path for path in self._files[of_run][1] if path.step_id == step_id]
        return self._behind.named_by(step_id) if self._behind else []

    def places(self, ids: Collection[int]) -> dict[int, list[Uri]]:
        told = {i: self._places[i] for i in ids if i in self._places}
        asked = [i for i in ids if i not in told]
        return told | self._behind.places(asked) if self._behind and asked else told

    remembers_files = True

    def run_files(self, run_id: str) -> RunFiles:
        behind = self._behind.run_files(run_id) if self._behind else RunFiles()
        files, named = self._files.get(run_id, ((), ()))
        known = {file.record_id for file in behind.files}
        said = {path.step_id for path in behind.named}
        return RunFiles(
            [*behind.files, *(file for file in _ends(files) if file.record_id not in known)],
            [*behind.named, *(path for path in _ends(named) if path.step_id not in said)],
        )

    def note_files(self, run_id: str, files: Iterable[RunFile], named: Iterable[NamedPath]) -> None:
        told = self._files.setdefault(run_id, ([], []))
        told[0].extend(files)
        told[1].extend(named)

    def note_uri(self, uri: str, record_id: int, *, run_id: str | None = None) -> None:
        norm = normal_uri(uri)
        self._uris[run_id, norm] = self._uris[None, norm] = record_id

    def note_version(self, head: Head, *, parent: int | None) -> None:
        self._versions[head.id] = head
        if parent is not None:
            self._parents.add(parent)

    def note_places(self, record_id: int, uris: Iterable[Uri]) -> None:
        self._places[record_id] = [*uris]

    def note_made(self, call: Call, made: MadeByStep, *, run_id: str | None) -> None:
        self._made[call.step_id], self._calls[call.step_id] = made, (run_id, call)
        self._makers.update(dict.fromkeys((*made.outputs, *made.models), call.step_id))

    def note_maker(self, record_id: int, step_id: int) -> None:
        self._makers[record_id] = step_id


def _ends(told: Sequence[T]) -> Sequence[T]:
    """The first and the last of very many."""
    return told if len(told) <= MOST_FILES else (*told[:EARLIEST], *told[EARLIEST - MOST_FILES :])
