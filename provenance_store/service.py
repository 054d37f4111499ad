"""What servers need of a store, and whoever writes batches that were recorded elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from provenance_store.batch import Batch
from provenance_store.enums import Level
from provenance_store.errors import NotAllowed
from provenance_store.ids import now
from provenance_store.queries.actions import Actions
from provenance_store.queries.document_reader import DocumentReader
from provenance_store.queries.prefetch import Prefetch, members_key, prefetch
from provenance_store.recording.environment import Author, making_origins
from provenance_store.recording.recorder import Recorder
from provenance_store.references import NAMED_TAG
from provenance_store.sink import Sink
from provenance_store.sinks.database import BatchRefused, GuardedSink, HeldSink
from provenance_store.sinks.group_commit import Guard
from provenance_store.sql import harvest, inspect, ownership
from provenance_store.sql.dialects import driver
from provenance_store.sql.ownership import OriginOwner, RecordOwner
from provenance_store.sql.step_queries import Prepared
from provenance_store.store import Store
from provenance_store.validation.batches import check_sound
from provenance_store.values import EVERYTHING, Audience, Viewer

__all__ = ["StoreService"]


class StoreService:
    """An open store as servers use it: batches of others, many requests at once, its health.

    Make one and keep it: it holds nothing of its own but how the store's actions are kept.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.sink = store.sink
        self.actions = Actions(store.sink.session)
        self._session = store.sink.session
        self._prepared = store.sink.prepared

    def documents(self, viewer: Viewer = EVERYTHING) -> DocumentReader:
        """Read what a viewer may see as documents."""
        return DocumentReader(self.sink, viewer)

    # ---- recording on behalf of others ---------------------------------------------------

    def recorder(
        self,
        *,
        run_id: str | None = None,
        audience: Audience | None = None,
        environment: Mapping[str, Any] | str | None = None,
        clock: Callable[[], int] = now,
        alone_as: frozenset[str] | None = None,
        held: bool = False,
    ) -> Recorder:
        """As `Store.recorder`; with `held`, what it records is written by `write_held`.

        With `alone_as`, principals, what it records is refused with NotAllowed when anybody
        whose things these do not manage has recorded anything of the run before, or records it at
        the same moment.
        """
        guard = None
        if alone_as is not None and run_id is not None:
            guard = _Alone(self._prepared, alone_as, run_id)
        sink: Sink = self.sink
        if held:
            sink = HeldSink(self.sink, guard)
        elif guard is not None:
            sink = GuardedSink(self.sink, guard)
        return Recorder(
            sink,
            run_id=run_id,
            audience=audience,
            environment=environment,
            clock=clock,
            strict=self.store.strict,
        )

    def write_held(self, recorders: Iterable[Recorder]) -> list[Exception | None]:
        """Write what recorders made with `held` have recorded, in as few commits as may be.

        The answers are in their order: None, or why what that one recorded was not written, the
        error that `write` would raise. One that is refused does not touch the others.
        """
        held = []
        for recorder in recorders:
            if not isinstance(recorder.sink, HeldSink):  # left out, the answers would be others'
                raise TypeError("write_held takes recorders that were made with held=True.")
            held.append((recorder.sink.batch or Batch(), recorder.sink.guard))
        return self.sink.writer.write_many(held)

    # ---- batches that were made elsewhere ------------------------------------------------

    def write(self, batch: Batch, author: Author | None = None) -> None:
        """Write a batch that was made elsewhere; again changes nothing.

        One transaction. Raises InvalidInput when its rows do not go together, when it mentions
        origins that it does not carry and when records would derive from themselves,
        Conflict when the store holds one of its rows with another content, and with an `author`
        NotAllowed for what that one may not write.
        """
        if author is None:
            check_sound(batch)
        own = self.sink.own_numbers(batch, vouched=author is not None, sound=author is None)
        guard = None if author is None else self._by(author, making_origins(own))
        self.sink.write_checked(own, guard)

    def _by(self, author: Author, origins: set[int]) -> Guard:
        guards = [
            _Alone(self._prepared, author.identities, run_id) for run_id in sorted(author.alone_in)
        ]

        def guard(connection: sa.Connection) -> None:
            if foreign := ownership.foreign_origin(connection, origins, author.identities):
                raise NotAllowed(
                    f"The origin {foreign} belongs to somebody else; record with your own."
                )
            for alone in guards:
                alone(connection)

        return guard

    def write_parts(
        self, batches: Sequence[Batch], *, patient: Callable[[int], bool] = lambda place: False
    ) -> list[list[BatchRefused]]:
        """Write batches that were made elsewhere in as few commits as may be.

        The answers are in the order of the batches: what was refused of each, part by part
        (`Batch.parted`); empty when nothing was. What is refused does not touch the rest. Raises
        StoreUnavailable when the store is locked, full or away; some may then be written, and
        writing all of them again changes nothing.

        What records were named by, where no store could be asked, is looked up
        (`transfer.settle_names`): in the batches for whose place `patient` is true, a part is
        refused as long as a name in it names nothing.
        """
        named = [place for place, batch in enumerate(batches) if _may_have_names(batch)]
        if not named:
            return self.sink.write_parts(batches)
        from provenance_store.transfer.settle_names import has_names, write_named

        answers: list[list[BatchRefused]] = []
        # As many batches are answered as were written: `len(answers)` is the next one's place.
        for place in (place for place in named if has_names(batches[place])):
            answers += self.sink.write_parts(batches[len(answers) : place])
            answers.append(write_named(self.sink, batches[place], patient=patient(place)))
        return answers + self.sink.write_parts(batches[len(answers) :])

    # ---- looking up, whoever asks --------------------------------------------------------

    def read_snapshot(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """While it is open, all that this thread looks up singly goes over one connection.

        With `alone`, which says that no other thread uses this store meanwhile, over the one that
        it writes with, which has read most of it already.
        """
        return self._session.read_snapshot(self.sink.writer if alone else None)

    def prefetch(self, wanted: Prefetch) -> None:
        """While `read_snapshot` is open: ask at once what is going to be asked singly."""
        prefetch(self.sink, wanted)

    def run_members(self, run_id: str) -> dict[str, Level] | None:
        """Who may see or manage a run; None when nobody is known to."""
        rows = self._session.look_up(
            members_key(run_id), lambda raw: self._prepared.run_members(raw, run_id)
        )
        return {principal: Level(level) for principal, level in rows} or None

    def is_said_of_run(self, event_id: int) -> bool:
        """Whether this store has the event of a run with that id."""
        with self._session.read() as connection:
            return connection.execute(harvest.event(event_id)).first() is not None

    def find_uris_of_then(
        self, uris: Iterable[str], *, viewer: Viewer, at: int, run_id: str | None = None
    ) -> dict[str, int]:
        """`DocumentReader.find_uris` as of a time, in microseconds UTC: of what was recorded later
        only what depends on nothing is found, and after all else."""
        self.sink.flush()
        with self._session.read() as connection, inspect.explaining(connection):
            rows = [
                (uri, connection.execute(harvest.at_uri(uri, viewer, at, run_id)).first())
                for uri in uris
            ]
        return {uri: row.id for uri, row in rows if row is not None}

    def holders(self, uuids: Iterable[str]) -> dict[str, OriginOwner]:
        """Who writes with those of these origins that are known here, by UUID."""
        with self._session.read() as connection:
            return ownership.holders(connection, uuids)

    def belongings(self, ids: Collection[int]) -> dict[int, RecordOwner]:
        """Kind and audience of those of these records that are here."""
        with self._session.read() as connection:
            return ownership.belongings(connection, ids)

    def histories(self, ids: Collection[int]) -> dict[int, int]:
        """How often one tag of these records was set, or marks were made of them, at the most."""
        with self._session.read() as connection:
            return ownership.histories(connection, ids)

    def linked(self, links: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of these links, as (from_id, to_id), that are here."""
        with self._session.read() as connection:
            return ownership.linked(connection, links)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """While what was read is made into something else: where that stumbles over a row that no
        Braid writes, BadFile says which one."""
        with self._session.read() as connection, inspect.explaining(connection):
            yield

    # ---- how the store is ----------------------------------------------------------------

    def ping(self) -> None:
        """Raise StoreUnavailable when the store cannot be read at the moment, or its file is not
        at its path any more, SchemaMismatch when it was upgraded beyond this program."""
        with self._session.read() as connection:
            self._session.watch.check(connection)
        with self._session.look() as raw:
            self._prepared.see(raw, EVERYTHING, 0)

    @property
    def is_lost(self) -> bool:
        """Whether the store was removed, replaced or upgraded while it was open: it refuses
        everything then, and has to be opened again."""
        return self._session.watch.lost is not None

    def glance(self) -> None:
        """Raise what `ping` would when the store is known to be lost: it looks at the files, and
        not into them."""
        self._session.watch.look()

    def waiting_since(self, began: float | None) -> AbstractContextManager[None]:
        """While it is open, what this thread waits for in the store counts from then on
        (`time.monotonic`), and not from the beginning of each wait."""
        return self._session.watch.waits.since(began)

    def close(self) -> None:
        """Close the store."""
        self.store.close()


@dataclass(frozen=True, slots=True)
class _Alone:
    """A Guard: refuses what is recorded of a run of which somebody whose things these principals
    do not manage has recorded anything. Equal ones need be asked once."""

    prepared: Prepared
    principals: frozenset[str]
    run_id: str

    def __call__(self, connection: sa.Connection) -> None:
        with driver(connection) as raw:
            if self.prepared.is_others(raw, self.principals, self.run_id):
                raise NotAllowed(
                    f"Run {self.run_id} was recorded by somebody else; who records it can name "
                    "you in manage_by."
                )


def _may_have_names(batch: Batch) -> bool:
    return any(row[1] == NAMED_TAG for row in batch.tag)
