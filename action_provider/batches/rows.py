"""Each row of a batch by itself: what a Recorder would have refused or redacted is so here too.

A batch was checked where it was made, but not by us.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any, TypeVar

import msgspec

from action_provider.guard import check_json
from flows.steps.refusals import within
from flows.steps.values import PRINCIPAL, RunStatus
from provenance_store.batch import Batch
from provenance_store.errors import InvalidInput
from provenance_store.ids import MAX_ORIGIN_NO
from provenance_store.kinds import Kind, Level, Mark, Role, Series, TagType
from provenance_store.redaction import redact, scrub_text
from provenance_store.rows import (
    AudienceMemberRow,
    AudienceRow,
    EnvironmentRow,
    FileCheckRow,
    LinkRow,
    MarkRow,
    MetricRow,
    OriginRow,
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
from provenance_store.values import (
    MAX_INTEGER,
    MAX_NAME,
    MAX_TAG_NAME,
    Uri,
    canonical_json,
    check_text,
    digest_of,
    payload_document,
    tag_row,
    tag_value,
    uri_row,
)

__all__ = ["Cleaner"]

Row = TypeVar("Row")

YEARS_1_TO_9999 = range(-62_135_596_800_000_000, 253_402_300_800_000_000)
SMALL_INTEGER = (1 << 31) - 1
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SAID = frozenset({Mark.PROMOTED, Mark.INVALIDATED, Mark.RESTORED})
"""What recorders say of records; the other marks are the store's."""


class Cleaner:
    """Checks the values of rows, and takes out secrets. JSON is nested at most `depth` deep."""

    def __init__(self, *, depth: int) -> None:
        self._depth = depth
        self._limit = MAX_PAYLOAD_BYTES.get()

    def clean(self, batch: Batch) -> Batch:
        """The batch without secrets; the same when there are none.

        Raises InvalidInput with the path of a row that no Recorder would write.
        """
        cleaned = Batch()
        for name, clean in self._cleaners():
            setattr(cleaned, name, list(_each(name, getattr(batch, name), clean)))
        renamed = {
            before.digest: after.digest
            for before, after in zip(batch.environment, cleaned.environment, strict=True)
        }
        cleaned.record = list(
            _each("record", batch.record, lambda row: _record(_renamed(row, renamed)))
        )
        return cleaned

    def _cleaners(self) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        yield "environment", self._environment
        yield "payload", self._payload
        yield from _CLEANERS.items()

    def _environment(self, row: EnvironmentRow) -> EnvironmentRow:
        document = self._json(row.document, 16 * self._limit)
        if not isinstance(document, dict) or digest_of(document) != row.digest:
            raise InvalidInput("An environment is a JSON object, kept under its digest.")
        document = redact(document)
        return EnvironmentRow(digest_of(document), canonical_json(document).decode())

    def _payload(self, row: PayloadRow) -> PayloadRow:
        check_text(row.name, "name", MAX_TAG_NAME)
        document = self._json(row.document, 1 << 30)
        if len(row.document.encode()) <= self._limit and redact(document) == document:
            return row
        return row._replace(document=payload_document(document, limit=self._limit))

    def _json(self, text: str, longest: int) -> Any:
        check_text(text, "document", longest)
        data = text.encode()
        check_json(data, depth=self._depth)
        try:
            return msgspec.json.decode(data)
        except (ValueError, RecursionError):
            raise InvalidInput("The document is not JSON.") from None


def _each(name: str, rows: list[Row], clean: Callable[[Row], Row]) -> Iterator[Row]:
    for place, row in enumerate(rows):
        try:
            yield clean(row)
        except InvalidInput as error:
            raise within(error, f"{name}[{place}]") from None


def _renamed(row: RecordRow, environments: dict[str, str]) -> RecordRow:
    if row.environment is None:
        return row
    if row.environment not in environments:
        raise InvalidInput("The batch does not carry the environment that this names.")
    return row._replace(environment=environments[row.environment])


# ---- values ------------------------------------------------------------------------------


def _one_of(kinds: type[IntEnum], number: int, what: str) -> None:
    if number not in kinds._value2member_map_:
        raise InvalidInput(f"There is no {what} {number}.")


def _moment(micros: int | None) -> None:
    if micros is not None and micros not in YEARS_1_TO_9999:
        raise InvalidInput("A time is microseconds since 1970 UTC, in the years 1 to 9999.")


def _number(value: int | None, what: str, most: int = MAX_INTEGER) -> None:
    if value is not None and not 0 <= value <= most:
        raise InvalidInput(f"A {what} is 0 or more, and at most {most}.")


def _text(text: str | None, what: str, longest: int, *, empty: bool = False) -> None:
    if text is not None:
        check_text(text, what, longest, empty=empty)


def _principal(urn: str) -> None:
    if urn != urn.lower() or not PRINCIPAL.fullmatch(urn):
        raise InvalidInput("A principal is the URN of a Globus identity or group, in lower case.")


def _run_id(run_id: str | None) -> None:
    _text(run_id, "run id", 64)


# ---- rows --------------------------------------------------------------------------------


