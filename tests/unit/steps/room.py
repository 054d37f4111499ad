"""A room to record steps in, in memory: what the tests of recording share."""

from __future__ import annotations

import itertools
from typing import Any

from flows.steps import MemoryLookup, Receipt, read_body, record_step
from provenance_store.batch import Batch
from provenance_store.enums import Role
from provenance_store.recording.recorder import Recorder
from provenance_store.sink import MemorySink

TRANSFER = "https://transfer.actions.globus.org/transfer"


class Room:
    """A recorder into memory, and what it has written."""

    def __init__(self, *, run_id: str = "r1") -> None:
        self.sink = MemorySink()
        self.lookup = MemoryLookup(resolver=self.sink.resolve)
        self._ticks = itertools.count(1)
        self.recorder = self.recorder_of(run_id)

    def recorder_of(self, run_id: str) -> Recorder:
        return Recorder(self.sink, run_id=run_id, environment=None, clock=lambda: next(self._ticks))

    def record(self, name: str = "Analyse", *, run_id: str | None = None, **body: Any) -> Receipt:
        step = {"name": name, **body.pop("step", {})}
        run = {"run_id": run_id or self.recorder.run_id, **body.pop("run", {})}
        recorder = self.recorder if run_id is None else self.recorder_of(run_id)
        return record_step(recorder, self.lookup, read_body({"run": run, "step": step, **body}))

    @property
    def last(self) -> Batch:
        return self.sink.batches[-1]

    def links(self, role: Role) -> set[tuple[int, int]]:
        """(dependent, what it depends on) of the last batch."""
        return {(row.from_id, row.to_id) for row in self.last.link if row.role == role}

    def tags(self, record_id: int) -> dict[str, str]:
        rows = Batch.merged(self.sink.batches).tag
        return {row.name: row.text for row in rows if row.record_id == record_id}

    def urn(self, record_id: int) -> str:
        return self.sink.urn(record_id)


def status(receipt: Receipt) -> dict[str, Any]:
    """The action status that lands in a flow's state."""
    return {"action_id": "a", "status": "SUCCEEDED", "details": receipt.document()}


def transfer(source: str, destination: str) -> dict[str, Any]:
    item = {"source_path": source.partition(":")[2], "destination_path": destination[2:]}
    return {
        "source_endpoint": source.partition(":")[0],
        "destination_endpoint": destination.partition(":")[0],
        "DATA": [item],
    }
