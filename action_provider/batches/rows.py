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
from provenance_store.ids import MAX_ORIGIN_NO, now
from provenance_store.kinds import Kind, Level, Mark, Role, Series, TagType
from provenance_store.redaction import REDACTED, is_secret_key, redact, scrub_text
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
from provenance_store.times import YEARS_1_TO_9999
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

__all__ = ["AHEAD", "Cleaner"]

Row = TypeVar("Row")

AHEAD = 24 * 3600 * 1_000_000
"""How far, in microseconds, the clock of a machine that records may be ahead of ours."""
SMALL_INTEGER = (1 << 31) - 1
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,31}:[0-9A-Fa-f]+")
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
        if scrub_text(row.name) != row.name:
            raise InvalidInput("The name of a document must not hold a secret.")
        if is_secret_key(row.name):
            document = REDACTED
        # Never as it came: of keys given twice, reading it shows the last alone.
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


def _digest(digest: str | None) -> None:
    if digest is not None and not (len(digest) <= 256 and _DIGEST.fullmatch(digest)):
        raise InvalidInput("A digest is written as sha256:<hexadecimal>.")


def _clean(text: str | None, longest: int) -> str | None:
    return text and scrub_text(text)[:longest]


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
    who, host, software = (scrub_text(text) for text in (row.who, row.host, row.software))
    return row._replace(who=who, host=host, software=software)


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
    return row._replace(name=scrub_text(name)[:MAX_NAME])


def _step(row: StepRow) -> StepRow:
    told = (row.type, row.action_url, row.action_id, row.run_as)
    for text in told:
        _text(text, "step field", 8192)
    _digest(row.definition_digest)
    _number(row.ordinal, "ordinal", SMALL_INTEGER)
    _moment(row.started_at)
    url, action, run_as = (_clean(text, 8192) for text in told[1:])
    kind = scrub_text(row.type)[:8192]
    return row._replace(type=kind, action_url=url, action_id=action, run_as=run_as)


def _outcome(row: OutcomeRow) -> OutcomeRow:
    check_text(row.status, "status", 64)
    _moment(row.completed_at)
    return row._replace(status=scrub_text(row.status)[:64])


def _version(row: VersionRow) -> VersionRow:
    _number(row.depth, "version", SMALL_INTEGER)
    begins = row.parent_id is None
    if begins != (row.line_id == row.id) or begins != (row.depth == 0) or row.parent_id == row.id:
        raise InvalidInput("A line begins with version 0, and the others have a parent.")
    return row


def _uri(row: UriRow) -> UriRow:
    _digest(row.digest)
    clean = uri_row(row.record_id, Uri(row.uri, row.size, row.digest, row.media_type))
    return clean._replace(media_type=_clean(clean.media_type, 256))


def _file_check(row: FileCheckRow) -> FileCheckRow:
    _moment(row.at)
    _digest(row.digest)
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
    return clean._replace(name=scrub_text(row.name)[:MAX_TAG_NAME])


def _metric(row: MetricRow) -> MetricRow:
    _one_of(Series, row.series, "series of numbers")
    check_text(row.name, "metric name", MAX_TAG_NAME)
    if scrub_text(row.name) != row.name:
        raise InvalidInput("The name of a metric must not hold a secret.")
    _number(row.step, "epoch", 0 if row.series == Series.SCORE else MAX_INTEGER)
    if row.value is not None and not math.isfinite(row.value):
        raise InvalidInput("A number that is not finite is left out: it is nil.")
    return row


def _mark(row: MarkRow) -> MarkRow:
    if row.mark not in SAID:
        raise InvalidInput(f"A recorder does not say {row.mark} of a record.")
    if not 0 <= row.at <= now() + AHEAD:
        raise InvalidInput("The time at which something is said is after 1970, and not to come.")
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
    told = (row.flow_id, row.flow_title, row.label, row.run_owner)
    flow, title, label, owner = (_clean(text, 4096) for text in told)
    return row._replace(flow_id=flow, flow_title=title, label=label, run_owner=owner)


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
