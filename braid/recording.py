"""Where the `braid record` commands and `braid exec` record to."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.options import Described
from braid.output import Display, Document
from braid.source import Source
from provenance_store.errors import BraidError, InvalidInput, ServiceUnavailable

if TYPE_CHECKING:
    from braid.client import QueryClient
    from braid.delivery import Delivery
    from provenance_store.handles import Record
    from provenance_store.reader import Reader
    from provenance_store.recorder import Recorder
    from provenance_store.store import Store

__all__ = ["Place", "file_uri", "recording"]

logging.getLogger("braid.hpc").addHandler(logging.NullHandler())
"""What a sink logs, a command says in its own words, once."""


@dataclass(frozen=True)
class Place:
    """Where a command records to: a store, else a server, else files."""

    recorder: Recorder
    store: Store | None = None
    delivery: Delivery | None = None

    @property
    def history(self) -> Reader | QueryClient | None:
        """What knows what is there already; None when a spool is recorded into.

        Raises ServiceUnavailable for a server that is away.
        """
        if self.store is not None:
            return self.store.reader()
        return None if self.delivery is None else self.delivery.ask()

    def begin_run(self, since: int | None = None) -> None:
        """Make the recorder's run known, as having begun at `since` or before; without it, in a
        store as beginning now, if it is new there."""
        recorder, run_id = self.recorder, self.recorder.run_id
        if not run_id:
            return
        if self.store is None or since is not None:
            recorder.run(run_id, start_time=since)
        elif not self.store.reader().records(run_id=run_id, limit=1)["records"]:
            recorder.run(run_id, start_time=recorder.clock())

    def make(self, described: Described, make: Callable[..., Record]) -> Record:
        """Make a record in its run and link it to its step, at once; `make` is called with what
        the options say of any record."""
        uris = [*described.uris, *map(file_uri, described.files)]
        with self.recorder.together():
            self.begin_run()
            made = make(uris=uris, tags=dict(described.tags), depends_on=described.depends_on)
            self._link_to_step(made, described.made_by)
        return made

    def _link_to_step(self, made: Record, step: str | None) -> None:
        """Link a record that is being made to the step that made it, if one is named.

        Raises InvalidInput when the id is known to be of something else.
        """
        if step is None:
            return
        if self.store is not None and self.store.reader().record(step)["kind"] != "step":
            raise InvalidInput(f"{step} is no step; --made-by takes the id of a step.")
        self.recorder.generated(step, [made])

    def known(self, reference: str) -> Document | None:
        """The document of a record; None where nothing can be asked. Raises NotFound."""
        client = self.delivery.client if self.delivery else None
        history = self.store.reader() if self.store is not None else client
        return None if history is None else history.record(reference)

    def show(self, display: Display, made: Record) -> None:
        """`tell` of a record that was just made."""
        self.tell(display, made.urn, kind=made.kind.label, name=made.name)

    def tell(self, display: Display, urn: str, **about: str) -> None:
        """Say what a record is called for ever, once what was said of it is durable: in JSON its
        document, or `about` where that cannot be asked for.

        Raises what a server has refused it with, when it is kept in the spool.
        """
        problem = self.settle()
        if display.format == "json":
            document = self.known(urn) if problem is None else None
            display.json({"id": urn, **about} if document is None else document)
        else:
            click.echo(urn)
        if isinstance(problem, ServiceUnavailable):
            click.echo(f"braid: {problem.message}", err=True)
        elif problem is not None:
            raise problem

    def settle(self) -> BraidError | None:
        """Return when everything recorded is durable: None, or why a server has not taken it and
        it is in the spool."""
        self.recorder.flush()
        return None if self.delivery is None else self.delivery.problem()


@contextmanager
def recording(
    source: Source, *, run_id: str | None = None, environment: Mapping[str, Any] | str | None = None
) -> Iterator[Place]:
    """Open what the options name, to record one thing into it."""
    if source.spool is not None:
        import hpc

        with hpc.spool(source.spool, run_id=run_id, environment=environment) as recorder:
            yield Place(recorder)
        return
    if source.server is not None:
        from braid.delivery import delivering

        with delivering(source.server, run_id=run_id, environment=environment) as delivery:
            yield Place(delivery.recorder, delivery=delivery)
        return
    with source.open(create=True) as store:
        yield Place(store.recorder(run_id=run_id, environment=environment), store)


def file_uri(path: Path) -> dict[str, Any]:
    """A file as a URI with its size in bytes and its digest."""
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return {
        "uri": path.resolve().as_uri(),
        "size": path.stat().st_size,
        "digest": f"sha256:{digest}",
    }
