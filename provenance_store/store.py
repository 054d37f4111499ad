"""A store: the database behind a Recorder and a Reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import sqlalchemy as sa

from provenance_store.ids import now
from provenance_store.queries.document_reader import DocumentReader
from provenance_store.queries.documents import FIRST_NAMED
from provenance_store.recording.recorder import Recorder
from provenance_store.references import Reference, several
from provenance_store.sinks.database import DatabaseSink
from provenance_store.sql.known_later import new_same
from provenance_store.times import TimeLike, micros
from provenance_store.validation.limits import Gate, Policy
from provenance_store.validation.rows import same_as_row
from provenance_store.validation.scalars import one_or_many
from provenance_store.values import EVERYTHING, Audience, Viewer

if TYPE_CHECKING:
    from provenance_store.queries.invalidation import Affected
    from provenance_store.queries.reader import Reader
    from provenance_store.results.runs import RunLike
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

    def recorder(
        self,
        *,
        run_id: str | None = None,
        audience: Audience | None = None,
        environment: Mapping[str, Any] | str | None = "auto",
        clock: Callable[[], int] = now,
        strict: bool | None = None,
    ) -> Recorder:
        """Make another Recorder into this store, with defaults of its own; this costs little.

        `run_id` and `audience` are put on every record that it makes. `environment` is as for
        `Recorder`: by default steps and model versions get this process's own, as those that the
        store itself records; None leaves it out. It is as `strict` as the store unless `strict` is
        given.

        >>> recorder = store.recorder(run_id="8c1f2d3e-5a0f-4f3b-9c39-6f1c1a7f0d11")
        >>> with recorder.step("Find peaks", inputs=[scan]):
        ...     pass
        """
        return Recorder(
            self.sink,
            run_id=run_id,
            audience=audience,
            environment=environment,
            clock=clock,
            strict=self.strict if strict is None else strict,
        )

    def reader(self, viewer: Viewer = EVERYTHING) -> Reader:
        """Read what a viewer may see; cheap to make.

        >>> reader = store.reader()
        >>> reader.record("scan-17").tags["sample"]
        'Ni'
        """
        from provenance_store.queries.reader import Reader

        return Reader(self.documents(viewer))

    def documents(self, viewer: Viewer = EVERYTHING) -> DocumentReader:
        """Read what a viewer may see as the documents of the query API, which JSON can take.

        >>> store.documents().record("scan-17")["tags"]
        {'sample': 'Ni', 'temperature_K': 293.5}
        """
        return DocumentReader(self.sink, viewer)

    @contextmanager
    def bulk_load(self) -> Iterator[Recorder]:
        """Get a Recorder for millions of new records: one transaction, indexes made at the end.

        Everything is written, and durable, when the block ends; nothing is written if it raises.
        Links are held in memory in pieces of some millions. Other writers of the store wait until
        the block ends. Only new records can be recorded, not additions to earlier ones.

        >>> with store.bulk_load() as recorder:
        ...     for number in range(1000):
        ...         frame = recorder.data(f"frame-{number}")
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

    def merge(
        self,
        file: str | Path,
        *,
        dry_run: bool = False,
        tags: str = "latest",
        progress: Callable[[str], object] = lambda what: None,
    ) -> Merged:
        """Merge another store, a SQLite file, into this one. Merging it again changes nothing.

        Records keep their URNs. It is one transaction. `tags` is the policy for tags that both
        stores have with different values, one of `merge.TAGS`. With `dry_run` nothing is kept, and
        the answer says what would be added. `progress` is called with a text on what is being done.
        What derives from something invalid is invalid afterwards, whichever store knew of it.

        Raises MergeConflict with a report if the stores say different things of the same records,
        InvalidInput if the file is not a store, SchemaMismatch if it is of another version.

        >>> with braid.open_store("partner.db") as partner:
        ...     sample = partner.fact("sample Ni-3")
        >>> merged = store.merge("partner.db")
        >>> store.tag(sample.urn, {"checked": True})
        """
        from provenance_store.transfer.merge import merge_file

        merged = merge_file(self.sink, Path(file), dry_run=dry_run, tags=tags, progress=progress)
        self.sink.session.watch.look()
        return merged

    def link_same(self) -> int:
        """Link records of different owners that have equal digests at one place as the same thing.

        Returns how many pairs are new. Records of one owner, or of nobody, are linked as soon as
        they are written. Lineage, search and invalidity follow these links. An equal URI alone does
        not make two records the same, nor do equal bytes at two places.

        >>> store.link_same()
        0
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
        """Mark a record as invalid; everything that derives from it is invalid with it.

        That includes what is recorded or merged later. It stays so until `restore`. Nothing is
        deleted, and everybody who may see any of it is shown the cause. With `dry_run` nothing is
        written, and the answer says what would be invalid. `named` of these records are described.

        Raises NotFound for what the viewer may not see, NotAllowed for what it does not manage.

        >>> affected = store.invalidate(scan, cause="the detector was misaligned")
        >>> affected.kinds
        {'model': 1}
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

        Raises Conflict if the record itself was not invalidated, and names the record that was;
        otherwise as `invalidate`.

        >>> affected = store.invalidate(scan, cause="the detector was misaligned")
        >>> affected = store.restore(scan, cause="it was another scan")
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

        Records, links, URIs and digests stay, and each record is marked as reduced. Some hundred
        records at a time are one transaction; `progress` is called with their number, an int. With
        `dry_run` nothing is dropped, and the answer says what would be.

        >>> reduced = store.reduce(before="2020-01-01", dry_run=True)
        >>> reduced.records
        0
        """
        from provenance_store.transfer.retention import reduce

        return reduce(self.sink, before=micros(before), dry_run=dry_run, progress=progress)

    def slice(
        self,
        file: str | Path,
        references: Reference | Sequence[Reference] = (),
        *,
        run_ids: RunLike | Iterable[RunLike] = (),
        flow_ids: str | UUID | Iterable[str | UUID] = (),
        up: bool = True,
        down: bool = False,
        depth: int | None = None,
        rules: str | Iterable[str] = (),
        without: str | Iterable[str] = (),
        hide_names: bool = False,
        force: bool = False,
        progress: Callable[[str], object] = lambda what: None,
    ) -> Sliced:
        """Write a part of this store as a store of its own, a new SQLite file.

        The slice starts with the records and runs that are named, or with all there are. `up` adds
        what they depend on, `down` what depends on them, up to `depth` hops away; both may be
        given. `rules` names the rules of `slices.RULES` that are not followed, `without` the parts
        of `slices.LEFT_OUT` that are left out. Of records, runs, flows, rules and parts one alone
        will do. A record that is mentioned but not taken becomes a stub, with `hide_names` without
        its name. The file appears under its name only when it is complete. `progress` is called
        with a text on what is being done.

        Raises NotFound for a start that is not there, InvalidInput if the file exists and `force`
        is not given.

        >>> sliced = store.slice("scan-17.db", [scan], down=True)
        >>> with braid.open_store("scan-17.db") as part:
        ...     part.check()
        []
        """
        from provenance_store.results.runs import run_id_of
        from provenance_store.sql.inspect import explaining
        from provenance_store.transfer.slices import SliceRequest, take_slice

        ids = [self.id_of(each) for each in several(references)]
        wanted = SliceRequest(
            ids=ids,
            run_ids=[run_id_of(run) for run in one_or_many(run_ids)],
            flow_ids=[str(flow) for flow in one_or_many(flow_ids)],
            up=up,
            down=down,
            depth=depth,
            rules=[*one_or_many(rules)],
            without=[*one_or_many(without)],
            hide_names=hide_names,
        )
        with self.sink.session.read() as connection, explaining(connection):
            return take_slice(self.sink, Path(file), wanted, force=force, progress=progress)

    def info(self) -> dict[str, Any]:
        """What the store holds: schema, rows by table, records by kind, origins.

        >>> store.info()["records"]["data"]
        1
        """
        from provenance_store.sql import inspect

        with self.sink.session.read() as connection:
            return inspect.info(connection)

    def check(self) -> list[str]:
        """Everything that is wrong with the store, one sentence each; empty if nothing is.

        >>> store.check()
        []
        """
        from provenance_store.sql import inspect

        with self.sink.session.read() as connection:
            return inspect.problems(connection)

    def repair(self, *, dry_run: bool = False) -> list[Mended]:
        """Correct values that earlier versions wrote and nobody can read, in one transaction.

        Returns what was corrected, or with `dry_run` what would be; a second call finds nothing. A
        tag gets a newer value, so that what was signed with the older one stays as it was.

        >>> store.repair()
        []
        """
        from provenance_store.sql.repair import repair_all

        with self.sink.session.change() as connection:
            mended = repair_all(connection)
            if dry_run:
                connection.rollback()
        return mended

    def close(self) -> None:
        """Close all connections; leaving the store's `with` block does it, too.

        >>> store.close()
        """
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
