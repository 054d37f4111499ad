"""Records that were exported from a Braid store, made again as they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from provenance_store.batch import Batch
from provenance_store.enums import Kind, Mark
from provenance_store.errors import InvalidInput
from provenance_store.exchange.import_target import Numbers
from provenance_store.exchange.parsing import json_in, micros, plain_value, sentence, urn_in
from provenance_store.exchange.prov.names import NAMESPACES, decoded, principal_of
from provenance_store.exchange.prov.reading import PROV, Element, Prov, Relation
from provenance_store.redaction import redact, scrub_text
from provenance_store.rows import (
    EnvironmentRow,
    FileCheckRow,
    MarkRow,
    MetricRow,
    OutcomeRow,
    PayloadRow,
    RecordRow,
    RunEventRow,
    RunTagRow,
    StepRow,
    TagRow,
    UriRow,
    VersionRow,
)
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.times import parse_time
from provenance_store.validation.limits import MAX_NAME, Gate, Policy
from provenance_store.validation.rows import (
    file_check_row,
    metric_rows,
    payload_document,
    removed_tag_row,
    same_as_row,
    score_rows,
    tag_row,
    uri_row,
)
from provenance_store.validation.texts import check_text
from provenance_store.values import Audience, canonical_json, digest_of

__all__ = ["SAME", "Own", "attribute_of"]

BRAID: Final = NAMESPACES["braid"]
SETTING: Final = f"{BRAID}tag_setting"
SAME: Final = f"{BRAID}same_as"
_OF_STEP = ("action_url", "action_id", "run_as", "definition_digest")
T = TypeVar("T")


@contextmanager
def attribute_of(element: Element, name: str) -> Iterator[None]:
    """What is wrong inside is this attribute: the path of an InvalidInput says so."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(sentence(error), path=f"{element.place}[{name[:40]!r}]") from None


