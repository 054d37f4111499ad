"""Makes rows of what a Recorder is given: ids, links, URIs, files, tags, documents, and notes on
what could not be taken as it was."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from provenance_store import redaction
from provenance_store.batch import Batch
from provenance_store.enums import Kind, Mark, Role, Series
from provenance_store.errors import NotFound, TooLarge
from provenance_store.files import LocalFile
from provenance_store.handles import ModelVersion, Record
from provenance_store.ids import MAX_ORIGIN_NO, MAX_SEQUENCE, make_id, now
from provenance_store.recording.environment import current_environment
from provenance_store.recording.transaction import Inside, Transaction, inside
from provenance_store.references import (
    Head,
    NamesRecord,
    Reference,
    is_document,
    is_name,
    path_of,
    spelled,
)
from provenance_store.resume_notice import IN_PYTHON, told_of_resuming
from provenance_store.rows import (
    AudienceRow,
    EnvironmentRow,
    MetricRow,
    PayloadRow,
    RecordRow,
    RunEventRow,
)
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.sink import Sink, VersionOf
from provenance_store.times import TimeLike
from provenance_store.validation import rows
from provenance_store.validation.batches import DEPENDENT
from provenance_store.validation.limits import YEARS, Gate, Policy
from provenance_store.validation.scalars import described, is_a, plain, plain_document
from provenance_store.values import Audience, TagValue, Uri, canonical_json, digest_of

if TYPE_CHECKING:
    from provenance_store.recording.recorder import Recorder

__all__ = [
    "NONE",
    "NOTE_TAG",
    "NOT_AS_GIVEN",
    "ONLY_AT_THE_BEGINNING",
    "START",
    "FileLike",
    "Files",
    "Points",
    "RecordLike",
    "Records",
    "RowMaker",
    "UriLike",
    "Uris",
    "log",
    "named",
    "several",
]

log = logging.getLogger("braid")

NOTE_TAG = "braid_note"
"""The tag that says what was not recorded as it was given, and why."""
CHOICES = 5
"""So many versions are listed where one of them is meant."""
ONLY_AT_THE_BEGINNING = (
    "%s exists already, newest is v%s: depends_on and tags are not recorded, for model() makes no "
    "version here. Give them to update(), or with trained_on, files, hyperparameters or scores."
)
NOT_AS_GIVEN = "Not recorded as given: %s"
"""What is logged of a note, which quotes what was given."""
RecordLike = Reference
"""A record to depend on: what a Recorder returned, its id, or whatever else names it
(`references`). Where no store can be asked, what a name or URI stands for is looked up later."""
Records = RecordLike | Iterable[RecordLike]
"""Records to depend on; one alone is taken as one."""
UriLike = str | os.PathLike[str] | Uri | Mapping[str, Any]
"""A URI as text, a path of this machine, or with size (bytes), digest (``sha256:…``) and
media_type."""
Uris = UriLike | Iterable[UriLike]
"""URIs; one alone is taken as one."""
FileLike = str | os.PathLike[str] | LocalFile
"""A path of this machine, or what `files.look` has seen there."""
Points = Mapping[str, Any] | Iterable[Mapping[str, Any]]
"""Points of a curve such as ``{"epoch": 3, "loss": 0.2}``; one alone is taken as one."""
Files = FileLike | Iterable[FileLike]
"""Files and directories of this machine; one alone is taken as one. See `files.look`."""
NONE: tuple[()] = ()
"""What the arguments are by default that take several: Python makes one empty tuple only."""
SAID_ONCE = {"payload": (2, "document"), "outcome": (1, "end of a step"), "uri": (2, "URI")}
"""Tables in which a record says something once: how many columns say what of, and what it is."""
DEFAULTS = ("run_id", "audience", "clock", "_environment", "strict", "_policy")
"""The attributes of a Recorder that go with it to another process."""


Named = TypeVar("Named", Role, Mark)
START = RunEventRow._fields.index("start_time") - 3
FIRST_ID, LAST_ID = make_id(1, 1), make_id(MAX_ORIGIN_NO, MAX_SEQUENCE)


class RowMaker:
    """What a Recorder has, and how it makes rows and gathers them in batches."""

    def __init__(
        self,
        sink: Sink,
        *,
        run_id: str | None = None,
        audience: Audience | None = None,
        environment: Mapping[str, Any] | str | None = "auto",
        clock: Callable[[], int] = now,
        strict: bool = False,
    ) -> None:
        self.sink = sink
        self.strict = strict
        self._policy = Policy.REFUSE if strict else Policy.DEGRADE
        self.run_id = rows.run_id_of(Gate(Policy.REFUSE), run_id)
        self.audience = rows.audience_of(Gate(Policy.REFUSE), audience)
        self.clock = clock
        self._environment = environment
        self._environment_row: EnvironmentRow | None = None
        self._last_audience: tuple[Audience, AudienceRow] | None = None
        self._payload_limit = MAX_PAYLOAD_BYTES.get()
        self._local = threading.local()
        self._logged: dict[tuple[int, int, str], MetricRow] = {}
        """The furthest point of each curve that was logged here."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.sink,), {name: getattr(self, name) for name in DEFAULTS}

    def _batch(self) -> Transaction | Inside:
        return inside(self._local) or Transaction(self.sink, self._local)

    def id_of(self, record: RecordLike) -> int:
        """The id of a record as this recorder's sink numbers origins.

        Raises NotFound for what names nothing known, Ambiguous for a name that several have,
        InvalidInput for what is no reference.
        """
        if type(record) is int and FIRST_ID <= record <= LAST_ID:
            return record
        if is_a(record, Record):
            handle: Record = record  # type: ignore[assignment]
            return self._number_here(handle, handle.id)
        if is_a(record, Head):
            return record.id  # type: ignore[union-attr]
        reference = plain(record)
        if type(reference) is int:
            if FIRST_ID <= reference <= LAST_ID:
                return reference
            raise NotFound(f"There is no record {described(reference)}.")
        return self.sink.resolve(spelled(record))

    def _number_here(self, handle: Record, record_id: int) -> int:
        """An id, as the recorder of that handle numbers origins, as this one numbers them."""
        if handle.recorder.sink.numbering is self.sink.numbering:
            return record_id
        return self.sink.resolve(handle.recorder.sink.travelling(record_id))

    def _may_be(
        self, gate: Gate, given: RecordLike, record_id: int, wanted: Kind, what: str
    ) -> bool:
        """Whether a record can be of a kind, as far as is known here; if not, that is noted."""
        known = is_a(given, Record)
        kind = given.kind if known else self.sink.kind_of(record_id)  # type: ignore[union-attr]
        if kind is None or kind is wanted:
            return True
        message = f"Only a {wanted.label} {what}, not a {kind.label}; that is left out."
        gate.instead(None, message)
        return False

    def _version(
        self, batch: Batch, given: ModelVersion | RecordLike, version_id: int
    ) -> VersionOf | None:
        """The line, name and number of a model version, as far as it is known here."""
        if is_a(given, ModelVersion):
            handle: ModelVersion = given  # type: ignore[assignment]
            return VersionOf(handle.name, self._number_here(handle, handle.line_id), handle.version)
        for row in batch.version:  # what is recorded together with it is not in the store yet
            if row.id == version_id:
                name = next(made.name for made in batch.record if made.id == version_id)
                return VersionOf(name, row.line_id, row.depth)
        return self.sink.version_of(version_id)

    def _called(self, given: RecordLike) -> str:
        known = is_a(given, Record) or is_a(given, NamesRecord)
        return given.name if known else described(given)  # type: ignore[union-attr]

    def _newest(self, reference: RecordLike) -> ModelVersion | None:
        """The version of a model to go on from, which is named or is its newest; None where there
        is none, or that cannot be known."""
        name = plain(reference)
        if type(name) is str and is_name(name):
            heads = self.sink.heads(redaction.scrub_text(name)) or []
            if len(heads) > 1:
                choices = ", ".join(self.sink.urn(head.id) for head in heads[:CHOICES])
                gate = self._gate()
                message = (
                    f"{len(heads)} versions are the newest of {name[:80]!r}: {choices}; it goes on "
                    "from the one that was made last."
                )
                gate.instead(None, message, path="resume")
                self._warn(gate)
            if not heads:
                return None
            head = heads[0]
            failed = [self.sink.urn(version) for version in head.passed_over]
            about = (head.name, head.version, head.status, failed)
            if told := told_of_resuming(*about, IN_PYTHON):
                log.warning("%s", told)
            return self._handle(head)
        version_id = self.id_of(reference)
        known = self._version(Batch(), reference, version_id)
        if known is None:
            raise NotFound(f"{spelled(reference)[:200]} is not a model version that is known here.")
        return self._handle(Head(version_id, known.line_id, known.version, known.name, None))

    def _not_logged(self, gate: Gate, batch: Batch, new: list[MetricRow]) -> list[MetricRow]:
        """Points of a curve that it does not have yet; of the others it is noted where they
        differ. Training goes forward: only a point that is not beyond the last is looked for."""
        last = self._logged
        doubtful = [row for row in new if row[:3] not in last or row.step <= last[row[:3]].step]
        there = {row[:4]: row for row in self.sink.points(doubtful)} if doubtful else {}
        for row in (*batch.metric, *(last[row[:3]] for row in doubtful if row[:3] in last)):
            there.setdefault(row[:4], row)
        kept = []
        for row in new:
            known = there.get(row[:4])
            if known is None:
                kept.append(row)
                last[row[:3]] = max(row, last.get(row[:3], row), key=lambda point: point.step)
            elif known[4:] != row[4:]:
                place = "" if row.series == Series.SCORE else f" at {row.step:g}"
                message = (
                    f"{row.name}{place} was logged as {rows.shown_point(known)} before "
                    f"and stays so; {rows.shown_point(row)} is left out."
                )
                gate.instead(None, message, path="metrics")
        return kept

    def _handle(self, head: Head) -> ModelVersion:
        made_by = cast("Recorder", self)
        return ModelVersion(head.id, Kind.MODEL, head.name, made_by, head.line_id, head.version)

    # ---- notes ---------------------------------------------------------------------------

    def _gate(self) -> Gate:
        return Gate(self._policy)

    def _note(self, batch: Batch, gate: Gate, record_id: int) -> None:
        """Say with the record what was not taken as it was given."""
        if not gate.notes:
            return
        self._warn(gate)
        text = " ".join(dict.fromkeys(gate.notes))
        change = (
            self.sink.new_id(),
            NOTE_TAG,
            text,
            self._time_after_last("tag", record_id, NOTE_TAG),
        )
        batch.tag.append(rows.tag_row(Gate(), record_id, *change))

    def _warn(self, gate: Gate) -> None:
        for note in gate.notes:
            log.warning(NOT_AS_GIVEN, redaction.scrub_text(note))

    def _say_once(self, batch: Batch) -> None:
        """Leave out of a batch what it says again of one record: a store would refuse all of it."""
        noted: dict[int, Gate] = {}
        for name, (width, what) in SAID_ONCE.items():
            table: list[Any] = getattr(batch, name)
            if len(table) < 2 or len({row[:width] for row in table}) == len(table):
                continue
            first: dict[Any, Any] = {}
            for row in table:
                if first.setdefault(row[:width], row) != row:
                    about = f" {row[1]!r:.80}" if width > 1 else ""
                    message = (
                        f"The {what}{about} was recorded twice in one block, and differently; what "
                        "was said first stays."
                    )
                    noted.setdefault(row[0], self._gate()).instead(None, message, path=name)
            table[:] = first.values()
        for record_id, gate in noted.items():
            self._note(batch, gate, record_id)

    # ---- rows ----------------------------------------------------------------------------

    def _time_or_now(self, gate: Gate, given: TimeLike | None, what: str) -> int | None:
        return self._clock_time() if given is None else rows.moment(gate, given, what)

    def _clock_time(self) -> int:
        """The time by the clock of this recorder; ours where that one tells none."""
        try:
            at = self.clock()
        except Exception:
            return now()
        return at if type(at) is int and at in YEARS else now()

    def _record(
        self,
        batch: Batch,
        gate: Gate,
        kind: Kind,
        name: str,
        depends_on: Records,
        uris: Uris,
        tags: Mapping[str, TagValue] | None,
        seen: Sequence[LocalFile] = (),
        *,
        live: bool = False,
    ) -> Record:
        name = rows.name_of(gate, name)
        record_id = self.sink.new_id()
        where = self._environment_digest(batch) if kind in (Kind.STEP, Kind.MODEL) else None
        audience = self._audience(batch, self.audience)
        at = self._clock_time()
        is_live = int(live if type(live) is bool else rows.truth_of(gate, live, "live"))
        batch.record.append(
            RecordRow(record_id, int(kind), name, at, is_live, self.run_id, where, audience)
        )
        self._link(batch, gate, record_id, depends_on, Role.DERIVED_FROM)
        self._uris(batch, gate, record_id, uris)
        if seen:
            self._files(batch, gate, record_id, seen)
        if tags is not None:
            self._tags(batch, gate, record_id, tags)
        return Record(record_id, kind, name, cast("Recorder", self))

    def _look(self, gate: Gate, file: Files | None, files: Files) -> list[LocalFile]:
        """What is there of these files. One without a digest is noted, with why it has none."""
        if file is None and files is NONE:
            return []
        given = [*rows.several(gate, file, "files"), *rows.several(gate, files, "files")]
        if not given:
            return []
        from provenance_store.files import look

        seen = []
        for each in given:
            if type(each) is LocalFile:
                seen.append(each)
                continue
            path = plain(each)
            if type(path) is not str or not path or "\x00" in path:
                gate.instead(None, f"{described(each)} is not a path of a file.", path="files")
                continue
            found = look(Path(path))
            if found.found.why:
                message = f"{path} {found.found.why}: recorded without size and digest."
                gate.instead(None, message, path="files")
            seen.append(found)
        return seen

    def _files(self, batch: Batch, gate: Gate, record_id: int, seen: Sequence[LocalFile]) -> None:
        from provenance_store.files import MEMBERS, members_of, tags_of

        self._uris(batch, gate, record_id, [file.place for file in seen])
        self._tags(batch, gate, record_id, tags_of(seen))
        if members := members_of(seen):
            self._payload(batch, gate, record_id, MEMBERS, members, decoded=True)

    def _uris(self, batch: Batch, gate: Gate, record_id: int, uris: Uris) -> None:
        if places := [
            rows.uri_row(gate, record_id, _here(uri))
            for uri in rows.several(gate, uris, "URIs", mapping=True)
        ]:
            batch.uri.extend({place.uri: place for place in places}.values())

    def _add(
        self,
        gate: Gate,
        record: RecordLike,
        links: Mapping[Role, Records],
        uris: Uris = (),
        seen: Sequence[LocalFile] = (),
    ) -> None:
        record_id = self.id_of(record)
        with self._batch() as batch:
            self._uris(batch, gate, record_id, uris)
            if seen:
                self._files(batch, gate, record_id, seen)
            for role, records in links.items():
                ids = self._ids(several(gate, records, "records"))
                if not ids or not self._can_have(gate, record, record_id, role):
                    continue
                new = self._without_cycles(batch, gate, ids, record_id)
                batch.add_links(dict.fromkeys(new), record_id, role.value)
            self._note(batch, gate, record_id)

    def _can_have(self, gate: Gate, record: RecordLike, record_id: int, role: Role) -> bool:
        wanted = DEPENDENT.get(role)
        what = f"has links of the role {role.label}"
        return wanted is None or self._may_be(gate, record, record_id, wanted, what)

    def _link(self, batch: Batch, gate: Gate, record_id: int, records: Records, role: Role) -> None:
        """Link a record that is being made: nothing depends on it yet but, by mistake, itself."""
        if records is NONE or not (given := several(gate, records, "records")):
            return
        ids = dict.fromkeys(self._ids(given))
        if record_id in ids:
            gate.instead(None, "A record cannot depend on itself; the link is left out.")
            del ids[record_id]
        batch.add_links(ids, record_id, int(role))

    def _without_cycles(
        self, batch: Batch, gate: Gate, ids: list[int], record_id: int, *, made_by: bool = False
    ) -> list[int]:
        """Those of these records that a record can be linked to, or with `made_by` from, without
        deriving from itself, as far as can be seen here."""
        if not ids:
            return []
        closing = self.sink.closing(batch, ids, record_id, made_by=made_by)
        for other in closing:
            gate.instead(
                None,
                f"The link with {self.sink.urn(other)} is left out: with it the record would "
                "derive from itself.",
            )
        return [i for i in ids if i not in closing] if closing else ids

    def _ids(self, records: list[RecordLike]) -> list[int]:
        """`id_of` for many: quick for ids, and for what this very recorder has made."""
        id_of = self.id_of
        try:
            return [
                r
                if type(r) is int and FIRST_ID <= r <= LAST_ID
                else r.id  # type: ignore[union-attr]
                if r.recorder is self  # type: ignore[union-attr]
                else id_of(r)
                for r in records
            ]
        except Exception:  # something else than handles, whatever it does when it is asked
            return [id_of(record) for record in records]

    def _tags(self, batch: Batch, gate: Gate, record_id: int, tags: Mapping[str, TagValue]) -> None:
        at = self._clock_time()
        new_id = self.sink.new_id
        batch.tag.extend(
            rows.tag_row(gate, record_id, new_id(), n, v, at)
            for n, v in rows.named(gate, tags, "tags").items()
        )

    def _time_after_last(self, table: str, *key: Any) -> int:
        """The time now, or just after what was said last of this: the latest time counts."""
        return self.sink.later(table, key, self._clock_time())

    def _numbers(
        self,
        batch: Batch,
        gate: Gate,
        record_id: int,
        hyperparameters: Mapping[str, Any] | None,
        metrics: Points,
        scores: Mapping[str, Any] | None,
    ) -> None:
        if given := rows.named(gate, hyperparameters, "hyperparameters"):
            self._payload(batch, gate, record_id, "hyperparameters", dict(given))
        points = rows.several(gate, metrics, "metrics", mapping=True)
        batch.metric.extend(rows.metric_rows(gate, record_id, points))
        batch.metric.extend(rows.score_rows(gate, record_id, rows.named(gate, scores, "scores")))

    def _payload(
        self,
        batch: Batch,
        gate: Gate,
        record_id: int,
        name: str,
        document: Any,
        private: Iterable[str] = (),
        *,
        decoded: bool = False,
    ) -> None:
        kept_name = rows.document_name(gate, name)
        text = rows.payload_document(
            gate,
            document,
            limit=self._payload_limit,
            private=private,
            decoded=decoded,
            path=kept_name,
        )
        batch.payload.append(PayloadRow(record_id, kept_name, text))

    def _environment_digest(self, batch: Batch) -> str | None:
        if self._environment is None:
            return None
        if self._environment_row is None:
            document = self._environment
            if is_a(document, str):
                document = current_environment()
            try:
                document = redaction.redact(plain_document(document))
                row = EnvironmentRow(digest_of(document), canonical_json(document).decode())
            except (TooLarge, ValueError):  # half a character, or nested without end
                document = {"unreadable": redaction.scrub_text(described(document))}
                row = EnvironmentRow(digest_of(document), canonical_json(document).decode())
            self._environment_row = row
        if self._environment_row not in batch.environment:
            batch.environment.append(self._environment_row)
        return self._environment_row.digest

    def _audience(self, batch: Batch, audience: Audience | None) -> str | None:
        if audience is None:
            return None
        last = self._last_audience  # hashing one takes longer than all the rest
        if last is not None and last[0] is audience and last[1] in batch.audience:
            return last[1].digest
        row, members = audience.rows()
        self._last_audience = (audience, row)
        if row not in batch.audience:
            batch.audience.append(row)
            batch.audience_member.extend(members)
        return row.digest


def several(gate: Gate, given: Any, what: str) -> list[Any]:
    """Records that are given: a document of one is one record, another mapping that of its keys."""
    if type(given) is list or type(given) is tuple:  # nearly always
        return [*given]
    return rows.several(gate, given, what, mapping=is_document(given))


def named(kinds: type[Named], given: object) -> Named | None:
    """The role or mark that is given, or whose name or number is."""
    value = plain(given)
    if type(value) is str:
        return kinds.__members__.get(value.upper())
    return next((member for member in kinds if type(value) is int and member == value), None)


def _here(uri: Any) -> Any:
    """A URI that was given; of text that is a path of this machine without doubt, the path. A `Uri`
    is as it is: those of other machines are given so."""
    given = type(uri)
    if issubclass(given, str):
        return uri if (path := path_of(str.__str__(uri))) is None else path
    if given is dict and type(place := uri.get("uri")) is str:
        return uri if (path := path_of(place)) is None else {**uri, "uri": path}
    return uri
