"""Where the `braid record` commands and `braid exec` record to."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.cli.options import Described
from braid.cli.output import Display, Document, say
from braid.cli.progress import bytes_progress
from braid.cli.source import Source
from provenance_store.errors import Ambiguous, BraidError, InvalidInput, ServiceUnavailable

if TYPE_CHECKING:
    from braid.cli.client import QueryClient
    from braid.cli.delivery import Delivery
    from provenance_store.files import LocalFile
    from provenance_store.handles import Record
    from provenance_store.queries.document_reader import DocumentReader
    from provenance_store.recording.recorder import Recorder
    from provenance_store.store import Store

__all__ = ["RecordingTarget", "look_at", "reading", "recording"]

logging.getLogger("braid.hpc").addHandler(logging.NullHandler())
"""What a sink logs, a command says in its own words, once."""


@dataclass(frozen=True)
class RecordingTarget:
    """Where a command records to: a store, else a server, else files."""

    recorder: Recorder
    store: Store | None = None
    delivery: Delivery | None = None

    @property
    def history(self) -> DocumentReader | QueryClient | None:
        """What knows what is there already; None when a spool is recorded into.

        Raises ServiceUnavailable for a server that is away.
        """
        if self.store is not None:
            return self.store.documents()
        return None if self.delivery is None else self.delivery.ask()

    def begin_run(self, since: int | None = None) -> None:
        """Make the recorder's run known, as having begun at `since` or before; without it, in a
        store as beginning now, if it is new there."""
        recorder, run_id = self.recorder, self.recorder.run_id
        if not run_id:
            return
        if self.store is None or since is not None:
            recorder.run(run_id, start_time=since)
        elif not self.store.documents().records(run_id=run_id, limit=1)["records"]:
            recorder.run(run_id, start_time=recorder.clock())

    def make(self, described: Described, make: Callable[..., Record]) -> Record:
        """Make a record in its run and link it to its step, at once; `make` is called with what
        the options say of any record."""
        files = look_at(described.files, strict=described.strict)
        with self.recorder.transaction():
            self.begin_run()
            made = make(
                uris=described.uris,
                files=files,
                tags=dict(described.tags),
                depends_on=described.depends_on,
            )
            self._link_to_step(made, described.made_by)
        return made

    def _link_to_step(self, made: Record, step: str | None) -> None:
        """Link a record that is being made to the step that made it, if one is named.

        Raises InvalidInput when the id is known to be of something else.
        """
        if step is None:
            return
        if self.store is not None and self.store.documents().record(step)["kind"] != "step":
            raise InvalidInput(f"{step} is not a step; --made-by takes a step.")
        self.recorder.generated(step, [made])

    def known(self, reference: str) -> Document | None:
        """The document of a record; None where nothing can be asked. Raises NotFound."""
        client = self.delivery.client if self.delivery else None
        history = self.store.documents() if self.store is not None else client
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
            say(problem.message)
        elif problem is not None:
            raise problem

    def settle(self) -> BraidError | None:
        """Return when everything recorded is durable: None, or why a server has not taken it and
        it is in the spool."""
        self.recorder.flush()
        return None if self.delivery is None else self.delivery.problem()


@contextmanager
def recording(
    source: Source,
    *,
    run_id: str | None = None,
    environment: Mapping[str, Any] | str | None = None,
    strict: bool = False,
    create: bool = True,
) -> Iterator[RecordingTarget]:
    """Open what the options name, to record one thing into it; without `create` a store must be
    there.

    What cannot be recorded as it is becomes what can, with a note; with `strict` it is refused.
    """
    about = _about(_known_run(source, run_id), environment, strict)
    if source.spool is not None:
        import hpc

        with hpc.spool(source.spool, **about) as recorder:
            yield RecordingTarget(recorder)
        return
    if source.server is not None:
        from braid.cli.delivery import delivering

        with delivering(source.server, about) as delivery:
            yield RecordingTarget(delivery.recorder, delivery=delivery)
        return
    with source.open(create=create) as store:
        yield RecordingTarget(store.recorder(**about), store)


BEGINNING = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,27}", re.IGNORECASE)
"""Of the UUID of a run, as tables show it."""


def _known_run(source: Source, run_id: str | None) -> str | None:
    """The id of the run that begins so, where one alone does; any other text is the id of a run as
    it is, and may be new. Raises Ambiguous where several begin so."""
    if run_id is None or source.spool is not None or not BEGINNING.fullmatch(run_id):
        return run_id
    try:
        with source.known() as history:
            return str(history.run(run_id, limit=1)["run_id"])
    except Ambiguous:
        raise
    except Exception:  # nothing is recorded the less for a run that cannot be looked up
        return run_id


def _about(
    run_id: str | None, environment: Mapping[str, Any] | str | None, strict: bool
) -> dict[str, Any]:
    """What every recorder is opened with, whichever it is."""
    return {"run_id": run_id or None, "environment": environment, "strict": strict}


LARGE = 64 << 20
"""Reading so many bytes takes long enough to say so on a terminal."""


def look_at(files: Sequence[Path], *, strict: bool = False) -> list[LocalFile]:
    """Local files with size and digest; what has none is told in a note, or refused."""
    from provenance_store.files import look

    with reading(files) as progress:
        seen = [look(path, progress=progress) for path in files]
    for path, file in zip(files, seen, strict=True):
        if file.found.why and strict:
            raise InvalidInput(f"{path} {file.found.why}; with --strict it is not recorded.")
        if file.found.why:
            say(f"{path} {file.found.why}: recorded without size and digest.")
    return seen


@contextmanager
def reading(files: Iterable[Path]) -> Iterator[Callable[[int], object]]:
    """Progress of reading files, shown on a terminal when it takes long."""
    total = sum(map(_size, files))
    if total < LARGE:
        yield lambda size: None
        return
    with bytes_progress(total, "Reading files") as progress:
        yield progress


def _size(path: Path) -> int:
    """How many bytes of a path will be read."""
    from provenance_store.digests import is_tree, not_opened, tree_size

    try:
        found = os.stat(path)
    except OSError:
        return 0
    if is_tree(path):
        return tree_size(path)
    return found.st_size if not_opened(found) is None else 0
