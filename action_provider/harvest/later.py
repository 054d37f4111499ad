"""Things to do when their time has come."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Later"]


@dataclass(order=True, frozen=True)
class _Due:
    """Something to do at a time of `time.monotonic`; of two at the same, the first put in."""

    at: float
    number: int
    work: Callable[[], None] = field(compare=False)


class Later:
    """What is to be done later, by whoever asks for what is due; may be used by several threads.

    It holds `most` things; what is put in beyond is left out.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._count = itertools.count()
        self._waiting: list[_Due] = []

    def put(self, seconds: float, work: Callable[[], None]) -> None:
        """Let it be due in so many seconds."""
        with self._lock:
            if len(self._waiting) < self._most:
                due = _Due(time.monotonic() + seconds, next(self._count), work)
                heapq.heappush(self._waiting, due)

    def due(self) -> list[Callable[[], None]]:
        """Take out what is due, the oldest first."""
        found = []
        with self._lock:
            while self._waiting and self._waiting[0].at <= time.monotonic():
                found.append(heapq.heappop(self._waiting).work)
        return found

    def all(self) -> list[Callable[[], None]]:
        """Take out everything."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return [due.work for due in sorted(waiting)]
