"""Turns among the threads of a process that writes, where SQLite lets one write at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from action_provider.lanes.pieces import ROWS_A_PIECE
from provenance_store.writer import Courtesy

__all__ = ["TURNS", "Turns"]


class Turns(Courtesy):
    """One thread at a time works, and the others go on when it waits.

    All threads share one interpreter. Whoever writes gives it away at every statement, and has it
    back only when the others have made a pause; meanwhile it holds the store, for which all other
    processes wait. So nobody works while one writes.
    """

    rows = ROWS_A_PIECE
    pauses = 4.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = threading.local()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Around work; within itself it changes nothing."""
        if self._has_turn():
            yield
            return
        self._take()
        try:
            yield
        finally:
            self._give()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Around waiting; nothing for a thread that has no turn."""
        if not self._has_turn():
            yield
            return
        self._give()
        try:
            yield
        finally:
            self._take()

    def _has_turn(self) -> bool:
        return getattr(self._threads, "has_turn", False)

    def _take(self) -> None:
        self._lock.acquire()
        self._threads.has_turn = True

    def _give(self) -> None:
        self._threads.has_turn = False
        self._lock.release()


TURNS = Turns()
"""Those of this process."""
