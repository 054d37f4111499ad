"""What is different for the application of a lane's process."""

from __future__ import annotations

from flask import g, has_request_context

from action_provider.fair_queue import TURNS
from action_provider.metrics import Metrics
from provenance_store.opening import open_store
from provenance_store.store import Store

__all__ = ["Tally", "open_patiently"]


class Tally(Metrics):
    """Counts for the worker what its requests wrote; harvests, which are nobody's request by then,
    it counts itself."""

    answers = 0

    def recorded(self, records: int, steps: int) -> None:
        if has_request_context():
            g.tally = (records, steps)
        else:
            super().recorded(records, steps)
            self._count_regularly()  # no request that is answered here begins that


def open_patiently(url: str, *, create: bool = True, question_seconds: float) -> Store:
    """The store, opened by a process that lets others write first: SQLite has one writer.

    What is read takes no longer than `question_seconds`: who asks waits no longer, and neither do
    those who ask after.
    """
    store = open_store(url, create=create)
    store.sink.session.longest = question_seconds
    if url.startswith("sqlite:"):
        store.sink.writer.courtesy = TURNS
    return store
