"""Rows that were made elsewhere, through the bounds that hold for what is made here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import msgspec

from provenance_store import redaction
from provenance_store.enums import RUN_STATUSES, Kind, Level, Mark, Role, Series, Special, TagType
from provenance_store.ids import MAX_ORIGIN_NO, now
from provenance_store.rows import (
    AliasRow,
    AudienceMemberRow,
    AudienceRow,
    EnvironmentRow,
    FileCheckRow,
    LateLinkRow,
    LinkRow,
    MarkRow,
    MetricRow,
    OriginRow,
    OutcomeRow,
    PayloadRow,
    RecordRow,
    RunEventRow,
    RunTagRow,
    SameAsRow,
    StepRow,
    TagRow,
    UriRow,
    VersionRow,
)
from provenance_store.validation.limits import (
    AHEAD,
    MAX_INTEGER,
    MAX_ORIGIN_FIELD,
    MAX_SMALL,
    MAX_TAG_NAME,
    YEARS,
    Gate,
)
from provenance_store.validation.rows import (
    SPELLED,
    UNNAMED,
    alias_row,
    document_name,
    file_check_row,
    late_link_row,
    name_of,
    note_text,
    payload_document,
    principal,
    removed_tag_row,
    run_event_row,
    run_id_of,
    run_tag_row,
    same_as_row,
    status_of,
    step_row,
    tag_row,
    uri_row,
)
from provenance_store.validation.texts import text
from provenance_store.values import TagValue, Uri, canonical_json, digest_of, tag_value

__all__ = ["STATED", "checked"]

_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
STATED = frozenset({Mark.PROMOTED, Mark.INVALIDATED, Mark.RESTORED})
"""What recorders say of records; the other marks are the store's."""


def checked(gate: Gate, table: str, row: Any, *, limit: int) -> Any:
    """A row that was made elsewhere, as the gate lets it in; documents have at most `limit` bytes.

    Raises InvalidInput for what nothing can stand in for: numbers that name no kind, role or
    mark, documents that are no JSON, times that are none, and with REFUSE for everything.
    """
    if table == "payload":
        return _payload(gate, row, limit)
    if table == "environment":
        return _environment(gate, row, limit)
    return _CHECKS[table](gate, row)


def _one_of(gate: Gate, kinds: type[IntEnum], number: int, what: str) -> None:
    if number not in kinds._value2member_map_:
        gate.refuse(f"There is no {what} {number}.")


def _in_years(gate: Gate, value: int | None, what: str) -> None:
    if value is not None and value not in YEARS:
        gate.refuse(
            "A time must be in microseconds since 1970 UTC, in the years 1 to 9999.", path=what
        )


def _not_ahead(gate: Gate, value: int, what: str) -> None:
    """What is recorded counts as the newest of its kind, and must not do so for ever."""
    _in_years(gate, value, what)
    if value > now() + AHEAD:
        gate.refuse("This time is in the future; set the clock of the machine.", path=what)


def _number_in(gate: Gate, value: int | None, what: str, most: int) -> None:
    if value is not None and not 0 <= value <= most:
        gate.refuse(f"The {what} must be from 0 to {most}.", path=what)


def _json(gate: Gate, given: str) -> Any:
    try:
        return msgspec.json.decode(given)
    except (ValueError, RecursionError):
        gate.refuse("The document is not JSON.", path="document")
        return None


def _payload(gate: Gate, row: PayloadRow, limit: int) -> PayloadRow:
    name = document_name(gate, row.name)
    document = redaction.REDACTED if redaction.is_secret_key(name) else _json(gate, row.document)
    # Never as it came: of keys given twice, reading it shows the last alone.
    text_ = payload_document(gate, document, limit=limit, decoded=True)
    return PayloadRow(row.record_id, name, text_)


