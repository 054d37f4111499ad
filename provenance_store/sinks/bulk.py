"""Loading millions of rows: one transaction, links in the order of their key, indexes last.

Links come version by version, but live in the order of what is depended on. Inserting them as
they come would touch every page of the table for every version. So they are gathered, as bare
numbers, by what they point to, and written from the lowest to the highest.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from provenance_store import processes
from provenance_store.batch import Batch
from provenance_store.enums import Role
from provenance_store.errors import InvalidInput
from provenance_store.sink import DelegatingSink, closing_in
from provenance_store.sinks.database import DatabaseSink
from provenance_store.sql.load import Load
from provenance_store.validation.batches import additions

__all__ = ["BulkSink"]

ROWS_IN_MEMORY = 4_000_000


class BulkBatch(Batch):
    """A batch whose links stay grouped by the record that depends."""

    __slots__ = ("fans",)

    def __init__(self) -> None:
        super().__init__()
        self.fans: list[tuple[Iterable[int], int, int]] = []

    def add_links(self, to_ids: Iterable[int], from_id: int, role: int) -> None:
        self.fans.append((to_ids, from_id, role))

    def __len__(self) -> int:
        return Batch.__len__(self) + len(self.fans)


class BulkSink(DelegatingSink):
    """Gathers new records and writes them in large pieces of one transaction."""

    def __init__(self, store: DatabaseSink, load: Load) -> None:
        super().__init__(store)
        self._lock = threading.Lock()
        self._process = processes.process
        self._load = load
        self._rows = Batch()
        self._links: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._held = 0

    def new_batch(self) -> Batch:
        return BulkBatch()

    def write(self, batch: Batch) -> None:
        if self._process != processes.process:
            raise InvalidInput(
                "A bulk load is written by the process that began it; record with a store of "
                "this process."
            )
        if not isinstance(batch, BulkBatch) or batch.action:
            raise InvalidInput("A bulk load takes what its own recorder records.")
        made = {row[0] for row in batch.record}
        if additions(batch) or not made.issuperset(fan[1] for fan in batch.fans):
            raise InvalidInput(
                "A bulk load takes new records only; add to live records and steps afterwards."
            )
        with self._lock:
            self._hold(batch)
            if self._held >= ROWS_IN_MEMORY:
                self._write_held()

    def later(self, table: str, key: tuple[Any, ...], at: int) -> int:
        """Nothing was said yet of what is new."""
        return at

    def closing(
        self, batch: Batch, ids: Sequence[int], record_id: int, *, made_by: bool
    ) -> frozenset[int]:
        """Nothing in the store derives from what is new, and its links are locked meanwhile."""
        return closing_in(batch, ids, record_id, made_by=made_by)

    def flush(self) -> None:
        """Write what is held; it is durable when the load ends."""
        if self._process != processes.process:
            return  # what is held is the parent's
        with self._lock:
            self._write_held()

    def _hold(self, batch: BulkBatch) -> None:
        self._rows.extend(batch)
        self._held += Batch.__len__(batch)
        for to_ids, from_id, role in batch.fans:
            by_target = self._links[role]
            for to_id in to_ids:
                by_target[to_id].append(from_id)
            self._held += len(to_ids)  # type: ignore[arg-type]
        for row in batch.link:
            self._links[row[2]][row[0]].append(row[1])
        self._rows.link.clear()

    def _write_held(self) -> None:
        self._load.batch(self._rows)
        self._load.has_parameters |= Role.GENERATED_BY.value in self._links
        self._load.links(chain.from_iterable(self._sorted()))
        self._rows = Batch()
        self._links.clear()
        self._held = 0

    def _sorted(self) -> Iterator[list[tuple[int, int, int]]]:
        """The links held, in the order of their primary key: a list for each target."""
        roles = sorted(self._links.items())
        for to_id in sorted({to_id for _, by_target in roles for to_id in by_target}):
            rows = [
                (to_id, from_id, role)
                for role, by_target in roles
                if to_id in by_target
                for from_id in dict.fromkeys(by_target[to_id])
            ]
            rows.sort()  # most are in their order, which a set would lose
            yield rows
