"""`spool`: record into files, for nodes without network and MPI."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hpc.buffered_sink import BufferedSink
from hpc.settings import BUFFER_MB, SPOOL
from hpc.spool_fallback import SpoolFallback
from hpc.spooling.files import SpoolWriter
from provenance_store.errors import StoreUnavailable
from provenance_store.pickling import sent
from provenance_store.recording.recorder import Recorder
from provenance_store.values import Audience

__all__ = ["ClosingRecorder", "KeepingSink", "spool"]

logger = logging.getLogger("braid.hpc")


class KeepingSink(BufferedSink):
    """A carrier with a spool folder behind it; by itself it puts everything there."""

    def __init__(self, directory: Path | str, *, who: str = "Spool") -> None:
        limit = BUFFER_MB.get() << 20
        super().__init__(SpoolFallback(SpoolWriter(directory), limit=limit, who=who))

    def __reduce__(self) -> tuple[Any, ...]:
        return sent(self, KeepingSink, self._keeper.spool.place)

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

    What is not closed is closed when the process ends, and SIGTERM saves what it holds. It can
    be used in processes forked from this one, and be sent (pickled) to others: each records there
    with an origin of its own.
    """

    def __init__(self, sink: BufferedSink, **about: Any) -> None:
        super().__init__(sink, **about)
        sink.enlist()

    def close(self) -> None:
        """Return when everything recorded is durable. Raises StoreUnavailable if it cannot be."""
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
    strict: bool = False,
) -> ClosingRecorder:
    """Make a Recorder that writes files into a folder (default BRAID_SPOOL), which it creates.

    `flush` and `close` return when everything is on the disk; ``braid spool load`` brings the files
    into a store. Any number of processes may use the same folder, and the same recorder, forked or
    sent to them.

    >>> with braid.hpc.spool("spool") as recorder:
    ...     scan = recorder.data("scan-18")
    """
    sink = KeepingSink(directory or SPOOL.get())
    return ClosingRecorder(
        sink, run_id=run_id, audience=audience, environment=environment, strict=strict
    )