def _origin(row: OriginRow) -> OriginRow:
    if not 1 <= row.no <= MAX_ORIGIN_NO or not _UUID.fullmatch(row.uuid):
        raise InvalidInput("An origin has a number, 1 or more, and a UUID in lower case.")
    for text in (row.who, row.host, row.software):
        _text(text, "field of an origin", 512, empty=True)
    _number(row.process, "process")
    _moment(row.started_at)
    return row._replace(host=scrub_text(row.host), software=scrub_text(row.software))


def _audience(row: AudienceRow) -> AudienceRow:
    _principal(row.owner)
    return row


def _member(row: AudienceMemberRow) -> AudienceMemberRow:
    _principal(row.principal)
    _one_of(Level, row.level, "level")
    return row


def _record(row: RecordRow) -> RecordRow:
    _one_of(Kind, row.kind, "kind")
    name = check_text(row.name, "name", MAX_NAME)
    _moment(row.created_at)
    _number(row.live, "live", 1)
    _run_id(row.run_id)
    return row._replace(name=scrub_text(name)[:MAX_NAME]) if "://" in name else row


def _step(row: StepRow) -> StepRow:
    for text in (row.type, row.action_url, row.action_id, row.run_as, row.definition_digest):
        _text(text, "step field", 8192)
    _number(row.ordinal, "ordinal", SMALL_INTEGER)
    _moment(row.started_at)
    return row._replace(action_url=scrub_text(row.action_url)) if row.action_url else row


def _outcome(row: OutcomeRow) -> OutcomeRow:
    check_text(row.status, "status", 64)
    _moment(row.completed_at)
    return row


def _version(row: VersionRow) -> VersionRow:
    _number(row.depth, "version", SMALL_INTEGER)
    begins = row.parent_id is None
    if begins != (row.line_id == row.id) or begins != (row.depth == 0) or row.parent_id == row.id:
        raise InvalidInput("A line begins with version 0, and the others have a parent.")
    return row


def _uri(row: UriRow) -> UriRow:
    return uri_row(row.record_id, Uri(row.uri, row.size, row.digest, row.media_type))


def _file_check(row: FileCheckRow) -> FileCheckRow:
    _moment(row.at)
    return row._replace(uri=uri_row(row.record_id, Uri(row.uri, row.size, row.digest)).uri)


def _tag(row: TagRow) -> TagRow:
    _one_of(TagType, row.type, "type of tags")
    _moment(row.set_at)
    try:
        value = tag_value(row.type, row.text)
    except ValueError:
        raise InvalidInput("The value is not of the type that the tag has.") from None
    clean = tag_row(row.record_id, row.id, row.name, value, row.set_at)
    if row.type != TagType.STRING and clean.type == row.type and clean[4:] != row[4:]:
        raise InvalidInput("The value is not of the type that the tag has.")
    return clean


def _metric(row: MetricRow) -> MetricRow:
    _one_of(Series, row.series, "series of numbers")
    check_text(row.name, "metric name", MAX_TAG_NAME)
    _number(row.step, "epoch", 0 if row.series == Series.SCORE else MAX_INTEGER)
    if row.value is not None and not math.isfinite(row.value):
        raise InvalidInput("A number that is not finite is left out: it is nil.")
    return row


def _mark(row: MarkRow) -> MarkRow:
    if row.mark not in SAID:
        raise InvalidInput(f"A recorder does not say {row.mark} of a record.")
    _moment(row.at)
    if row.cause_id not in (None, row.record_id):
        raise InvalidInput("What is said of a record is said for its own sake: cause_id is nil.")
    return row._replace(note=scrub_text(check_text(row.note, "note", 16384, empty=True)))


def _link(row: LinkRow) -> LinkRow:
    _one_of(Role, row.role, "role")
    if row.to_id == row.from_id:
        raise InvalidInput("A record cannot depend on itself.")
    return row


def _run_event(row: RunEventRow) -> RunEventRow:
    _run_id(row.run_id)
    for text in (row.flow_id, row.flow_title, row.label, row.status, row.run_owner):
        _text(text, "field of a run", 4096)
    if row.status is not None and row.status not in RunStatus.choices:
        raise InvalidInput(f"A run is {', '.join(RunStatus.choices)}.")
    for micros in (row.at, row.start_time, row.completion_time):
        _moment(micros)
    title, label = (text and scrub_text(text) for text in (row.flow_title, row.label))
    return row._replace(flow_title=title, label=label)


def _run_tag(row: RunTagRow) -> RunTagRow:
    _run_id(row.run_id)
    return row._replace(tag=scrub_text(check_text(row.tag, "run tag", 512))[:512])


_CLEANERS: dict[str, Callable[[Any], Any]] = {
    "origin": _origin,
    "audience": _audience,
    "audience_member": _member,
    "step": _step,
    "outcome": _outcome,
    "version": _version,
    "uri": _uri,
    "file_check": _file_check,
    "tag": _tag,
    "metric": _metric,
    "mark": _mark,
    "link": _link,
    "run_event": _run_event,
    "run_tag": _run_tag,
}
