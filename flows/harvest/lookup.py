"""What was recorded when a run took place: a later run's file is not this run's input."""

from __future__ import annotations

from collections.abc import Iterable

from flows.steps.lookup import StoreLookup
from provenance_store.reader import Reader

__all__ = ["LookupOfThen"]


class LookupOfThen(StoreLookup):
    """A store's lookup as of the time `at`, in microseconds UTC."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._all = reader
        self.at = 0

    def find_uri(self, uri: str, *, run_id: str | None = None) -> int | None:
        return self.find_uris([uri], run_id=run_id).get(uri)

    def find_uris(self, uris: Iterable[str], *, run_id: str | None = None) -> dict[str, int]:
        return self._all.find_uris_of_then(uris, at=self.at, run_id=run_id)
