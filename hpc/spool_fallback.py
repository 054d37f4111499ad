"""The last resort of a carrier: batches that cannot be delivered go into its spool folder."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Self

import msgspec

from hpc.spooling.files import SpoolWriter
from provenance_store.batch import Batch
from provenance_store.display import counted
from provenance_store.errors import BraidError, InvalidInput, StoreUnavailable

__all__ = ["SpoolFallback"]

logger = logging.getLogger("braid.hpc")


class SpoolFallback:
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
        self._aside: SpoolWriter | None = None
        self.set_asides = 0

    def afresh(self) -> Self:
        """One for a forked child, that holds nothing; the parent's file stays the parent's."""
        self.spool.forget()
        if self._aside is not None:
            self._aside.forget()
        return type(self)(self.spool.again(), limit=self._limit, who=self._who)

    def set_aside(self, batch: Batch, error: Exception) -> None:
        """Report what cannot be encoded; in ``bad/`` of the spool folder it is kept as text."""
        self.set_asides += 1
        logger.error(
            "%s: %d records recorded together cannot be kept and are left out: %s.",
            self._who,
            len(batch.record),
            str(error)[:200].removesuffix("."),
        )
        with suppress(Exception):  # what has no text either is lost
            data = _as_text.encode(batch)
            self._aside = self._aside or self.spool.again(into="bad")
            self._aside.append(data)

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
        if self._aside is not None:
            with suppress(StoreUnavailable):
                self._aside.finish()
        self._empty()
        self.spool.finish()
        if self.given_up:
            raise StoreUnavailable(
                f"{self._who}: neither delivered nor spooled: "
                f"{counted(self.given_up, 'batch', 'batches')}."
            )

    def report(self) -> None:
        """Say where the batches are, if there are any."""
        if self.set_asides:
            logger.error(
                "%s: %d times something could not be kept; see %s.",
                self._who,
                self.set_asides,
                self.spool.directory / "bad",
            )
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
            try:
                self.spool.append(self._held[0])
            except InvalidInput as error:  # this one will never do: those behind it shall
                self.given_up += 1
                logger.error("%s: a batch is lost: %s", self._who, error.message)
            self._bytes -= len(self._held.pop(0))


def _text(value: object) -> str:
    return repr(value)[:1000]


_as_text = msgspec.msgpack.Encoder(enc_hook=_text)
