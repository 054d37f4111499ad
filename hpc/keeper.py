"""The last resort of a carrier: batches that cannot be delivered go into its spool folder."""

from __future__ import annotations

import logging

from hpc.spool_files import SpoolWriter
from provenance_store.errors import BraidError, StoreUnavailable

__all__ = ["Keeper"]

logger = logging.getLogger("braid.hpc")


class Keeper:
    """Writes batches to a spool; while that cannot be written either, holds them in memory.

    Beyond `limit` bytes held in memory batches are given up, which is logged as an error: the
    simulation goes on whatever happens to its provenance.
    """

    def __init__(self, spool: SpoolWriter, *, limit: int, who: str) -> None:
        self.spool = spool
        self.given_up = 0
        self._limit = limit
        self._who = who
        self._held: list[bytes] = []
        self._bytes = 0
        self._said = False

    def keep(self, data: bytes) -> None:
        """Take a batch; never raises."""
        if self._bytes + len(data) > self._limit:
            self.given_up += 1
            logger.error("%s: a batch of %d bytes is lost: no room left.", self._who, len(data))
            return
        self._held.append(data)
        self._bytes += len(data)
        try:
            self._empty()
        except BraidError as error:
            if not self._said:
                logger.error("%s: %s It is tried again.", self._who, error.message)
            self._said = True

    def settle(self) -> None:
        """Return when everything taken is on the disk; raises StoreUnavailable if it cannot be."""
        self._empty()
        self.spool.finish()
        if self.given_up:
            raise StoreUnavailable(
                f"{self._who}: {self.given_up} batches could neither be delivered nor spooled."
            )

    def report(self) -> None:
        """Say where the batches are, if there are any."""
        if self.spool.batches:
            logger.warning(
                "%s: %d batches are kept in %s; bring them in with `braid spool load %s`.",
                self._who,
                self.spool.batches,
                self.spool.directory,
                self.spool.directory,
            )

    def _empty(self) -> None:
        while self._held:
            self.spool.append(self._held[0])
            self._bytes -= len(self._held.pop(0))
