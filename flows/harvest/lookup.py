"""What was recorded when a run took place: a later run's file is not this run's input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flows.steps.adapters.base import FUNCTIONS
from flows.steps.lookup import StoreLookup, files_of_run
from flows.steps.run_files import RunFiles
from provenance_store.reader import Reader

__all__ = ["LookupOfThen"]


class LookupOfThen(StoreLookup):
    """A store's lookup as of the time `at`, in microseconds UTC."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._all = reader
        self.at = 0
        self._new: dict[str, int] = {}

    def note(self, urns: Mapping[str, int]) -> None:
        """Told of what is recorded but not written yet."""
        self._new.update(urns)

    def resolve(self, reference: str) -> int:
        found = self._new.get(reference)
        return super().resolve(reference) if found is None else found

    def resolve_all(self, references: Iterable[str]) -> dict[str, int]:
        asked = list(references)
        new = {urn: self._new[urn] for urn in asked if urn in self._new}
        return new | super().resolve_all(urn for urn in asked if urn not in new)

    def find_uri(self, uri: str, *, run_id: str | None = None) -> int | None:
        return self.find_uris([uri], run_id=run_id).get(uri)

    def run_files(self, run_id: str) -> RunFiles:
        return RunFiles(*files_of_run(self._all, run_id, self.at))

    def called(self, run_id: str) -> set[int]:
        return self._all.called(run_id, FUNCTIONS, until=self.at)

    def find_uris(self, uris: Iterable[str], *, run_id: str | None = None) -> dict[str, int]:
        return self._all.find_uris_of_then(uris, at=self.at, run_id=run_id)