def _environment(gate: Gate, row: EnvironmentRow, limit: int) -> EnvironmentRow:
    document = _json(gate, row.document) if len(row.document) <= 16 * limit else None
    if not isinstance(document, dict) or digest_of(document) != row.digest:
        gate.refuse("An environment must be a JSON object under its own digest.", path="document")
    document = redaction.redact(document)
    return EnvironmentRow(digest_of(document), canonical_json(document).decode())


def _origin(gate: Gate, row: OriginRow) -> OriginRow:
    if not 1 <= row.no <= MAX_ORIGIN_NO or not _UUID.fullmatch(row.uuid):
        gate.refuse("An origin must have a number, 1 or more, and a UUID in lower case.")
    _number_in(gate, row.process, "process", MAX_INTEGER)
    _in_years(gate, row.started_at, "started_at")
    who, host, software = (
        text(gate, given, name, MAX_ORIGIN_FIELD, path=name)
        for name, given in (("who", row.who), ("host", row.host), ("software", row.software))
    )
    return row._replace(who=who, host=host, software=software)


def _audience(gate: Gate, row: AudienceRow) -> AudienceRow:
    principal(gate, row.owner)
    return row


def _member(gate: Gate, row: AudienceMemberRow) -> AudienceMemberRow:
    principal(gate, row.principal)
    _one_of(gate, Level, row.level, "level")
    return row


def _record(gate: Gate, row: RecordRow) -> RecordRow:
    _one_of(gate, Kind, row.kind, "kind")
    _not_ahead(gate, row.created_at, "created_at")
    _number_in(gate, row.live, "live", 1)
    return row._replace(name=name_of(gate, row.name), run_id=run_id_of(gate, row.run_id))


def _step(gate: Gate, row: StepRow) -> StepRow:
    _in_years(gate, row.started_at, "started_at")
    _number_in(gate, row.ordinal, "ordinal", MAX_SMALL)
    return step_row(
        gate,
        row.id,
        type=row.type,
        action_url=row.action_url,
        action_id=row.action_id,
        run_as=row.run_as,
        definition_digest=row.definition_digest,
        ordinal=row.ordinal,
        started_at=row.started_at,
    )


def _outcome(gate: Gate, row: OutcomeRow) -> OutcomeRow:
    _in_years(gate, row.completed_at, "completed_at")
    return row._replace(status=status_of(gate, row.status))


def _version(gate: Gate, row: VersionRow) -> VersionRow:
    _number_in(gate, row.depth, "version", MAX_SMALL)
    begins = row.parent_id is None
    if begins != (row.line_id == row.id) or begins != (row.depth == 0) or row.parent_id == row.id:
        gate.refuse(
            "A model line must begin with version 0, and every later version must have a parent."
        )
    return row


def _uri_checked(gate: Gate, row: UriRow) -> UriRow:
    return uri_row(gate, row.record_id, Uri(row.uri, row.size, row.digest, row.media_type))


def _file_check(gate: Gate, row: FileCheckRow) -> FileCheckRow:
    _in_years(gate, row.at, "at")
    return file_check_row(gate, row.record_id, row.id, row.uri, row.at, row.size, row.digest)


def _tag(gate: Gate, row: TagRow) -> TagRow:
    _one_of(gate, TagType, row.type, "type of tags")
    _not_ahead(gate, row.set_at, "set_at")
    if row.type == TagType.REMOVED:
        return removed_tag_row(gate, row.record_id, row.id, row.name, row.set_at)
    value: TagValue | None = tag_value(row.type, row.text)
    clean = tag_row(gate, row.record_id, row.id, row.name, value, row.set_at)
    if (
        row.type == TagType.STRING
        or _says_the_same(row, clean)
        or redaction.is_secret_key(row.name)
    ):
        return clean
    return gate.instead(
        clean, f"The value {row.text!r:.80} is not of the type that the tag has.", path="text"
    )


def _says_the_same(row: TagRow, clean: TagRow) -> bool:
    """Whether text and number of a tag are what its type wants; NaN has more than one spelling."""
    if clean.type != row.type:
        return False
    return (clean.text, clean.number) == (row.text, row.number) or clean.text in SPELLED


