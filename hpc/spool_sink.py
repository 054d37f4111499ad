"""`spool`: record into files, for nodes without network and MPI."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hpc.carrier import CarrierSink
from hpc.keeper import Keeper
from hpc.settings import BUFFER_MB, SPOOL
from hpc.signals import guard
from hpc.spool_files import SpoolWriter
from provenance_store.errors import StoreUnavailable
from provenance_store.recorder import Recorder
from provenance_store.values import Audience

__all__ = ["ClosingRecorder", "KeepingSink", "spool"]

logger = logging.getLogger("braid.hpc")


class KeepingSink(CarrierSink):
    """A carrier with a spool folder behind it; by itself it puts everything there."""

    def __init__(self, directory: Path | str, *, who: str = "Spool") -> None:
        super().__init__()
        limit = BUFFER_MB.get() << 20
        self._keeper = Keeper(SpoolWriter(directory), limit=limit, who=who)

    def _deliver(self, data: bytes) -> None:
        self._keeper.keep(data)

    def _settle(self) -> None:
        self._keeper.settle()

    def _spool_all(self) -> None:
        try:
            self._keeper.settle()
        except StoreUnavailable as error:
            logger.error("%s", error.message)
        self._keeper.report()


class ClosingRecorder(Recorder):
    """A Recorder with a sink of its own: `close` it, or use it as a context manager.

    What is not closed is closed when Python exits, and SIGTERM saves what it holds.
    """

    def __init__(self, sink: CarrierSink, **about: Any) -> None:
        super().__init__(sink, **about)
        guard(sink)
        atexit.register(self.close)

    def close(self) -> None:
        """Return when everything recorded is durable. Raises StoreUnavailable if it cannot be."""
        atexit.unregister(self.close)
        self.sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def spool(
    directory: Path | str | None = None,
    *,
    run_id: str | None = None,
    audience: Audience | None = None,
    environment: Mapping[str, Any] | str | None = "auto",
) -> ClosingRecorder:
    """A Recorder into files of a folder (default BRAID_SPOOL), which is made when needed.

    `flush` and `close` return when everything is on the disk; ``braid spool load`` brings it into
    a store. Any number of processes may use the same folder; open one in each, after any fork.
    """
    sink = KeepingSink(directory or SPOOL.get())
    return ClosingRecorder(sink, run_id=run_id, audience=audience, environment=environment)
