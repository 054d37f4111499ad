"""What is recorded together: one batch of the calls of one thread, written when the block ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

from provenance_store import processes
from provenance_store.batch import TABLES, Batch
from provenance_store.sink import Sink

__all__ = ["Inside", "Transaction", "inside"]


class Inside:
    """A block inside a `Transaction` whose sink takes all or nothing: there is nothing to undo."""

    __slots__ = ("_batch",)

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __enter__(self) -> Batch:
        return self._batch

    def __exit__(self, *_: object) -> None:
        """The block around it writes."""


def inside(local: threading.local) -> Inside | None:
    """What stands for a further block of this thread, where one is open that needs no more."""
    found: Inside | None = getattr(local, "inside", None)
    return found if found is None or local.process == processes.process else None


class Transaction:
    """The block of `Recorder.transaction`; a class, for it is entered many times for each step."""

    __slots__ = ("_before", "_local", "_outermost", "_settle", "_sink", "_soon")

    def __init__(
        self,
        sink: Sink,
        local: threading.local,
        *,
        soon: bool = False,
        settle: Callable[[Batch], None] | None = None,
    ) -> None:
        self._sink = sink
        self._local = local
        self._soon = soon
        self._settle = settle

    def __enter__(self) -> Batch:
        batch: Batch | None = getattr(self._local, "batch", None)
        self._outermost = batch is None
        if batch is None:
            batch = self._local.batch = self._sink.new_batch()
            self._local.process = processes.process
            self._local.inside = Inside(batch) if self._sink.all_or_nothing else None
        elif self._local.process != processes.process:
            self._leave_to_parent(batch)
        if not (self._outermost or self._sink.all_or_nothing):
            self._before = batch.shape()
        return batch

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._outermost:
            batch, self._local.batch = self._local.batch, None
            self._local.inside = None
            if self._local.process != processes.process:
                self._leave_to_parent(batch)
            if kind is None and (batch.record or len(batch)):
                if self._settle is not None:
                    self._settle(batch)
                (self._sink.write_soon if self._soon else self._sink.write)(batch)
        elif kind is not None and not self._sink.all_or_nothing:
            # Of a call that raises nothing is written, also where the script goes on.
            self._local.batch.cut(self._before)

    def _leave_to_parent(self, batch: Batch) -> None:
        """This process was forked inside the block: what is in the batch the parent writes."""
        self._local.process = processes.process
        for name in TABLES:
            getattr(batch, name).clear()