def _metric(gate: Gate, row: MetricRow) -> MetricRow:
    _one_of(gate, Series, row.series, "series of numbers")
    if row.special is not None:
        _one_of(gate, Special, row.special, "special number")
    if not math.isfinite(row.step) or (row.series == Series.SCORE and row.step != 0):
        gate.refuse(
            "The epoch of a metric must be a finite number, and that of a score 0.", path="step"
        )
    special = row.special
    value = row.value
    if value is not None and not math.isfinite(value):
        special, value = Special.of(value).value, None
    if value is not None and special is not None:
        gate.refuse("A number must be either finite or special, not both.", path="special")
    step = int(row.step) if float(row.step).is_integer() else row.step
    name = text(gate, row.name, "metric name", MAX_TAG_NAME, path="name", empty=UNNAMED)
    return MetricRow(row.record_id, row.series, name, step, value, special)


def _mark(gate: Gate, row: MarkRow) -> MarkRow:
    if row.mark not in STATED:
        label = Mark(row.mark).name if row.mark in Mark._value2member_map_ else row.mark
        gate.refuse(f"Clients cannot set the mark {label}.", path="mark")
    if row.at < 0:
        gate.refuse("The time of a mark must be after 1970.", path="at")
    _not_ahead(gate, row.at, "at")
    if row.cause_id not in (None, row.record_id):
        gate.refuse(
            "A mark set by a client must have no cause: cause_id must be nil.", path="cause_id"
        )
    return row._replace(note=note_text(gate, row.note))


def _link(gate: Gate, row: LinkRow) -> LinkRow:
    _one_of(gate, Role, row.role, "role")
    if row.to_id == row.from_id:
        gate.refuse("A record cannot depend on itself.")
    return row


def _late_link(gate: Gate, row: LateLinkRow) -> LateLinkRow:
    _not_ahead(gate, row.at, "at")
    link = _link(gate, LinkRow(row.to_id, row.from_id, row.role))
    return late_link_row(gate, link, row.id, row.at, row.by, row.rule)


def _same_as(gate: Gate, row: SameAsRow) -> SameAsRow:
    _not_ahead(gate, row.at, "at")
    return same_as_row(gate, *row)


def _alias(gate: Gate, row: AliasRow) -> AliasRow:
    _not_ahead(gate, row.at, "at")
    return alias_row(gate, *row)


def _run_event(gate: Gate, row: RunEventRow) -> RunEventRow:
    run_id_of(gate, row.run_id)
    if row.status is not None and row.status not in RUN_STATUSES:
        gate.refuse(
            f"must be one of {', '.join(RUN_STATUSES)}; got {row.status[:80]!r}.", path="status"
        )
    _not_ahead(gate, row.at, "at")
    _in_years(gate, row.start_time, "start_time")
    _in_years(gate, row.completion_time, "completion_time")
    said = (row.flow_id, row.flow_title, row.label, row.status, row.run_owner)
    times = (row.start_time, row.completion_time)
    return run_event_row(gate, row.id, row.run_id, row.at, said, times, row.audience)


def _run_tag(gate: Gate, row: RunTagRow) -> RunTagRow:
    run_id_of(gate, row.run_id)
    return run_tag_row(gate, row.run_id, row.tag)


_CHECKS: dict[str, Callable[[Gate, Any], Any]] = {
    "origin": _origin,
    "audience": _audience,
    "audience_member": _member,
    "record": _record,
    "step": _step,
    "outcome": _outcome,
    "version": _version,
    "uri": _uri_checked,
    "file_check": _file_check,
    "tag": _tag,
    "metric": _metric,
    "mark": _mark,
    "link": _link,
    "late_link": _late_link,
    "same_as": _same_as,
    "alias": _alias,
    "run_event": _run_event,
    "run_tag": _run_tag,
}
