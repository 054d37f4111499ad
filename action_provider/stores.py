"""The worker's store: opened at first use, closed at exit, swept of released actions."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable

from provenance_store import forks
from provenance_store.errors import BraidError
from provenance_store.ids import now
from provenance_store.opening import open_store
from provenance_store.store import Store

__all__ = ["StoreHolder"]

log = logging.getLogger(__name__)


class StoreHolder(forks.Forkable):
    """Opens the store once in each process, and again after a failure to open.

    A forked child opens one of its own, and sweeps itself. A server thus starts, and answers
    503, while its database is away. Without `purge_seconds` nothing is swept: another holder
    does it.
    """

    def __init__(
        self, url: str, *, purge_seconds: float | None, open_it: Callable[[str], Store] = open_store
    ) -> None:
        self._url = url
        self._purge_seconds = purge_seconds
        self._open = open_it
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._stop = threading.Event()
        forks.watch(self)

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._store = None
        self._stop = threading.Event()

    def get(self) -> Store:
        """The open store; raises StoreUnavailable and its like when it cannot be opened."""
        forks.check()
        store = self._store
        if store is None:
            with self._lock:
                store = self._store or self._start()
        return store

    def close(self) -> None:
        """Stop sweeping and let go of the store; the next `get` opens it again."""
        self._stop.set()
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()
        atexit.unregister(self.close)

    def _start(self) -> Store:
        store = self._store = self._open(self._url)
        self._stop = threading.Event()
        atexit.register(self.close)
        if self._purge_seconds is not None:
            sweep = (store, self._stop, self._purge_seconds)
            threading.Thread(target=self._sweep, args=sweep, name="purge", daemon=True).start()
        return store

    def _sweep(self, store: Store, stop: threading.Event, seconds: float) -> None:
        while not stop.wait(seconds):
            try:
                store.actions.purge(now())
            except BraidError as error:
                log.warning("Released actions are not removed yet: %s", type(error).__name__)
