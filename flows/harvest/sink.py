"""Ids of what is harvested: the same ones whoever harvests a run, and however often.

Each run has an origin of its own, and each place in the run a block of ids in it; a step that
makes more than a block holds has a further origin for the rest. So two harvests at the same time
write the same rows, and a store that was lost gets its URNs back.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from provenance_store.batch import Batch
from provenance_store.ids import MAX_SEQUENCE, make_id, urn_of
from provenance_store.sink import DelegatingSink, login, new_origin
from provenance_store.store import Store

__all__ = ["MAX_ORDINAL", "HarvestSink"]

NAMESPACE = uuid.UUID("5d1b0f0e-53a7-5c3e-9d6e-8f0c1c6a7b42")
BLOCK = 2048
MAX_ORDINAL = MAX_SEQUENCE // BLOCK // 2 - 1
"""The higher half of the places is for what is added to steps that are there."""
FINAL_EVENT = 1
"""The number of the event that says how a run ended: where it is, the whole run was harvested."""


class HarvestSink(DelegatingSink):
    """A store's sink for one run; what is written to it waits in `held`."""

    def __init__(self, store: Store, run_id: str, *, who: str | None = None) -> None:
        super().__init__(store.sink)
        self._store = store
        self._run_id = run_id
        self._who = who
        self.who = who or login()
        """Who is told to have added what is added to a step that is there."""
        self._next: Callable[[], int] = self.new_event_id
        self._origins: dict[str, int] = {}
        self.held: list[Batch] = []
        self.rows = 0
        """How many rows are held."""

    @property
    def final_event_id(self) -> int:
        """The id of the event that says how the run ended."""
        return make_id(self._number(self._run_id), FINAL_EVENT)

    @staticmethod
    def final_event_of(store: Store, run_id: str) -> int | None:
        """The id of that event where anything of the run was harvested, else None."""
        return store.sink.locate(urn_of(_uuid(run_id), FINAL_EVENT))

    def new_event_id(self) -> int:
        """An id that is made only once."""
        return self._store.sink.new_id()

    def at(self, ordinal: int | None, *, addition: bool = False) -> None:
        """From now on hand out the ids of that place in the run, from the first: those of the step
        itself, or of what is added to it later. Where the place is not known, ids that are made
        only once: those of places are for whoever knows the whole run."""
        if ordinal is None:
            self._next = self.new_event_id
            return
        self._next = _Block(self, ordinal + (MAX_ORDINAL + 1) * addition).next

    def apart(self) -> None:
        """From now on hand out ids that are made only once: for what is added to a step, which
        differs with what is known when the run is harvested."""
        self._next = self.new_event_id

    def new_id(self) -> int:
        return self._next()

    def write(self, batch: Batch) -> None:
        # What each step says of its run is said once for all of them.
        batch.run_event.clear()
        batch.run_tag.clear()
        self.hold(batch)

    def hold(self, batch: Batch) -> None:
        """Hold a batch as it is."""
        self.held.append(batch)
        self.rows += len(batch)

    def take(self) -> Batch:
        """All that is held, as one batch; afterwards nothing is."""
        held, self.held, self.rows = self.held, [], 0
        return Batch.merged(held)

    def in_block(self, ordinal: int, count: int) -> int:
        """The count-th id of a place in the run, counted from 0."""
        if count < BLOCK:
            return make_id(self._number(self._run_id), ordinal * BLOCK + count)
        return make_id(self._number(f"{self._run_id}/{ordinal}"), count - BLOCK + 1)

    def _number(self, name: str) -> int:
        if name not in self._origins:
            origin = new_origin(0, who=self._who)._replace(uuid=_uuid(name))
            self._origins[name] = self._store.sink.number_of(origin)
        return self._origins[name]


def _uuid(name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, name))


class _Block:
    """The ids of one place in a run."""

    def __init__(self, sink: HarvestSink, ordinal: int) -> None:
        self._sink = sink
        self._ordinal = ordinal
        self._count = -1

    def next(self) -> int:
        self._count += 1
        return self._sink.in_block(self._ordinal, self._count)