class Own:
    """Makes the rows of our own records and runs; `owners` are who they are attributed to."""

    def __init__(
        self, found: Prov, batch: Batch, numbers: Numbers, owners: Mapping[str, str]
    ) -> None:
        self._found = found
        self._batch = batch
        self._numbers = numbers
        self._owners = owners
        self._limit = MAX_PAYLOAD_BYTES.get()
        self._known: set[object] = set()
        self._parts: dict[str, list[Relation]] = {}
        for relation in found.relations:
            if relation.name == "wasAssociatedWith" and (run := relation.ends.get("activity")):
                self._parts.setdefault(run, []).append(relation)

    def record(self, element: Element) -> None:
        """The rows of one record. Raises InvalidInput with its place."""
        try:
            self._record(element)
        except InvalidInput as error:
            place = error.path or element.place
            raise InvalidInput(sentence(error), path=place) from None

    def _record(self, element: Element) -> None:
        kind = self._kind(element)
        record_id = self._numbers.of(element.uri)
        created = micros(element.one(f"{BRAID}created_at"))
        if created is None:
            raise InvalidInput("braid:created_at is a time such as 2026-11-01T12:00:00Z.")
        with attribute_of(element, "prov:label"):
            name = check_text(element.one(f"{PROV}label"), "name", MAX_NAME)
        row = RecordRow(
            record_id,
            kind.value,
            scrub_text(name)[:MAX_NAME] if "://" in name else name,
            created,
            int(element.one(f"{BRAID}live") is True),
            _text(element, "run_id", 64),
            self._environment(element),
            self._audience(self._owners.get(element.uri)),
        )
        self._batch.record.append(row)
        self._uris(element, record_id)
        self._tags(element, record_id, created)
        self._payloads(element, record_id)
        self._marks(element, record_id)
        self._same(element, record_id)
        if kind is Kind.STEP:
            self._step(element, record_id)
        if kind is Kind.MODEL and element.all(f"{BRAID}version"):
            self._version(element, record_id)

    def _kind(self, element: Element) -> Kind:
        types = {str(value) for value in element.all(f"{PROV}type")}
        for kind in Kind:
            if f"{BRAID}{kind.name.capitalize()}" in types:
                if (kind is Kind.STEP) != ("activity" in element.kinds):
                    raise InvalidInput("A step is an activity, and everything else an entity.")
                return kind
        raise InvalidInput("prov:type says which kind of record it is, such as braid:Data.")

    def _environment(self, element: Element) -> str | None:
        name = element.one(f"{BRAID}environment")
        if name is None:
            return None
        described = self._found.elements.get(str(name))
        document = None if described is None else described.one(f"{BRAID}document")
        if document is None:
            raise InvalidInput(f"braid:environment names {name!s:.80}, which is not described.")
        value = redact(json_in(document, "braid:document"))
        row = EnvironmentRow(digest_of(value), canonical_json(value).decode())
        self._once(self._batch.environment, row)
        return row.digest

    def _audience(self, owner: str | None) -> str | None:
        if owner is None:
            return None
        row, members = Audience(owner).rows()
        if self._once(self._batch.audience, row):
            self._batch.audience_member.extend(members)
        return row.digest

    def _once(self, rows: list[T], row: T) -> bool:
        new = row not in self._known
        if new:
            self._known.add(row)
            rows.append(row)
        return new

    def _uris(self, element: Element, record_id: int) -> None:
        found: dict[str, UriRow] = {}
        with attribute_of(element, "prov:location"):
            for place in element.all(f"{PROV}location"):
                found[str(place)] = uri_row(_strict(), record_id, str(place))
        for text in element.all(f"{BRAID}file"):
            with attribute_of(element, "braid:file"):
                row = uri_row(_strict(), record_id, json_in(text, "braid:file"))
            found[row.uri] = row
        self._batch.uri.extend({row.uri: row for row in found.values()}.values())
        with attribute_of(element, "braid:file_check"):
            checks = [self._check(text, record_id) for text in element.all(f"{BRAID}file_check")]
        self._batch.file_check.extend(checks)

    def _check(self, text: Any, record_id: int) -> FileCheckRow:
        """What a file was found to be, under the id that it had."""
        about = json_in(text, "braid:file_check")
        try:
            check_id, at = self._numbers.of(urn_in(about["id"])), parse_time(about["at"], now=0)
            said = (about["uri"], at, about["size"], about["digest"])
        except (KeyError, TypeError, AttributeError):
            raise InvalidInput("braid:file_check has id, uri, at, size and digest.") from None
        return file_check_row(_strict(), record_id, check_id, *said)

    def _tags(self, element: Element, record_id: int, at: int) -> None:
        with attribute_of(element, "braid:tag_setting"):
            settings = [self._setting(text, record_id) for text in element.all(SETTING)]
        self._batch.tag.extend(settings)
        told = {row.name for row in settings}
        space = NAMESPACES["tag"]
        for key in sorted(k for k in element.attributes if k.startswith(space)):
            name, value = decoded(key.removeprefix(space)), element.one(key)
            if name not in told:
                with attribute_of(element, element.labels[key]):
                    row = tag_row(
                        _strict(), record_id, self._numbers.next(), name, plain_value(value), at
                    )
                self._batch.tag.append(row)

    def _setting(self, text: Any, record_id: int) -> TagRow:
        """A value that a tag had at some time, under the id that it had."""
        about = json_in(text, "braid:tag_setting")
        try:
            tag_id = self._numbers.of(urn_in(about["id"]))
            at = parse_time(about["at"], now=0)
            if about["value"] is None:
                return removed_tag_row(_strict(), record_id, tag_id, about["name"], at)
            return tag_row(_strict(), record_id, tag_id, about["name"], about["value"], at)
        except (KeyError, TypeError, AttributeError):
            raise InvalidInput("braid:tag_setting has id, name, value and at.") from None

    def _payloads(self, element: Element, record_id: int) -> None:
        space = NAMESPACES["document"]
        for key in sorted(k for k in element.attributes if k.startswith(space)):
            with attribute_of(element, element.labels[key]):
                name = check_text(decoded(key.removeprefix(space)), "document name", 256)
                text = payload_document(
                    _strict(), json_in(element.one(key), "this"), limit=self._limit, decoded=True
                )
            self._batch.payload.append(PayloadRow(record_id, name, text))

    def _marks(self, element: Element, record_id: int) -> None:
        with attribute_of(element, "braid:mark"):
            self._batch.mark += [self._mark(t, record_id) for t in element.all(f"{BRAID}mark")]

    def _mark(self, text: Any, record_id: int) -> MarkRow:
        """Something said of a record, under the id that it had."""
        about = json_in(text, "braid:mark")
        try:
            mark = next(m for m in Mark if m.label == about["mark"])
            cause = about.get("cause")
            return MarkRow(
                self._numbers.of(urn_in(about["id"])),
                record_id,
                mark.value,
                parse_time(about["at"], now=0),
                scrub_text(check_text(about["note"], "note", 16384, empty=True)),
                None if cause is None else self._numbers.of(urn_in(cause)),
            )
        except (KeyError, TypeError, AttributeError, StopIteration):
            raise InvalidInput("braid:mark has id, mark, at, note and cause.") from None

    def _same(self, element: Element, record_id: int) -> None:
        with attribute_of(element, "braid:same_as"):
            for text in element.all(SAME):
                about = json_in(text, "braid:same_as")
                try:
                    other, said = urn_in(about["other"]), urn_in(about["id"])
                    at, digest = parse_time(about["at"], now=0), about["digest"]
                except (KeyError, TypeError, AttributeError):
                    raise InvalidInput("braid:same_as has id, other, at and digest.") from None
                if other not in self._found.elements:
                    raise InvalidInput(f"braid:same_as names {other}, which is not described.")
                ends = (record_id, self._numbers.of(other))
                row = same_as_row(_strict(), *ends, self._numbers.of(said), at, digest)
                self._batch.same_as.append(row)

    def _step(self, element: Element, record_id: int) -> None:
        url, action, run_as, digest = (_text(element, name, 8192) for name in _OF_STEP)
        ordinal = element.one(f"{BRAID}ordinal")
        if ordinal is not None and not (type(ordinal) is int and abs(ordinal) < 1 << 31):
            raise InvalidInput("braid:ordinal is a whole number.")
        kind = _text(element, "step_type", 8192) or "Action"
        about = (scrub_text(url or "") or None, action, run_as, digest)
        self._batch.step.append(StepRow(record_id, kind, *about, ordinal, element.start))
        status = _text(element, "status", 64)
        if status is not None:
            self._batch.outcome.append(OutcomeRow(record_id, status, element.end))

    def _version(self, element: Element, record_id: int) -> None:
        number = element.one(f"{BRAID}version")
        if type(number) is not int or not 0 <= number < 1 << 31:
            raise InvalidInput("braid:version is a whole number, 0 or more.")
        line, parent = (element.one(f"{BRAID}{name}") for name in ("line", "parent"))
        row = VersionRow(
            record_id,
            self._numbers.of(urn_in(line)),
            None if parent is None else self._numbers.of(urn_in(parent)),
            number,
        )
        self._batch.version.append(row)
        self._metrics(element, record_id)

    def _metrics(self, element: Element, record_id: int) -> None:
        curve = json_in(element.one(f"{BRAID}metrics") or "[]", "braid:metrics")
        scores = json_in(element.one(f"{BRAID}scores") or "{}", "braid:scores")
        if not isinstance(curve, list) or not isinstance(scores, dict):
            raise InvalidInput("braid:metrics is a list and braid:scores an object, both as JSON.")
        rows: list[MetricRow] = []
        for point in curve:
            if not isinstance(point, dict):
                raise InvalidInput('Each metric is a mapping such as {"epoch": 1, "loss": 0.5}.')
            rows += metric_rows(_strict(), record_id, [point])
        rows += score_rows(_strict(), record_id, scores)
        keyed = {(row.series, row.name, row.step): row for row in rows}
        self._batch.metric.extend(keyed.values())

    # ---- runs ----------------------------------------------------------------------------

    def runs(self) -> None:
        """The rows of the runs that the document describes."""
        for element in self._found.elements.values():
            if f"{BRAID}Run" in element.all(f"{PROV}type"):
                try:
                    self._run(element)
                except InvalidInput as error:
                    raise InvalidInput(sentence(error), path=element.place) from None

    def _run(self, element: Element) -> None:
        run_id = check_text(element.one(f"{BRAID}run_id"), "run id", 64)
        label = element.one(f"{PROV}label")
        label = None if label is None else scrub_text(check_text(label, "label", 4096))
        title = scrub_text(_text(element, "flow_title", 4096) or "") or None
        at = next((t for t in (element.end, element.start) if t is not None), 0)
        row = RunEventRow(
            run_id,
            self._numbers.next(),
            at,
            _text(element, "flow_id", 4096),
            title,
            label,
            _text(element, "status", 64),
            self._part(element.uri, "run_owner"),
            element.start,
            element.end,
            self._audience(self._part(element.uri, "recorder")),
        )
        self._batch.run_event.append(row)
        for tag in element.all(f"{BRAID}run_tag"):
            text = scrub_text(check_text(tag, "run tag", 512))[:512]
            self._batch.run_tag.append(RunTagRow(run_id, text))

    def _part(self, run: str, role: str) -> str | None:
        """Who had this part in a run."""
        for relation in self._parts.get(run, ()):
            if f"{BRAID}{role}" in relation.all(f"{PROV}role"):
                return principal_of(relation.ends.get("agent", ""))
        return None


def _text(element: Element, name: str, longest: int) -> str | None:
    value = element.one(f"{BRAID}{name}")
    return None if value is None else check_text(value, f"braid:{name}", longest)


def _strict() -> Gate:
    """What Braid exported is as Braid recorded it."""
    return Gate(Policy.REFUSE)
