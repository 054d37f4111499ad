"""The Recorder: what a script, an MPI rank or the action provider writes with.

Each call makes rows with ids of its own and hands them to a Sink as one Batch; inside
`Recorder.together` the calls make one batch in all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from provenance_store import forks
from provenance_store.batch import TABLES, Batch
from provenance_store.environment import current_environment
from provenance_store.errors import InvalidInput
from provenance_store.handles import Dataset, ModelVersion, Record, StepHandle
from provenance_store.ids import now
from provenance_store.kinds import Kind, Mark, Role
from provenance_store.redaction import redact, scrub_text
from provenance_store.rows import (
    EnvironmentRow,
    FileCheckRow,
    LinkRow,
    MarkRow,
    OutcomeRow,
    PayloadRow,
    RecordRow,
    RunEventRow,
    RunTagRow,
    StepRow,
    VersionRow,
)
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.sink import Sink
from provenance_store.values import (
    MAX_NAME,
    Audience,
    TagValue,
    Uri,
    canonical_json,
    check_text,
    digest_of,
    metric_rows,
    payload_document,
    score_rows,
    tag_row,
    uri_row,
)

__all__ = ["RecordLike", "Recorder", "UriLike"]

RecordLike = Record | str | int
"""A record to depend on: what a Recorder returned, a URN or short id, or a bare local id."""
UriLike = str | Uri | Mapping[str, Any]
"""A URI as text, or with size (bytes), digest (``sha256:…``) and media_type."""
DEFAULTS = ("run_id", "audience", "clock", "_environment")
"""The attributes of a Recorder that go with it to another process."""


class Together:
    """The block of `Recorder.together`; a class, for it is entered many times for each step."""

    __slots__ = ("_local", "_outermost", "_sink")

    def __init__(self, sink: Sink, local: threading.local) -> None:
        self._sink = sink
        self._local = local

    def __enter__(self) -> Batch:
        batch: Batch | None = getattr(self._local, "batch", None)
        self._outermost = batch is None
        if batch is None:
            batch = self._local.batch = self._sink.new_batch()
            self._local.process = forks.process
        elif self._local.process != forks.process:
            self._leave_to_parent(batch)
        return batch

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._outermost:
            batch, self._local.batch = self._local.batch, None
            if self._local.process != forks.process:
                self._leave_to_parent(batch)
            if kind is None and (batch.record or len(batch)):
                self._sink.write(batch)

    def _leave_to_parent(self, batch: Batch) -> None:
        """This process was forked inside the block: what is in the batch the parent writes."""
        self._local.process = forks.process
        for name in TABLES:
            getattr(batch, name).clear()


class Recorder:
    """Writes facts, data, models, datasets and steps to a Sink.

    `run_id` and `audience` are put on every record made here. `environment` is a document, or
    "auto" for this process's own, which is then put on steps and model versions. `clock` gives
    microseconds since 1970 UTC. Safe to use from several threads.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        run_id: str | None = None,
        audience: Audience | None = None,
        environment: Mapping[str, Any] | str | None = "auto",
        clock: Callable[[], int] = now,
    ) -> None:
        self.sink = sink
        self.run_id = run_id
        self.audience = audience
        self.clock = clock
        self._environment = environment
        self._environment_row: EnvironmentRow | None = None
        self._payload_limit = MAX_PAYLOAD_BYTES.get()
        self._local = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.sink,), {name: getattr(self, name) for name in DEFAULTS}

    # ---- records -------------------------------------------------------------------------

    def fact(
        self,
        name: str,
        *,
        depends_on: Iterable[RecordLike] = (),
        uris: Iterable[UriLike] = (),
        tags: Mapping[str, TagValue] | None = None,
    ) -> Record:
        """Record static knowledge: a literature value, software, a configuration."""
        with self._batch() as batch:
            return self._record(batch, Kind.FACT, name, depends_on, uris, tags)

    def data(
        self,
        name: str,
        *,
        depends_on: Iterable[RecordLike] = (),
        uris: Iterable[UriLike] = (),
        tags: Mapping[str, TagValue] | None = None,
        live: bool = False,
    ) -> Record:
        """Record something measured, simulated or computed.

        With `live` it stays open to `Record.add` until `Record.promote`.
        """
        with self._batch() as batch:
            return self._record(batch, Kind.DATA, name, depends_on, uris, tags, live=live)

    def dataset(
        self,
        name: str,
        members: Iterable[RecordLike] = (),
        *,
        depends_on: Iterable[RecordLike] = (),
        uris: Iterable[UriLike] = (),
        tags: Mapping[str, TagValue] | None = None,
        live: bool = False,
    ) -> Dataset:
        """Record a collection of records that is used as one; `live` as for `data`."""
        with self._batch() as batch:
            made = self._record(batch, Kind.DATASET, name, depends_on, uris, tags, live=live)
            self._link(batch, made.id, members, Role.HAS_MEMBER)
            return Dataset(made.id, Kind.DATASET, name, self)

    def model(
        self,
        name: str,
        *,
        depends_on: Iterable[RecordLike] = (),
        uris: Iterable[UriLike] = (),
        tags: Mapping[str, TagValue] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        metrics: Sequence[Mapping[str, Any]] = (),
        scores: Mapping[str, Any] | None = None,
        trained_on: Iterable[RecordLike] = (),
    ) -> ModelVersion:
        """Begin a line of model versions: the model as it is before its first `update`.

        `depends_on` may name another line's version: a model fine-tuned from a model.
        """
        with self._batch() as batch:
            made = self._record(batch, Kind.MODEL, name, depends_on, uris, tags)
            batch.version.append(VersionRow(made.id, made.id, None, 0))
            self._link(batch, made.id, trained_on, Role.TRAINED_ON)
            self._numbers(batch, made.id, hyperparameters, metrics, scores)
            return ModelVersion(made.id, Kind.MODEL, name, self, made.id, 0)

    def update(
        self,
        version: ModelVersion,
        records: Iterable[RecordLike] = (),
        *,
        depends_on: Iterable[RecordLike] = (),
        uris: Iterable[UriLike] = (),
        tags: Mapping[str, TagValue] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        metrics: Sequence[Mapping[str, Any]] = (),
        scores: Mapping[str, Any] | None = None,
    ) -> ModelVersion:
        """Expose a model to records: the next version, a revision of the one given.

        Two updates of the same version are two branches; both have the same number.
        `metrics` are points of the convergence curve such as ``{"epoch": 3, "loss": 0.2}``,
        `scores` validation scores of the finished version.
        """
        line, parent = self.id_of(version, version.line_id), self.id_of(version)
        with self._batch() as batch:
            made = self._record(batch, Kind.MODEL, version.name, depends_on, uris, tags)
            depth = version.version + 1
            batch.version.append(VersionRow(made.id, line, parent, depth))
            batch.link.append(LinkRow(parent, made.id, Role.REVISION_OF.value))
            self._link(batch, made.id, records, Role.TRAINED_ON)
            self._numbers(batch, made.id, hyperparameters, metrics, scores)
            return ModelVersion(made.id, Kind.MODEL, version.name, self, line, depth)

    # ---- steps ---------------------------------------------------------------------------

    def step(
        self,
        name: str,
        *,
        inputs: Iterable[RecordLike] = (),
        models: Iterable[RecordLike] = (),
        informed_by: Iterable[RecordLike] = (),
        parameters: Any = None,
        tags: Mapping[str, TagValue] | None = None,
        type: str = "Script",
        action_url: str | None = None,
        action_id: str | None = None,
        run_as: str | None = None,
        definition_digest: str | None = None,
        ordinal: int | None = None,
        started_at: int | None = None,
    ) -> StepHandle:
        """Record that something begins; use it as a context manager, or `finish` it.

        `inputs` and `models` are what it uses. `started_at` is in microseconds UTC; without it
        the step starts now. A step that never finishes stays in the store, without an outcome.
        """
        start = self.clock() if started_at is None else started_at
        optional = (action_url, action_id, run_as, definition_digest)
        for text in filter(None, (type, *optional)):
            check_text(text, "step field", 8192)
        optional = (scrub_text(action_url or "") or None, *optional[1:])
        with self._batch() as batch:
            made = self._record(batch, Kind.STEP, name, (), (), tags)
            batch.step.append(StepRow(made.id, type, *optional, ordinal, start))
            self._link(batch, made.id, (*inputs, *models), Role.USED)
            self._link(batch, made.id, informed_by, Role.INFORMED_BY)
            if parameters is not None:
                self._payload(batch, made.id, "parameters", parameters)
            return StepHandle(made.id, Kind.STEP, name, self)

    def finish(
        self,
        step: RecordLike,
        status: str = "SUCCEEDED",
        *,
        completed_at: int | None = None,
        result: Any = None,
        error: Any = None,
    ) -> None:
        """Record how a step ended. `completed_at` is in microseconds UTC, default now."""
        step_id = self.id_of(step)
        end = self.clock() if completed_at is None else completed_at
        with self._batch() as batch:
            batch.outcome.append(OutcomeRow(step_id, check_text(status, "status", 64), end))
            for name, document in (("result", result), ("error", error)):
                if document is not None:
                    self._payload(batch, step_id, name, document)

    def used(self, step: RecordLike, records: Iterable[RecordLike], role: Role = Role.USED) -> None:
        """Link further inputs to a step that has not finished yet."""
        with self._batch() as batch:
            self._link(batch, self.id_of(step), records, role)

    def generated(self, step: RecordLike, records: Iterable[RecordLike]) -> None:
        """Link records that were just made to the step that made them."""
        step_id = self.id_of(step)
        with self._batch() as batch:
            batch.link.extend(
                LinkRow(step_id, self.id_of(r), Role.GENERATED_BY.value) for r in records
            )

    # ---- what changes --------------------------------------------------------------------

    def tag(self, record: RecordLike, tags: Mapping[str, TagValue]) -> None:
        """Set tags; the earlier values stay in the history."""
        with self._batch() as batch:
            self._tags(batch, self.id_of(record), tags)

    def add(
        self,
        record: RecordLike,
        *,
        depends_on: Iterable[RecordLike] = (),
        members: Iterable[RecordLike] = (),
        uris: Iterable[UriLike] = (),
    ) -> None:
        """Add to live data or a live dataset; raises Sealed once it is static."""
        record_id = self.id_of(record)
        with self._batch() as batch:
            batch.uri.extend(uri_row(record_id, uri) for uri in uris)
            self._link(batch, record_id, depends_on, Role.DERIVED_FROM)
            self._link(batch, record_id, members, Role.HAS_MEMBER)

    def found_file(
        self, record: RecordLike, uri: str, *, size: int, digest: str, at: int | None = None
    ) -> None:
        """Record what the file at one of a record's URIs was found to be.

        The record stays as it is: this is how a size (bytes) and a digest (``sha256:…``) become
        known afterwards, or that they are others now. `at` is in microseconds UTC, default now.
        """
        record_id = self.id_of(record)
        row = uri_row(record_id, Uri(uri, size, digest))
        then = self.clock() if at is None else at
        with self._batch() as batch:
            new_id = self.sink.new_id()
            check = FileCheckRow(record_id, new_id, row.uri, then, size, digest)
            batch.file_check.append(check)

    def promote(self, record: RecordLike, note: str = "") -> None:
        """Make live data static: from now on it takes no additions."""
        self.mark(record, Mark.PROMOTED, note)

    def mark(self, record: RecordLike, mark: Mark, note: str = "") -> None:
        """Say something about a record that is already written."""
        check_text(note, "note", 16384, empty=True)
        record_id = self.id_of(record)
        cause = record_id if mark in (Mark.INVALIDATED, Mark.RESTORED) else None
        row = (record_id, mark.value, self.clock(), scrub_text(note), cause)
        with self._batch() as batch:
            batch.mark.append(MarkRow(self.sink.new_id(), *row))

    def payload(
        self, record: RecordLike, name: str, document: Any, private: Iterable[str] = ()
    ) -> None:
        """Keep a JSON document with a record, secrets and `private` keys redacted."""
        with self._batch() as batch:
            self._payload(batch, self.id_of(record), name, document, private)

    def run(
        self,
        run_id: str,
        *,
        at: int | None = None,
        flow_id: str | None = None,
        flow_title: str | None = None,
        label: str | None = None,
        status: str | None = None,
        run_owner: str | None = None,
        start_time: int | None = None,
        completion_time: int | None = None,
        audience: Audience | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        """Record what is known of a flow run; None says nothing, the latest word counts.

        Of `start_time` the earliest counts, or the first `at` where nothing was said. Times are
        microseconds UTC; `at` is when this was so, default now.
        """
        check_text(run_id, "run id", 64)
        fields = (flow_id, flow_title, label, status, run_owner)
        for text in filter(None, fields):
            check_text(text, "field of a run", 4096)
        title, label = (text and scrub_text(text) for text in (flow_title, label))
        fields = (flow_id, title, label, status, run_owner)
        with self._batch() as batch:
            digest = self._audience(batch, audience)
            event = (self.sink.new_id(), self.clock() if at is None else at)
            times = (start_time, completion_time)
            batch.run_event.append(RunEventRow(run_id, *event, *fields, *times, digest))
            batch.run_tag.extend(
                RunTagRow(run_id, scrub_text(check_text(t, "run tag", 512))[:512]) for t in tags
            )

    def flush(self) -> None:
        """Return when everything recorded so far is durable."""
        self.sink.flush()

    # ---- batches and ids -----------------------------------------------------------------

    def together(self) -> Together:
        """Everything that this thread records inside is one batch: all or nothing, one commit.

        If the block raises, nothing of it is written. Blocks may be nested: the outermost writes.
        """
        return Together(self.sink, self._local)

    _batch = together

    def id_of(self, record: RecordLike, number: int | None = None) -> int:
        """The id of a record as this recorder's sink numbers origins.

        `number` picks another id of the same numbering, such as a version's line.
        Raises NotFound for a URN that names nothing known.
        """
        if type(record) is int:
            return record
        if isinstance(record, Record):
            own = record.id if number is None else number
            if record.recorder.sink.numbering is self.sink.numbering:
                return own
            return self.sink.resolve(record.recorder.sink.urn(own))
        return int(record) if isinstance(record, int) else self.sink.resolve(record)

    # ---- rows ----------------------------------------------------------------------------

    def _record(
        self,
        batch: Batch,
        kind: Kind,
        name: str,
        depends_on: Iterable[RecordLike],
        uris: Iterable[UriLike],
        tags: Mapping[str, TagValue] | None,
        *,
        live: bool = False,
    ) -> Record:
        check_text(name, "name", MAX_NAME)
        name = scrub_text(name)[:MAX_NAME]
        record_id = self.sink.new_id()
        where = self._environment_digest(batch) if kind in (Kind.STEP, Kind.MODEL) else None
        audience = self._audience(batch, self.audience)
        at = self.clock()
        batch.record.append(
            RecordRow(record_id, kind.value, name, at, int(live), self.run_id, where, audience)
        )
        self._link(batch, record_id, depends_on, Role.DERIVED_FROM)
        if places := [uri_row(record_id, uri) for uri in uris]:
            batch.uri.extend({place.uri: place for place in places}.values())
        if tags:
            self._tags(batch, record_id, tags)
        return Record(record_id, kind, name, self)

    def _link(
        self, batch: Batch, record_id: int, records: Iterable[RecordLike], role: Role
    ) -> None:
        if not (given := list(records)):
            return
        ids = dict.fromkeys(self._ids(given))
        if record_id in ids:
            raise InvalidInput("A record cannot depend on itself.")
        batch.add_links(ids, record_id, role.value)

    def _ids(self, records: Sequence[RecordLike]) -> list[int]:
        """`id_of` for many: quick for what this very recorder has made."""
        id_of = self.id_of
        try:
            return [r.id if r.recorder is self else id_of(r) for r in records]  # type: ignore[union-attr]
        except AttributeError:
            return [id_of(record) for record in records]

    def _tags(self, batch: Batch, record_id: int, tags: Mapping[str, TagValue]) -> None:
        at = self.clock()
        new_id = self.sink.new_id
        batch.tag.extend(tag_row(record_id, new_id(), n, v, at) for n, v in tags.items())

    def _numbers(
        self,
        batch: Batch,
        record_id: int,
        hyperparameters: Mapping[str, Any] | None,
        metrics: Sequence[Mapping[str, Any]],
        scores: Mapping[str, Any] | None,
    ) -> None:
        if hyperparameters:
            self._payload(batch, record_id, "hyperparameters", dict(hyperparameters))
        batch.metric.extend(metric_rows(record_id, metrics))
        batch.metric.extend(score_rows(record_id, scores or {}))

    def _payload(
        self, batch: Batch, record_id: int, name: str, document: Any, private: Iterable[str] = ()
    ) -> None:
        text = payload_document(document, limit=self._payload_limit, private=private)
        batch.payload.append(PayloadRow(record_id, name, text))

    def _environment_digest(self, batch: Batch) -> str | None:
        if self._environment is None:
            return None
        if self._environment_row is None:
            document = self._environment
            if isinstance(document, str):
                document = current_environment()
            document = redact(document)
            row = EnvironmentRow(digest_of(document), canonical_json(document).decode())
            self._environment_row = row
        if self._environment_row not in batch.environment:
            batch.environment.append(self._environment_row)
        return self._environment_row.digest

    def _audience(self, batch: Batch, audience: Audience | None) -> str | None:
        if audience is None:
            return None
        row, members = audience.rows()
        if row not in batch.audience:
            batch.audience.append(row)
            batch.audience_member.extend(members)
        return row.digest
