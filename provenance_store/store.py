"""A store: the database behind a Recorder and a DocumentReader."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from provenance_store.batch import Batch
from provenance_store.errors import BraidError, NotAllowed
from provenance_store.ids import now
from provenance_store.queries.actions import Actions
from provenance_store.queries.document_reader import DocumentReader
from provenance_store.queries.documents import FIRST_NAMED
from provenance_store.queries.prefetch import Prefetch, prefetch
from provenance_store.queries.reader import Reader
from provenance_store.recording.environment import Author, making_origins
from provenance_store.recording.recorder import Recorder
from provenance_store.references import Reference, several
from provenance_store.sink import Sink
from provenance_store.sinks.database import BatchRefused, DatabaseSink, GuardedSink, HeldSink
from provenance_store.sinks.group_commit import Guard
from provenance_store.sql.dialects import driver
from provenance_store.sql.known_later import new_same
from provenance_store.sql.recording import Prepared
from provenance_store.times import TimeLike, micros
from provenance_store.validation.batches import check_sound
from provenance_store.validation.limits import Gate, Policy
from provenance_store.validation.rows import same_as_row
from provenance_store.values import EVERYTHING, Audience, Viewer

if TYPE_CHECKING:
    from provenance_store.queries.invalidation import Affected
    from provenance_store.sql.ownership import OriginOwner, RecordOwner
    from provenance_store.sql.repair import Mended
    from provenance_store.transfer.merge import Merged
    from provenance_store.transfer.retention import Reduced
    from provenance_store.transfer.slices import Sliced

__all__ = ["Store"]


class Store(Recorder):
    """An open store: record with it, read from it through `reader`, `close` it at the end.

    Safe to use from several threads, and in processes forked from this one. Sent to another
    process (pickled) it opens the same store there.

    What few programs do with a store (merge, slice, repair …) is imported when it is called: most
    commands are over before they would have loaded all of it.
    """

    sink: DatabaseSink

    def __init__(self, behind: sa.Engine | DatabaseSink, *, strict: bool = False) -> None:
        sink = behind if isinstance(behind, DatabaseSink) else DatabaseSink(behind)
        super().__init__(sink, strict=strict)
        self.actions = Actions(sink.session)

    def recorder(
        self,
        *,
        run_id: str | None = None,
        audience: Audience | None = None,
        environment: Mapping[str, Any] | str | None = None,
        clock: Callable[[], int] = now,
        alone_as: frozenset[str] | None = None,
        held: bool = False,
        strict: bool | None = None,
    ) -> Recorder:
        """Another Recorder into this store, with defaults of its own; cheap to make. It is as
        `strict` as the store unless it is said.

        With `alone_as`, principals, what it records is refused with NotAllowed when anybody
        whose things these do not manage has recorded anything of the run before, be it at the
        same moment.
        """
        guard = None
        if alone_as is not None and run_id is not None:
            guard = self._alone(alone_as, run_id)
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
            strict=self.strict if strict is None else strict,
        )

    def write_held(self, recorders: Iterable[Recorder]) -> list[Exception | None]:
        """Write what recorders made with `held` have recorded, in as few commits as may be.

        The answers are in their order: None, or why what that one recorded was not written, the
        error that `Store.write` would raise. One that is refused does not touch the others.
        """
        sinks = (recorder.sink for recorder in recorders)
        return self.sink.writer.write_many(
            (sink.batch or Batch(), sink.guard) for sink in sinks if isinstance(sink, HeldSink)
        )

    def read_snapshot(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """While it is open, all that this thread looks up singly goes over one connection.

        With `alone`, which says that no other thread uses this store meanwhile, over the one that
        it writes with, which has read most of it already.
        """
        return self.sink.session.read_snapshot(self.sink.writer if alone else None)

    def prefetch(self, wanted: Prefetch) -> None:
        """While `read_snapshot` is open: ask at once what is going to be asked singly."""
        prefetch(self.sink, wanted)

    def _alone(self, principals: frozenset[str], run_id: str) -> Guard:
        return _Alone(self.sink.prepared, principals, run_id)

    def reader(self, viewer: Viewer = EVERYTHING) -> Reader:
        """Read what a viewer may see; cheap to make."""
        return Reader(self.documents(viewer))

    def documents(self, viewer: Viewer = EVERYTHING) -> DocumentReader:
        """Read what a viewer may see as the documents of the query API, which JSON can take."""
        return DocumentReader(self.sink, viewer)

    @contextmanager
    def bulk_load(self) -> Iterator[Recorder]:
        """A Recorder for millions of new records: one transaction, indexes made at the end.

        Everything is written, and durable, when the block ends, and nothing of it when it
        raises. Links are held in memory in pieces of some millions. Other writers of the store
        wait meanwhile. Only new records can be recorded, not additions to earlier ones.
        """
        from provenance_store.sinks.bulk import BulkSink
        from provenance_store.sql.load import conflicts_told, loading

        engine = self.sink.session.engine
        self.sink.new_id()  # registers the origin before the load takes the write lock
        with (
            self.sink.session.translated(),
            conflicts_told(),
            loading(engine, self.sink.writer.statements) as load,
        ):
            sink = BulkSink(self.sink, load)
            yield Recorder(sink, strict=self.strict)
            sink.flush()
        self.sink.session.watch.look()

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
        from provenance_store.sql import ownership

        guards = [self._alone(author.identities, run_id) for run_id in sorted(author.alone_in)]

        def guard(connection: sa.Connection) -> None:
            if foreign := ownership.foreign_origin(connection, origins, author.identities):
                raise NotAllowed(
                    f"The origin {foreign} belongs to somebody else; record with your own."
                )
            for alone in guards:
                alone(connection)

        return guard

    def holders(self, uuids: Iterable[str]) -> dict[str, OriginOwner]:
        """Who writes with those of these origins that are known here, by UUID."""
        from provenance_store.sql import ownership

        with self.sink.session.read() as connection:
            return ownership.holders(connection, uuids)

    def belongings(self, ids: Collection[int]) -> dict[int, RecordOwner]:
        """Kind and audience of those of these records that are here, whoever asks."""
        from provenance_store.sql import ownership

        with self.sink.session.read() as connection:
            return ownership.belongings(connection, ids)

    def histories(self, ids: Collection[int]) -> dict[int, int]:
        """How often one tag of these records was set, or marks were made of them, at the most."""
        from provenance_store.sql import ownership

        with self.sink.session.read() as connection:
            return ownership.histories(connection, ids)

    def linked(self, links: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of these links, as (from_id, to_id), that are here, whoever asks."""
        from provenance_store.sql import ownership

        with self.sink.session.read() as connection:
            return ownership.linked(connection, links)

    def write_all(self, batches: Sequence[Batch]) -> list[BraidError | None]:
        """Write batches that were made elsewhere in as few commits as may be.

        The answers are in the order of the batches: None, or why that one was refused, which
        does not touch the others. Of one that has parts (`Batch.parts`) those that are not
        refused are written. Raises StoreUnavailable when the store is locked, full or away; some
        may then be written, and writing all of them again changes nothing.
        """
        return self.sink.write_all(batches)

    def write_parts(self, batches: Sequence[Batch]) -> list[list[BatchRefused]]:
        """As `write_all`; the answer for each batch is what was refused of it, part by part."""
        return self.sink.write_parts(batches)

    def merge(
        self,
        file: str | Path,
        *,
        dry_run: bool = False,
        tags: str = "latest",
        progress: Callable[[str], object] = lambda what: None,
    ) -> Merged:
        """Merge another store, a SQLite file: identities are kept, twice changes nothing.

        One transaction. `tags` is the policy for tags that both have with another value, one of
        `merge.TAGS`; with `dry_run` nothing is kept, and the answer says what would be added;
        `progress` is told what is being done. What derives from the invalid is so afterwards,
        whichever store knew of it.

        Raises MergeConflict with a report when the stores say other things of the same records,
        InvalidInput when the file is no store, SchemaMismatch when it is of another version.
        """
        from provenance_store.transfer.merge import merge_file

        merged = merge_file(self.sink, Path(file), dry_run=dry_run, tags=tags, progress=progress)
        self.sink.session.watch.look()
        return merged

    def link_same(self) -> int:
        """Say of records of different owners too, with equal digests at one place, that they are
        one thing; how many pairs are new.

        Those of one owner, or of nobody, are so as soon as they are written. Lineage, search and
        invalidity go through all of them. An equal URI alone does not make two records one, nor do
        equal bytes at two places.
        """
        with self.sink.session.read() as connection:
            pairs = [(*row,) for row in connection.execute(new_same())]
        if not pairs:
            return 0
        at, gate = now(), Gate(Policy.REFUSE)
        with self.transaction() as batch:
            for one, other, digest in pairs:
                for ends in ((one, other), (other, one)):
                    row = same_as_row(gate, *ends, self.sink.new_id(), at, digest)
                    batch.same_as.append(row)
        return len(pairs)

    def invalidate(
        self,
        reference: Reference,
        *,
        cause: str,
        dry_run: bool = False,
        viewer: Viewer = EVERYTHING,
        named: int = FIRST_NAMED,
    ) -> Affected:
        """Say that a record must not be relied on: all that derives from it is invalid with it.

        Also what is recorded, or merged, later. It stays so until `restore`; nothing is deleted,
        and the cause is shown to everybody who may see any of it. With `dry_run` nothing is
        written, and the answer says what would be invalid. `named` of these are described.

        Raises NotFound for what the viewer may not see, NotAllowed for what it does not manage.
        """
        from provenance_store.queries.invalidation import invalidate

        return invalidate(
            self.sink, reference, cause=cause, dry_run=dry_run, viewer=viewer, named=named
        )

    def restore(
        self,
        reference: Reference,
        *,
        cause: str = "",
        dry_run: bool = False,
        viewer: Viewer = EVERYTHING,
        named: int = FIRST_NAMED,
    ) -> Affected:
        """Take an invalidation back: what is not invalid for another cause is valid again.

        Raises Conflict when the record was not invalidated itself, naming what was; else as
        `invalidate`.
        """
        from provenance_store.queries.invalidation import restore

        return restore(
            self.sink, reference, cause=cause, dry_run=dry_run, viewer=viewer, named=named
        )

    def reduce(
        self,
        *,
        before: TimeLike,
        dry_run: bool = False,
        progress: Callable[[int], object] = lambda records: None,
    ) -> Reduced:
        """Drop tags, metrics and documents of records made before a time.

        Nodes, links, URIs and digests stay, and a mark says of each record that it was reduced.
        Some hundred records at a time are one transaction; `progress` is told how many. With
        `dry_run` nothing is dropped, and the answer says what would be.
        """
        from provenance_store.transfer.retention import reduce

        return reduce(self.sink, before=micros(before), dry_run=dry_run, progress=progress)

    def slice(
        self,
        file: str | Path,
        references: Reference | Sequence[Reference] = (),
        *,
        run_ids: Sequence[str] = (),
        flow_ids: Sequence[str] = (),
        up: bool = True,
        down: bool = False,
        depth: int | None = None,
        rules: Collection[str] = (),
        without: Collection[str] = (),
        hide_names: bool = False,
        force: bool = False,
        progress: Callable[[str], object] = lambda what: None,
    ) -> Sliced:
        """Write a part of this store as a store of its own, a new SQLite file.

        It begins with the records, and the runs, that are named, or with all there are. `down`
        adds what depends on these, `up` what any of them depends on, at most `depth` hops away;
        `rules` names those of `slices.RULES` that are not followed. What is mentioned and not
        taken becomes a stub, without its name with `hide_names`; `without` names the parts of
        `slices.LEFT_OUT` that are kept out. The file has its name only when it is whole;
        `progress` is told what is being done.

        Raises NotFound for a start that is not there, InvalidInput when the file is there
        already and `force` is not given.
        """
        from provenance_store.transfer.slices import SliceRequest, take_slice

        ids = [self.id_of(each) for each in several(references)]
        wanted = SliceRequest(
            ids=ids,
            run_ids=run_ids,
            flow_ids=flow_ids,
            up=up,
            down=down,
            depth=depth,
            rules=rules,
            without=without,
            hide_names=hide_names,
        )
        with self.explaining():
            return take_slice(self.sink, Path(file), wanted, force=force, progress=progress)

    def info(self) -> dict[str, Any]:
        """What the store holds: schema, rows by table, records by kind, origins."""
        from provenance_store.sql import inspect

        with self.sink.session.read() as connection:
            return inspect.info(connection)

    def check(self) -> list[str]:
        """Everything that is wrong with the store, a sentence each; empty when nothing is."""
        from provenance_store.sql import inspect

        with self.sink.session.read() as connection:
            return inspect.problems(connection)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """While what was read is made into something else: where that stumbles over a row that no
        Braid writes, BadFile says which one."""
        from provenance_store.sql import inspect

        with self.sink.session.read() as connection, inspect.explaining(connection):
            yield

    def repair(self, *, dry_run: bool = False) -> list[Mended]:
        """Mend values that earlier versions wrote and nobody can read, in one transaction.

        What is mended, or with `dry_run` would be; again there is nothing. A tag gets a newer
        value, so that what was signed with the older one stays as it was.
        """
        from provenance_store.sql.repair import repair_all

        with self.sink.session.change() as connection:
            mended = repair_all(connection)
            if dry_run:
                connection.rollback()
        return mended

    def ping(self) -> None:
        """Raise StoreUnavailable when the store cannot be read at the moment, or its file is not
        at its path any more, SchemaMismatch when it was upgraded beyond this program."""
        session = self.sink.session
        with session.read() as connection:
            session.watch.check(connection)
        with session.look() as raw:
            self.sink.prepared.see(raw, EVERYTHING, 0)

    @property
    def is_lost(self) -> bool:
        """Whether the store was removed, replaced or upgraded while it was open: it refuses
        everything then, and has to be opened again."""
        return self.sink.session.watch.lost is not None

    def glance(self) -> None:
        """Raise what `ping` would when the store is known to be lost: it looks at the files, and
        not into them."""
        self.sink.session.watch.look()

    def waiting_since(self, began: float | None) -> AbstractContextManager[None]:
        """While it is open, what this thread waits for in the store counts from then on
        (`time.monotonic`), and not from the beginning of each wait."""
        return self.sink.session.watch.waits.since(began)

    def close(self) -> None:
        """Let go of all connections."""
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
