"""The Recorder: what a script, an MPI rank or the action provider writes with.

Each call makes rows with ids of its own and hands them to a Sink as one Batch; inside
`Recorder.transaction` the calls make one batch in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, Unpack

from provenance_store.decisions import DECISION, DOCUMENT, OptionLike, read_choice
from provenance_store.enums import Kind, Mark, Role
from provenance_store.handles import Dataset, ModelVersion, Record, StepHandle
from provenance_store.ids import now
from provenance_store.recording.row_maker import (
    NONE,
    NOTE_TAG,
    ONLY_AT_THE_BEGINNING,
    START,
    FileLike,
    Files,
    Points,
    RecordLike,
    Records,
    RowMaker,
    UriLike,
    Uris,
    log,
    named,
    several,
)
from provenance_store.recording.transaction import Transaction
from provenance_store.rows import (
    LinkRow,
    MarkRow,
    OutcomeRow,
    VersionRow,
)
from provenance_store.sink import login
from provenance_store.times import TimeLike
from provenance_store.validation import rows
from provenance_store.validation.batches import DEPENDENT
from provenance_store.validation.scalars import described, plain
from provenance_store.values import Audience, TagValue

__all__ = [
    "NOTE_TAG",
    "FileLike",
    "Files",
    "Points",
    "RecordLike",
    "Recorder",
    "Records",
    "RunAbout",
    "TimeLike",
    "UriLike",
    "Uris",
]


class RunAbout(TypedDict, total=False):
    """What may be said of a flow run; see `Recorder.run`."""

    at: TimeLike | None
    flow_id: str | None
    flow_title: str | None
    label: str | None
    status: str | None
    run_owner: str | None
    start_time: TimeLike | None
    completion_time: TimeLike | None
    audience: Audience | None
    tags: str | Iterable[str]


class Recorder(RowMaker):
    """Writes facts, data, models, datasets and steps to a Sink.

    `run_id` and `audience` are put on every record made here. `environment` is a document, or
    "auto" for this process's own, which is then put on steps and model versions. `clock` gives
    microseconds since 1970 UTC. Safe to use from several threads.

    What happened is recorded, also where a value cannot be kept as it is: that one is then kept
    as what can be said of it, the tag `NOTE_TAG` says why, and the logger ``braid`` warns. With
    `strict` such a value is an InvalidInput, and nothing of the call is written.
    """

    # ---- records -------------------------------------------------------------------------

    def fact(
        self,
        name: str,
        *,
        depends_on: Records = (),
        uris: Uris = (),
        file: Files | None = None,
        files: Files = (),
        tags: Mapping[str, TagValue] | None = None,
    ) -> Record:
        """Record static knowledge: a literature value, software, a configuration.

        >>> setup = store.fact("setup.cfg", uris=["globus://lab/setup.cfg"])
        >>> lattice = store.fact("lattice constant of Ni", tags={"angstrom": 3.524})
        """
        with self._batch() as batch:
            gate = self._gate()
            seen = self._look(gate, file, files)
            made = self._record(batch, gate, Kind.FACT, name, depends_on, uris, tags, seen)
            self._note(batch, gate, made.id)
            return made

    def data(
        self,
        name: str,
        *,
        depends_on: Records = (),
        uris: Uris = (),
        file: Files | None = None,
        files: Files = (),
        tags: Mapping[str, TagValue] | None = None,
        live: bool = False,
    ) -> Record:
        """Record something measured, simulated or computed.

        With `live` it can be added to (`Record.add`) until it is made static (`Record.promote`).

        >>> raw = store.data("scan-18", file="scan-18.h5", tags={"sample": "Ni"})
        >>> peaks = store.data("peaks-18", depends_on=[raw])
        """
        with self._batch() as batch:
            gate = self._gate()
            seen = self._look(gate, file, files)
            made = self._record(
                batch, gate, Kind.DATA, name, depends_on, uris, tags, seen, live=live
            )
            self._note(batch, gate, made.id)
            return made

    def dataset(
        self,
        name: str,
        members: Records = (),
        *,
        depends_on: Records = (),
        uris: Uris = (),
        file: Files | None = None,
        files: Files = (),
        tags: Mapping[str, TagValue] | None = None,
        live: bool = False,
    ) -> Dataset:
        """Record a collection of records that is used as one; `live` as for `data`.

        >>> nickel = store.dataset("nickel scans", [scan, store.data("scan-18")])
        >>> newer = store.update(version, nickel)
        """
        with self._batch() as batch:
            gate = self._gate()
            seen = self._look(gate, file, files)
            made = self._record(
                batch, gate, Kind.DATASET, name, depends_on, uris, tags, seen, live=live
            )
            self._link(batch, gate, made.id, members, Role.HAS_MEMBER)
            self._note(batch, gate, made.id)
            return Dataset(made.id, Kind.DATASET, made.name, self)

    def model(
        self,
        name: str,
        *,
        depends_on: Records = (),
        uris: Uris = (),
        file: Files | None = None,
        files: Files = (),
        tags: Mapping[str, TagValue] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        metrics: Points = (),
        scores: Mapping[str, Any] | None = None,
        trained_on: Records = (),
        resume: bool = False,
    ) -> ModelVersion:
        """Begin a line of model versions: version 0 is the model before its first `update`.

        `depends_on` is what the model begins with, such as a version of another model that is
        fine-tuned.

        With `resume` the model of this name is continued, and begun only where there is none.
        `name` may then also name one version, as ``NAME@v3``, ``NAME@ALIAS``, an id or a URI
        (`references`). The call returns the newest version. Where training data, files,
        hyperparameters, metrics or scores are given it makes the next version, as `update` does. So
        a script that runs twice makes one line, and a script that fails before it trains leaves no
        version. Versions whose step failed are passed over, and the log says so, unless the version
        is named by its id or as ``NAME@v3``, or there is no other. `depends_on` and `tags` are put
        on the version that is begun or made; where none is, they are ignored, and the log says so.

        >>> store.model("braggnn", resume=True).version
        1
        >>> tuned = store.model("braggnn-nickel", depends_on=["braggnn@v1"])
        >>> tuned.version
        0
        """
        if resume and (newest := self._newest(name)) is not None:
            makes = [trained_on, uris, file, files, hyperparameters, metrics, scores]
            if self.sink.named(newest.id) is not None:
                # Whether there is one turns out later: what is said of its beginning is kept.
                makes += [tags, depends_on]
            if not any(given is not None and given != () for given in makes):
                if tags is not None or depends_on != ():
                    log.info(ONLY_AT_THE_BEGINNING, newest.name, newest.version)
                return newest
            return self.update(
                newest,
                trained_on,
                depends_on=depends_on,
                uris=uris,
                file=file,
                files=files,
                tags=tags,
                hyperparameters=hyperparameters,
                metrics=metrics,
                scores=scores,
            )
        with self._batch() as batch:
            gate = self._gate()
            seen = self._look(gate, file, files)
            made = self._record(batch, gate, Kind.MODEL, name, depends_on, uris, tags, seen)
            if resume and self.sink.heads(made.name) is None:
                message = (
                    "Whether there is a model of this name is not known where this was recorded; "
                    "it begins a line of its own."
                )
                gate.instead(None, message, path="resume")
            batch.version.append(VersionRow(made.id, made.id, None, 0))
            self._link(batch, gate, made.id, trained_on, Role.TRAINED_ON)
            self._numbers(batch, gate, made.id, hyperparameters, metrics, scores)
            self._note(batch, gate, made.id)
            return ModelVersion(made.id, Kind.MODEL, made.name, self, made.id, 0)

    def update(
        self,
        version: ModelVersion | RecordLike,
        trained_on: Records = (),
        *,
        depends_on: Records = (),
        uris: Uris = (),
        file: Files | None = None,
        files: Files = (),
        tags: Mapping[str, TagValue] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        metrics: Points = (),
        scores: Mapping[str, Any] | None = None,
    ) -> ModelVersion:
        """Make the next version of a model, which has learned from the records `trained_on`.

        The new version is a revision of the one given. Two updates of the same version are two
        branches; both have the same number. `metrics` are points of the convergence curve such as
        ``{"epoch": 3, "loss": 0.2}``, `scores` validation scores of the finished version. If
        `version` is not a model version that is known here, a new line begins, which derives from
        it, and a note says so.

        >>> second = store.update(version, [scan], scores={"mae": 0.28})
        >>> second.version
        2
        """
        parent = self.id_of(version)
        with self._batch() as batch:
            gate = self._gate()
            seen = self._look(gate, file, files)
            known = self._version(batch, version, parent)
            name = known.name if known else self._called(version)
            made = self._record(batch, gate, Kind.MODEL, name, depends_on, uris, tags, seen)
            if known is None:
                line, depth = made.id, 0
                batch.version.append(VersionRow(line, line, None, depth))
                gate.instead(
                    None,
                    f"{self.sink.urn(parent)} is not a model version that is known here: what is "
                    "made "
                    "of it begins a line of its own.",
                    path="version",
                )
                self._link(batch, gate, made.id, [parent], Role.DERIVED_FROM)
            else:
                line, depth = known.line_id, known.version + 1
                batch.version.append(VersionRow(made.id, line, parent, depth))
                batch.link.append(LinkRow(parent, made.id, Role.REVISION_OF.value))
            self._link(batch, gate, made.id, trained_on, Role.TRAINED_ON)
            self._numbers(batch, gate, made.id, hyperparameters, metrics, scores)
            self._note(batch, gate, made.id)
            return ModelVersion(made.id, Kind.MODEL, made.name, self, line, depth)

    def log(
        self,
        version: RecordLike,
        points: Points = (),
        *,
        scores: Mapping[str, Any] | None = None,
    ) -> None:
        """Append points to the curve of a model version while it trains, or scores once it is done.

        `points` are as the `metrics` of `update`. They are durable within about a second
        (`Sink.write_soon`), so the curve so far survives when the training is killed; `flush` waits
        for the last ones. A point that the curve already has at that place, and a score that the
        version already has, stay as they are, and a note says so.

        >>> store.log(version, [{"epoch": 2, "loss": 0.30}, {"epoch": 3, "loss": 0.25}])
        >>> store.log(version, scores={"mae": 0.28})
        """
        version_id = self.id_of(version)
        gate = self._gate()
        given = rows.several(gate, points, "metrics", mapping=True)
        named = rows.named(gate, scores, "scores")
        if not self._may_be(gate, version, version_id, Kind.MODEL, "has a curve"):
            given, named = [], {}
        new = rows.metric_rows(gate, version_id, given)
        new += rows.score_rows(gate, version_id, named)
        with Transaction(self.sink, self._local, soon=True) as batch:
            batch.metric.extend(self._not_logged(gate, batch, list(new)))
            self._note(batch, gate, version_id)

    # ---- steps ---------------------------------------------------------------------------

    def step(
        self,
        name: str,
        *,
        inputs: Records = (),
        models: Records = (),
        informed_by: Records = (),
        parameters: Any = None,
        tags: Mapping[str, TagValue] | None = None,
        type: str = "Script",
        action_url: str | None = None,
        action_id: str | None = None,
        run_as: str | None = None,
        definition_digest: str | None = None,
        ordinal: int | None = None,
        started_at: TimeLike | None = None,
    ) -> StepHandle:
        """Record that a step begins; use it as a context manager, or call `finish`.

        `inputs` and `models` are what it uses. Without `started_at` the step starts now. A step
        that never finishes stays in the store as ACTIVE.

        >>> with store.step("Find peaks", inputs=[scan]) as step:
        ...     peaks = step.output("peaks-17", file="peaks-17.csv")
        """
        with self._batch() as batch:
            gate = self._gate()
            made = self._record(batch, gate, Kind.STEP, name, (), (), tags)
            row = rows.step_row(
                gate,
                made.id,
                type=type,
                action_url=action_url,
                action_id=action_id,
                run_as=run_as,
                definition_digest=definition_digest,
                ordinal=ordinal,
                started_at=self._time_or_now(gate, started_at, "started_at"),
            )
            batch.step.append(row)
            used = [
                *several(gate, inputs, "inputs"),
                *several(gate, models, "models"),
            ]
            self._link(batch, gate, made.id, used, Role.USED)
            self._link(batch, gate, made.id, informed_by, Role.INFORMED_BY)
            if parameters is not None:
                self._payload(batch, gate, made.id, "parameters", parameters)
            self._note(batch, gate, made.id)
            return StepHandle(made.id, Kind.STEP, made.name, self)

    def finish(
        self,
        step: RecordLike,
        status: str = "SUCCEEDED",
        *,
        completed_at: TimeLike | None = None,
        result: Any = None,
        error: Any = None,
    ) -> None:
        """Record how a step ended, and when, by default now.

        >>> step = store.step("Find peaks", inputs=[scan])
        >>> store.finish(step, "FAILED", error={"message": "the scan has no frames"})
        """
        step_id = self.id_of(step)
        gate = self._gate()
        end = self._time_or_now(gate, completed_at, "completed_at")
        row = OutcomeRow(step_id, rows.status_of(gate, status), end)
        with self._batch() as batch:
            if self._may_be(gate, step, step_id, Kind.STEP, f"has the status {row.status}"):
                batch.outcome.append(row)
            for name, document in (("result", result), ("error", error)):
                if document is not None:
                    self._payload(batch, gate, step_id, name, document)
            self._note(batch, gate, step_id)

    def decide(
        self,
        name: str,
        options: OptionLike | Iterable[OptionLike] = (),
        chosen: OptionLike | Iterable[OptionLike] = (),
        *,
        why: str | None = None,
        question: str | None = None,
        decider: str | None = None,
        policy: str | None = None,
        inputs: Records = (),
        informed_by: Records = (),
        tags: Mapping[str, TagValue] | None = None,
        decided_at: TimeLike | None = None,
    ) -> StepHandle:
        """Record a decision: what could be chosen, what was chosen, and why.

        `options` are records or `Option`; an `Option` adds a score and a reason, or stands with its
        name alone for what is not recorded. `chosen` are those that were taken, one, several or
        none. `decider` is the person, program or model that decided, `policy` the rule that it
        followed, `inputs` what else it looked at. The decision depends on its inputs and on what
        was chosen: if an option that was not chosen is invalidated later, the decision stays valid.

        >>> decision = store.decide(
        ...     "Which model goes to the edge?",
        ...     [braid.Option(version, score=0.28), braid.Option(model, score=0.41)],
        ...     chosen=version,
        ...     policy="lowest mae",
        ... )
        """
        with self.transaction():
            when = self._time_or_now(self._gate(), decided_at, "decided_at")
            step = self.step(
                name,
                inputs=inputs,
                informed_by=informed_by,
                tags=tags,
                type=DECISION,
                started_at=when,
            )
            about = {"question": question, "decider": decider, "policy": policy}
            self.decided(step, options, chosen, why=why, **about)
            self.finish(step, completed_at=when)
            return step

    def decided(
        self,
        step: RecordLike,
        options: OptionLike | Iterable[OptionLike] = (),
        chosen: OptionLike | Iterable[OptionLike] = (),
        *,
        why: str | None = None,
        question: str | None = None,
        decider: str | None = None,
        policy: str | None = None,
    ) -> None:
        """Record what a step decided, once, before it finishes; see `decide`."""
        step_id = self.id_of(step)
        with self._batch() as batch:
            gate = self._gate()
            choice = read_choice(self, gate, options, chosen)
            about = {"question": question, "why": why, "decider": decider, "policy": policy}
            document = about | {"options": choice.options, "chosen": choice.chosen}
            self._payload(batch, gate, step_id, DOCUMENT, document)
            links = {Role.CHOSEN: choice.chosen_ids, Role.CONSIDERED: choice.considered_ids}
            self._add(gate, step, links)

    def used(self, step: RecordLike, records: Records, role: Role = Role.USED) -> None:
        """Link further inputs to a step that has not finished yet.

        >>> step = store.step("Find peaks")
        >>> store.used(step, [scan, version])
        >>> store.finish(step)
        """
        gate = self._gate()
        found = named(Role, role)
        if found is None or DEPENDENT.get(found) is not Kind.STEP:
            message = f"There is no role {described(role)} of what a step uses; taken as used."
            found = gate.instead(Role.USED, message, path="role")
        self._add(gate, step, {found: records})

    def generated(self, step: RecordLike, records: Records) -> None:
        """Link records that were just made to the step that made them."""
        step_id = self.id_of(step)
        gate = self._gate()
        with self._batch() as batch:
            ids = self._ids(several(gate, records, "records"))
            if self._may_be(gate, step, step_id, Kind.STEP, "generates records"):
                for record_id in self._without_cycles(batch, gate, ids, step_id, made_by=True):
                    batch.link.append(LinkRow(step_id, record_id, Role.GENERATED_BY.value))
            self._note(batch, gate, step_id)

    def link_later(
        self,
        record: RecordLike,
        records: Records,
        *,
        rule: str,
        role: Role = Role.USED,
        by: str | None = None,
    ) -> None:
        """Add links that became known after the record was closed, such as the inputs of a step
        that has ended.

        `rule` says in a few words what they were found by, `by` who found them, by default who
        records. A link by which the record would derive from itself is left out, with a note.
        """
        record_id = self.id_of(record)
        gate = self._gate()
        who = by or (self.audience.owner if self.audience else login())
        with self._batch() as batch:
            ids = self._ids(rows.several(gate, records, "records"))
            if ids and self._can_have(gate, record, record_id, role):
                for other in dict.fromkeys(self._without_cycles(batch, gate, ids, record_id)):
                    link = LinkRow(other, record_id, role.value)
                    # When it became known, not when it happened: the clock of a recorder that
                    # records a run afterwards is at the run's times, and what was stated between
                    # these and now did not know of the link.
                    about = (self.sink.new_id(), now(), who, rule)
                    batch.link.append(link)
                    batch.late_link.append(rows.late_link_row(gate, link, *about))
            self._note(batch, gate, record_id)

    # ---- what changes --------------------------------------------------------------------

    def tag(self, record: RecordLike, tags: Mapping[str, TagValue]) -> None:
        """Set tags; the earlier values stay in the history.

        >>> store.tag(scan, {"sample": "Ni", "temperature_K": 293.5})
        """
        record_id = self.id_of(record)
        gate = self._gate()
        with self._batch() as batch:
            for name, value in rows.named(gate, tags, "tags").items():
                row = rows.tag_row(gate, record_id, self.sink.new_id(), name, value, 0)
                batch.tag.append(
                    row._replace(set_at=self._time_after_last("tag", record_id, row.name))
                )
            self._note(batch, gate, record_id)

    def untag(self, record: RecordLike, *names: str) -> None:
        """Remove tags from a record; the history keeps them.

        >>> store.tag(scan, {"sample": "Ni"})
        >>> store.untag(scan, "sample")
        """
        record_id = self.id_of(record)
        gate = self._gate()
        with self._batch() as batch:
            for name in names:
                row = rows.removed_tag_row(gate, record_id, self.sink.new_id(), name, 0)
                batch.tag.append(
                    row._replace(set_at=self._time_after_last("tag", record_id, row.name))
                )
            self._note(batch, gate, record_id)

    def alias(self, version: RecordLike, *names: str) -> None:
        """Give a model version further names within its line, such as ``champion``.

        Another version that had one of these names loses it; the history keeps when it had it.
        Raises InvalidInput for a text that cannot be an alias, such as ``v3``.

        >>> store.alias(version, "champion")
        >>> store.model("braggnn@champion", resume=True) == version
        True
        """
        self._name_version(version, names, self.id_of(version))

    def unalias(self, model: RecordLike, *names: str) -> None:
        """Remove aliases from the versions of a model; `model` is any version of it.

        >>> store.alias(version, "champion")
        >>> store.unalias(model, "champion")
        """
        self._name_version(model, names, None)

    def _name_version(
        self, version: RecordLike, names: Iterable[str], version_id: int | None
    ) -> None:
        gate = self._gate()
        given = self.id_of(version)
        with self._batch() as batch:
            known = self._version(batch, version, given)
            if known is None:
                message = f"{self.sink.urn(given)} is not a model version that is known here."
                gate.instead(None, message, path="alias")
                return self._warn(gate)
            for name in names:
                new_id = self.sink.new_id()
                row = rows.alias_row(gate, known.line_id, name, new_id, version_id, 0)
                batch.alias.append(
                    row._replace(at=self._time_after_last("alias", known.line_id, row.name))
                )

    def add(
        self,
        record: RecordLike,
        *,
        depends_on: Records = (),
        members: Records = (),
        uris: Uris = (),
        file: Files | None = None,
        files: Files = (),
        scores: Mapping[str, Any] | None = None,
    ) -> None:
        """Add to live data, to a live dataset, or to a model version that a step makes.

        So a version that was recorded before it was trained gets its weights and its scores. A link
        by which the record would derive from itself is left out, with a note. Raises Sealed once
        the data is static, or the step has ended.

        >>> frames = store.dataset("frames", live=True)
        >>> store.add(frames, members=[scan], uris=["globus://collection/frames/"])
        """
        links = {Role.DERIVED_FROM: depends_on, Role.HAS_MEMBER: members}
        gate = self._gate()
        seen = self._look(gate, file, files)
        with self.transaction():
            if scores:
                self.log(record, scores=scores)
            self._add(gate, record, links, uris, seen)

    def found_file(
        self,
        record: RecordLike,
        uri: str,
        *,
        size: int,
        digest: str,
        at: TimeLike | None = None,
    ) -> None:
        """Record what size and digest the file at one of a record's URIs has.

        Use it when they become known after the record was made, or when the file has changed; the
        record itself stays as it is. `size` is in bytes, `digest` is ``sha256:…``, `at` is by
        default now. Raises InvalidInput for a size or digest that is not valid.

        >>> digest = "sha256:" + 64 * "0"
        >>> store.found_file(scan, "globus://lab/scan-17.h5", size=4096, digest=digest)
        """
        record_id = self.id_of(record)
        gate = self._gate()
        then = rows.moment(gate, at, "at")
        then = self._clock_time() if then is None else then
        new_id = self.sink.new_id()
        row = rows.file_check_row(gate, record_id, new_id, uri, then, size, digest)
        with self._batch() as batch:
            batch.file_check.append(row)
            self._note(batch, gate, record_id)

    def promote(self, record: RecordLike, note: str = "") -> None:
        """Make live data static: from now on nothing can be added to it.

        >>> frames = store.dataset("frames", [scan], live=True)
        >>> store.promote(frames, "the scan is complete")
        """
        self.mark(record, Mark.PROMOTED, note)

    def mark(self, record: RecordLike, mark: Mark, note: str = "") -> None:
        """Say something about a record that is already written."""
        record_id = self.id_of(record)
        gate = self._gate()
        found = named(Mark, mark)
        if found is None:
            message = f"There is no mark {described(mark)}; the record is not marked."
            gate.instead(None, message, path="mark")
        said = rows.note_text(gate, note)
        with self._batch() as batch:
            if found is not None:
                cause = record_id if found in (Mark.INVALIDATED, Mark.RESTORED) else None
                row = (
                    record_id,
                    found.value,
                    self._time_after_last("mark", record_id),
                    said,
                    cause,
                )
                batch.mark.append(MarkRow(self.sink.new_id(), *row))
            self._note(batch, gate, record_id)

    def payload(
        self,
        record: RecordLike,
        name: str,
        document: Any,
        private: Iterable[str] = (),
    ) -> None:
        """Keep a JSON document with a record, secrets and `private` keys redacted."""
        record_id = self.id_of(record)
        gate = self._gate()
        names = [plain(key) for key in rows.several(gate, private, "private keys")]
        hidden = [key for key in names if type(key) is str]
        with self._batch() as batch:
            self._payload(batch, gate, record_id, name, document, hidden)
            self._note(batch, gate, record_id)

    def decoded_payload(self, record: RecordLike, name: str, document: Any) -> None:
        """As `payload`, for a document that was decoded from JSON: nothing in it is converted."""
        record_id = self.id_of(record)
        gate = self._gate()
        with self._batch() as batch:
            self._payload(batch, gate, record_id, name, document, decoded=True)
            self._note(batch, gate, record_id)

    def run(
        self,
        run_id: str,
        *,
        at: TimeLike | None = None,
        flow_id: str | None = None,
        flow_title: str | None = None,
        label: str | None = None,
        status: str | None = None,
        run_owner: str | None = None,
        start_time: TimeLike | None = None,
        completion_time: TimeLike | None = None,
        audience: Audience | None = None,
        tags: str | Iterable[str] = (),
    ) -> None:
        """Record what is known of a flow run. An argument that is None says nothing.

        When a run is recorded more than once the latest value counts, of `start_time` the earliest
        one, or the first `at` if none was given. `at` is the time at which this was so, default
        now. Raises InvalidInput for a run id over 64 characters.

        >>> run = "8c1f2d3e-5a0f-4f3b-9c39-6f1c1a7f0d11"
        >>> store.run(run, label="scan 17", status="ACTIVE")
        """
        said = (flow_id, flow_title, label, status, run_owner)
        self._run(run_id, at, said, (start_time, completion_time), audience, tags)

    def run_news(self, run_id: str, **about: Unpack[RunAbout]) -> None:
        """As `run`, but nothing is recorded that the store already has of the run."""
        said = tuple(map(about.get, ("flow_id", "flow_title", "label", "status", "run_owner")))
        times = (about.get("start_time"), about.get("completion_time"))
        audience, tags = about.get("audience"), about.get("tags", NONE)
        self._run(run_id, about.get("at"), said, times, audience, tags, only_news=True)

    def _run(
        self,
        run_id: str,
        at: TimeLike | None,
        said: tuple[Any, ...],
        times: tuple[TimeLike | None, TimeLike | None],
        audience: Audience | None,
        tags: str | Iterable[str],
        *,
        only_news: bool = False,
    ) -> None:
        """`said` is in the order of an event's fields, as `times` is."""
        if only_news and tags is NONE and run_id is self.run_id and audience is self.audience:
            digest = None if audience is None else audience.rows()[0].digest
            if self._is_known(run_id, (*said, *times, digest)):  # nearly always: the quick way
                return
        gate = self._gate()
        # What the recorder was made with went through the gate then.
        known = run_id is not None and run_id is self.run_id
        run = run_id if known else rows.run_id_of(self._gate(), run_id) or ""
        when = rows.moment_said(gate, at, "at")
        audience = audience if audience is self.audience else rows.audience_of(gate, audience)
        with self._batch() as batch:
            digest = self._audience(batch, audience)
            when = self._time_after_last("run", run) if when is None else when
            row = rows.run_event_row(gate, self.sink.new_id(), run, when, said, times, digest)
            if not (only_news and self._is_known(run, row[3:])):
                batch.run_event.append(row)
            names = rows.several(gate, tags, "tags")
            batch.run_tag.extend(rows.run_tag_row(gate, run, name) for name in names)
        self._warn(gate)

    def _is_known(self, run_id: str, said: tuple[Any, ...]) -> bool:
        """Whether all that is said of a run, in the order of an event's fields, stands in the
        store, as far as can be seen here. Of the times when it began the earliest counts."""
        known = self.sink.run_known(run_id)
        if known is None:
            return False
        start, first = said[START], known[START]
        if type(start) is int and first is not None and start >= first:
            said = (*said[:START], None, *said[START + 1 :])
        return all(new is None or new == old for new, old in zip(said, known, strict=True))

    def flush(self) -> None:
        """Return when everything recorded so far is durable.

        >>> store.log(version, [{"epoch": 2, "loss": 0.3}])
        >>> store.flush()
        """
        self.sink.flush()

    # ---- batches and ids -----------------------------------------------------------------

    def transaction(self) -> Transaction:
        """Write everything that this thread records in the block together, or nothing of it.

        It is one batch and one commit. If the block raises, nothing of it is written. Blocks can be
        nested; the outermost one writes. Of two documents of one name, two ends of a step or two
        descriptions of one URI the first is kept, with a note.

        >>> with store.transaction():
        ...     first = store.data("part-1")
        ...     second = store.data("part-2", depends_on=[first])
        """
        return Transaction(self.sink, self._local, settle=self._say_once)
