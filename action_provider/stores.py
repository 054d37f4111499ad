"""The worker's store: opened at first use, closed at exit, swept of released actions.

A store that was removed, replaced or upgraded while it was open is lost to whoever opened it. It is
closed then, and what lies at its place is opened once that is a store again: put back, or restored.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from provenance_store import processes
from provenance_store.display import shown
from provenance_store.errors import (
    BraidError,
    ConfigurationError,
    InvalidInput,
    NotFound,
    StoreUnavailable,
)
from provenance_store.ids import now
from provenance_store.opening import open_store
from provenance_store.service import StoreService
from provenance_store.sql.waits import SharedAttempt
from provenance_store.store import Store

__all__ = ["StoreHolder"]

log = logging.getLogger(__name__)

GONE = (
    "There is no store any more where this server's was; put it back, or a backup of it with "
    "`braid store restore BACKUP`."
)


FOREIGN = "What lies where this server's store was is no store of Braid; the log says why."


class StoreHolder(processes.Forkable):
    """Opens the store once in each process, and again after a failure to open, or when it is lost.

    A forked child opens one of its own, and sweeps itself. A server thus starts, and answers 503,
    while its database is away. Without `purge_seconds` nothing is swept: another holder does it.
    Without `create` a store has to be there; it has to be in any case once it was opened: an empty
    one in its place would hide that it is gone.
    """

    def __init__(
        self,
        url: str,
        *,
        purge_seconds: float | None,
        create: bool = True,
        open_it: Callable[..., Store] = open_store,
    ) -> None:
        self._url = url
        self._purge_seconds = purge_seconds
        self._create = create
        self._open = open_it
        self._lock = SharedAttempt()
        self._service: StoreService | None = None
        self._stop = threading.Event()
        processes.watch(self)

    def after_fork_in_child(self) -> None:
        self._lock = SharedAttempt()
        self._service = None
        self._stop = threading.Event()

    def get(self) -> StoreService:
        """The open store as servers use it; raises StoreUnavailable and its like when it cannot be
        opened.

        Those who ask meanwhile are answered with the same attempt to open it.
        """
        processes.check()
        service = self._service
        if service is None or service.is_lost:
            with self._lock:
                service = self._service
                if service is None or service.is_lost:
                    service = self._start()
        return service

    def close(self) -> None:
        """Stop sweeping and let go of the store; the next `get` opens it again."""
        atexit.unregister(self.close)
        with suppress(BraidError), self._lock:
            self._let_go()

    def _let_go(self) -> None:
        self._stop.set()
        service, self._service = self._service, None
        if service is not None:
            service.close()

    def _start(self) -> StoreService:
        if self._service is not None:
            log.warning("The store was removed, replaced or upgraded; it is opened anew.")
            self._let_go()
        service = self._service = StoreService(self._opened())
        self._create = False
        self._stop = threading.Event()
        atexit.register(self.close)
        if self._purge_seconds is not None:
            sweep = (service, self._stop, self._purge_seconds)
            threading.Thread(target=self._sweep, args=sweep, name="purge", daemon=True).start()
        return service

    def _opened(self) -> Store:
        try:
            return self._open(self._url, create=self._create)
        except (NotFound, ConfigurationError):
            if self._create:
                raise
            raise StoreUnavailable(GONE) from None
        except InvalidInput as error:  # the file is wrong, and not what a caller sent
            log.error("The store cannot be opened: %s", shown(error.message))
            raise StoreUnavailable(FOREIGN) from None

    def _sweep(self, service: StoreService, stop: threading.Event, seconds: float) -> None:
        while not stop.wait(seconds):
            try:
                service.actions.purge(now())
            except BraidError as error:
                log.warning("Released actions are not removed yet: %s", type(error).__name__)
