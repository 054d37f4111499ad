"""What each table wants of a row: bounds, types, times, spelling, no secrets.

Its functions make a row from what somebody gives. Doing so twice changes nothing.
"""

from __future__ import annotations

import hashlib
import marshal
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import msgspec

from provenance_store import redaction
from provenance_store.display import is_kept
from provenance_store.enums import Series, Special, TagType
from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.ids import now
from provenance_store.rows import (
    AliasRow,
    FileCheckRow,
    LateLinkRow,
    LinkRow,
    MetricRow,
    RunEventRow,
    RunTagRow,
    SameAsRow,
    StepRow,
    TagRow,
    UriRow,
)
from provenance_store.times import micros
from provenance_store.validation.limits import (
    AHEAD,
    MAX_DIGEST,
    MAX_INTEGER,
    MAX_MEDIA_TYPE,
    MAX_NAME,
    MAX_NOTE,
    MAX_ORIGIN_FIELD,
    MAX_RUN_FIELD,
    MAX_RUN_ID,
    MAX_RUN_TAG,
    MAX_SMALL,
    MAX_STATUS,
    MAX_STEP_FIELD,
    MAX_TAG_NAME,
    MAX_TAG_TEXT,
    MAX_URI,
    YEARS,
    Gate,
    Policy,
)
from provenance_store.validation.scalars import (
    NOT_FINITE,
    described,
    is_a,
    one_or_many,
    plain,
    plain_document,
    read_all,
    type_name,
)
from provenance_store.validation.texts import text
from provenance_store.values import Audience, Uri

__all__ = [
    "SPELLED",
    "UNNAMED",
    "alias_row",
    "audience_of",
    "document_name",
    "file_check_row",
    "late_link_row",
    "metric_rows",
    "moment",
    "moment_said",
    "name_of",
    "named",
    "note_text",
    "payload_document",
    "principal",
    "removed_tag_row",
    "run_event_row",
    "run_id_of",
    "run_tag_row",
    "same_as_row",
    "score_rows",
    "several",
    "shown_point",
    "status_of",
    "step_row",
    "tag_row",
    "truth_of",
    "uri_row",
]

UNNAMED = "unnamed"
_NUMBER_OF_VERSION = re.compile("v[0-9]+")
_DIGEST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,31}:[0-9A-Fa-f]+")
_PRINCIPAL = re.compile(
    "urn:globus:(?:auth:identity|groups:id):[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)


# ---- single values -----------------------------------------------------------------------


def name_of(gate: Gate, given: object) -> str:
    """The name of a record."""
    return text(gate, given, "name", MAX_NAME, path="name", empty=UNNAMED)


def status_of(gate: Gate, given: object) -> str:
    """How a step ended."""
    return text(gate, given, "status", MAX_STATUS, path="status", empty="UNKNOWN")


def document_name(gate: Gate, given: object) -> str:
    """What a document is called that is kept with a record."""
    return text(gate, given, "name of a document", MAX_TAG_NAME, path="name", empty=UNNAMED)


def note_text(gate: Gate, given: object) -> str:
    """What is said with a mark."""
    return text(gate, given, "note", MAX_NOTE, path="note")


def run_id_of(gate: Gate, given: object) -> str | None:
    """The id of a run. One that is too long is refused: no other may stand in for it."""
    if given is None:
        return None
    value = plain(given)
    if type(value) is not str or not 1 <= len(value) <= MAX_RUN_ID or not is_kept(value):
        gate.refuse(f"A run id must be text of 1 to {MAX_RUN_ID} characters.", path="run_id")
    elif redaction.scrub_text(value) != value:
        gate.refuse("This run id looks like a secret, and would be seen by many.", path="run_id")
    return value if type(value) is str else None


def moment(gate: Gate, given: object, what: str) -> int | None:
    """Microseconds since 1970 UTC; None where the time that was given is none."""
    if given is None or (type(given) is int and given in YEARS):
        return given
    try:
        return micros(given)
    except InvalidInput as error:
        return gate.instead(None, error.message, path=what)


def moment_said(gate: Gate, given: object, what: str) -> int | None:
    """When something is said: the latest counts, so that one in the future would count for ever."""
    at = moment(gate, given, what)
    if at is not None and at > now() + AHEAD:
        message = "This time is in the future; what is said counts from now on."
        return gate.instead(None, message, path=what)
    return at


def truth_of(gate: Gate, given: object, what: str) -> bool:
    """A truth value; False where the value that was given does not say."""
    try:
        return bool(given)
    except Exception:
        message = f"True or False is needed, not {described(given)}; taken as False."
        return gate.instead(False, message, path=what)


def several(gate: Gate, given: object, what: str, *, mapping: bool = False) -> list[Any]:
    """What is given where several are meant (`one_or_many`), as far as it can be read."""
    if type(given) is tuple or type(given) is list:
        return [*given]

    def failed(error: str) -> None:
        message = f"The {what} cannot be read to their end ({error} was raised); the rest is kept."
        gate.instead(None, message, path=what)

    return read_all(one_or_many(given, mapping=mapping), failed)


def _optional(gate: Gate, given: object, what: str, longest: int) -> str | None:
    if given is None or (is_a(given, str) and plain(given) == ""):
        return None
    return text(gate, given, what, longest, path=what)


def _digest(gate: Gate, given: object, path: str = "digest") -> str | None:
    """A digest in its one spelling, in lower case: equal ones are found by their text."""
    if given is None:
        return None
    value = plain(given)
    if type(value) is str and len(value) <= MAX_DIGEST and _DIGEST.fullmatch(value):
        return value.lower()
    return gate.instead(
        None, f"A digest must be sha256:<hexadecimal>, not {described(given):.80}.", path=path
    )


def _whole(gate: Gate, given: object, what: str, most: int = MAX_INTEGER) -> int | None:
    """A whole number from 0 to `most`; None where none was given."""
    if given is None or (type(given) is int and 0 <= given <= most):
        return given
    value = plain(given)
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int and 0 <= value <= most:
        return value
    return gate.instead(
        None,
        f"The {what} must be a whole number from 0 to {most}, not {described(value):.80}.",
        path=what,
    )


def named(gate: Gate, given: object, what: str) -> Mapping[Any, Any]:
    """What is given by name: a mapping, as far as it can be read. Anything else is left out with
    a note; None is nothing."""
    if type(given) is dict:
        return given
    if is_a(given, Mapping):
        return _read_mapping(gate, given, what)
    if given is not None:
        message = (
            f"The {what} are given as a mapping of names to values, not as {described(given)}; "
            "they are left out."
        )
        gate.instead(None, message, path=what)
    return {}


def audience_of(gate: Gate, given: object) -> Audience | None:
    """Who owns what is recorded and who else may read it; with anything else than an `Audience`
    nobody is said."""
    if given is None:
        return None
    if is_a(given, Audience):
        audience: Audience = given  # type: ignore[assignment]
        try:
            audience.rows()
        except InvalidInput as error:
            return gate.instead(None, error.message, path="audience")
        return audience
    message = f"An audience must be an Audience, not {described(given)}."
    return gate.instead(None, message, path="audience")


def _read_mapping(gate: Gate, given: Any, what: str) -> dict[Any, Any]:
    try:
        items: Iterable[Any] = given.items()
    except Exception as error:
        message = f"The {what} cannot be read and are left out: {type_name(error)} was raised."
        return gate.instead({}, message, path=what)
    return dict(item for item in several(gate, items, what) if _is_pair(item))


def _is_pair(item: object) -> bool:
    return type(item) is tuple and len(item) == 2


def principal(gate: Gate, given: str) -> str:
    """The URN of a Globus identity or group, in lower case."""
    if not _PRINCIPAL.fullmatch(given):
        gate.refuse(
            "A principal must be the URN of a Globus identity or group, in lower case.",
            path="principal",
        )
    return given


# ---- tags --------------------------------------------------------------------------------


def tag_row(
    gate: Gate, record_id: int, change_id: int, name: object, value: object, at: int
) -> TagRow:
    """One typed tag. A value that no tag can hold becomes text which says what it was."""
    name = text(gate, name, "tag name", MAX_TAG_NAME, path="tags", empty=UNNAMED)
    if redaction.is_secret_key(name):
        return TagRow(record_id, name, change_id, _STRING, redaction.REDACTED, None, at)
    kind, shown, number = _tag_value(gate, name, value)
    return TagRow(record_id, name, change_id, kind, shown, number, at)


def removed_tag_row(gate: Gate, record_id: int, change_id: int, name: object, at: int) -> TagRow:
    """The row that takes a tag away."""
    name = text(gate, name, "tag name", MAX_TAG_NAME, path="tags", empty=UNNAMED)
    return TagRow(record_id, name, change_id, TagType.REMOVED.value, "", None, at)


_STRING = TagType.STRING.value


def _tag_value(gate: Gate, name: str, given: object) -> tuple[int, str, float | None]:
    """Type, exact text and number of a tag's value."""
    value = plain(given)
    kind = type(value)  # not isinstance: what is not plain here may lie about its class
    if kind is str:
        if redaction.is_secret_value(name, value):
            return _STRING, redaction.REDACTED, None
        return _STRING, text(gate, value, "tag", MAX_TAG_TEXT, path=f"tags.{name}"), None
    if kind is bool:
        return TagType.BOOLEAN.value, "true" if value else "false", float(value)
    if kind is int and abs(value) <= MAX_INTEGER:
        return TagType.INTEGER.value, str(value), float(value)
    if kind is float:
        finite = math.isfinite(value)
        shown = repr(value) if finite else NOT_FINITE[repr(value)]
        return TagType.FLOAT.value, shown, value if finite else None
    shown = gate.instead(
        _as_text(value),
        "A tag is text, a 64-bit integer, a float or a boolean; this one is kept as text.",
        path=f"tags.{name}",
    )
    return _STRING, text(gate, shown, "tag", MAX_TAG_TEXT, path=f"tags.{name}"), None


def _as_text(value: object) -> str:
    """What no tag can hold, as text that says what it is."""
    if type(value) is int:
        return f"{plain_document(value)} (integer of more than 64 bits)"
    try:
        if isinstance(value, bytes | Mapping | Sequence | Set) or hasattr(value, "tolist"):
            document = redaction.redact(plain_document(value))
            return f"{msgspec.json.encode(document, order='sorted').decode()} ({type_name(value)})"
    except Exception:  # whatever a foreign type does when it is asked
        return described(value)
    return described(value)


# ---- URIs and files ----------------------------------------------------------------------


def uri_row(gate: Gate, record_id: int, given: object) -> UriRow:
    """One URI: text, a path of this machine, a `Uri`, or a mapping with the fields of one."""
    try:
        uri = _uri(gate, given)
    except InvalidInput:
        raise
    except Exception as error:  # whatever a foreign type does when it is asked
        message = f"The URI cannot be read: {type_name(error)} was raised."
        uri = Uri(gate.instead(described(given), message, path="uris"))
    place = _uri_text(gate, uri.uri)
    size = _whole(gate, uri.size, "size")
    digest = _digest(gate, uri.digest)
    media_type = _optional(gate, uri.media_type, "media_type", MAX_MEDIA_TYPE)
    return UriRow(record_id, place, size, digest, media_type)


def _uri(gate: Gate, given: object) -> Uri:
    if type(given) is Uri:
        return given
    if isinstance(given, str | bytes):
        return Uri(given)  # type: ignore[arg-type]
    if isinstance(given, os.PathLike):
        from provenance_store.files import file_uri

        return Uri(file_uri(Path(os.fsdecode(given))))
    if isinstance(given, Mapping):
        fields = {name: given[name] for name in Uri.__struct_fields__ if name in given}
        if unknown := given.keys() - fields.keys():
            gate.instead(
                None,
                f"A URI has no {min(map(str, unknown))!r:.80}: it has uri, size, digest and "
                "media_type.",
                path="uris",
            )
        where = fields.pop("uri", "")
        return Uri(_uri(gate, where).uri if isinstance(where, os.PathLike) else where, **fields)
    return Uri(given)  # type: ignore[arg-type]


def _uri_text(gate: Gate, given: object) -> str:
    """A URI that is too long is kept as its beginning, and its fragment says so."""
    place = text(gate, given, "URI", 1 << 62, path="uris", empty="about:blank")
    if len(place) <= MAX_URI:
        return place
    digest = hashlib.sha256(place.encode()).hexdigest()
    end = f"#shortened;characters={len(place)};sha256={digest}"
    return gate.instead(
        place[: MAX_URI - len(end)] + end,
        f"A URI has at most {MAX_URI} characters; this one has {len(place)}.",
        path="uris",
    )


def file_check_row(
    gate: Gate, record_id: int, check_id: int, uri: object, at: int, size: object, digest: object
) -> FileCheckRow:
    """What a file was found to be. Size and digest are what it is about: they must be right."""
    given = {"uri": uri, "size": size, "digest": digest}
    found = uri_row(Gate(Policy.REFUSE), record_id, given)
    if found.size is None or found.digest is None:
        raise InvalidInput("What a file was found to be has a size and a digest.", path="size")
    return FileCheckRow(record_id, check_id, found.uri, at, found.size, found.digest)


# ---- what becomes known later -----------------------------------------------------------


def late_link_row(
    gate: Gate, link: LinkRow, late_id: int, at: int, by: str, rule: str
) -> LateLinkRow:
    """Who added a link after its step had ended, and by which rule."""
    return LateLinkRow(
        link.from_id,
        late_id,
        link.to_id,
        link.role,
        at,
        text(gate, by, "name of who added a link", MAX_ORIGIN_FIELD, path="by", empty=UNNAMED),
        text(gate, rule, "rule of a link", MAX_NOTE, path="rule", empty=UNNAMED),
    )


def same_as_row(
    gate: Gate, record_id: int, other_id: int, id_: int, at: int, digest: str
) -> SameAsRow:
    """One direction of two records that are one thing. Nothing stands in for the digest."""
    found = _digest(Gate(Policy.REFUSE), digest)
    if found is None or record_id == other_id:
        gate.refuse("Two different records are one thing by their digest.", path="digest")
    return SameAsRow(record_id, other_id, id_, at, found or digest)


def alias_row(
    gate: Gate, line_id: int, name: object, alias_id: int, version_id: int | None, at: int
) -> AliasRow:
    """A name that a version is given; nothing stands in for it, since people ask by it."""
    named = text(Gate(Policy.REFUSE), name, "alias", MAX_TAG_NAME, path="name", empty=UNNAMED)
    if _NUMBER_OF_VERSION.fullmatch(named) or named != named.strip():
        gate.refuse(f"An alias must be a name such as champion, not {named!r:.80}.", path="name")
    return AliasRow(line_id, named, alias_id, version_id, at)


# ---- numbers of models -------------------------------------------------------------------


def metric_rows(
    gate: Gate, record_id: int, points: Iterable[Any], *, first: float = 0
) -> list[MetricRow]:
    """Rows of a convergence curve: mappings of names to numbers, with `step` or `epoch`.

    Where both are there, `step` is the place on the curve, and the epoch one of the values. A
    mapping without either counts from its place in the list, which begins at `first`. Numbers that
    are not finite are kept as such: a training that diverged is news too. Of a value given twice
    for one place the last is kept; that, and what is no number and left out, is noted.
    """
    found: dict[tuple[int, str, float], MetricRow] = {}
    twice: list[str] = []
    for place, point in enumerate(points):
        where = f"metrics[{place}]"
        if not is_a(point, Mapping):
            message = (
                f'A point is a mapping such as {{"epoch": 1, "loss": 0.5}}, not {described(point)}.'
            )
            gate.instead(None, message, path=where)
            continue
        values = {plain(n): v for n, v in named(gate, point, where).items()}
        counted = [n for n in _COUNTED if values.get(n) is not None]
        counter = counted[0] if counted else ""
        at = _place(gate, values[counter], counter, where, first + place) if counter else None
        series = Series.STEP if counter == "step" else Series.METRIC
        for name, value in values.items():
            if type(name) is str and name in _COUNTED and (name == counter or value is None):
                continue
            row = _number_row(
                gate, record_id, series, name, first + place if at is None else at, value, where
            )
            if row is None:
                continue
            before = found.get(row[1:4])
            if before is not None and before != row:
                twice.append(
                    f"{row.name} at {counter or 'epoch'} {row.step:g} is given as "
                    f"{shown_point(before)} and as {shown_point(row)}"
                )
            found[row[1:4]] = row
    if twice:
        more = f", and {len(twice) - MOST_TWICE} more" if len(twice) > MOST_TWICE else ""
        told = "; ".join(twice[:MOST_TWICE])
        gate.instead(None, f"{told}{more}: the last is kept.", path="metrics")
    return list(found.values())


def score_rows(gate: Gate, record_id: int, scores: Mapping[Any, Any]) -> Iterator[MetricRow]:
    """Rows of validation scores: a number for each name."""
    for name, value in scores.items():
        row = _number_row(gate, record_id, Series.SCORE, name, 0, value, "scores")
        if row is not None:
            yield row


def shown_point(row: MetricRow) -> str:
    """The number of a point for a message."""
    if row.value is not None:
        return f"{row.value:g}"
    return "not finite" if row.special is None else Special(row.special).text


def _place(gate: Gate, given: object, counter: str, path: str, otherwise: float) -> float:
    """Where a point is on its curve."""
    value: Any = plain(given)
    if type(value) is int or type(value) is float:
        if type(value) is float and value.is_integer():
            value = int(value)
        if abs(value) <= MAX_INTEGER:
            return value  # type: ignore[no-any-return]
    article = "An epoch" if counter == "epoch" else "A step"
    message = f"{article} is a finite number, not {described(value):.80}."
    return gate.instead(otherwise, message, path=f"{path}.{counter}")


def _number_row(
    gate: Gate, record_id: int, series: Series, name: object, step: float, given: object, path: str
) -> MetricRow | None:
    name = text(gate, name, "metric name", MAX_TAG_NAME, path=path, empty=UNNAMED)
    path = f"{path}.{name}"
    value = plain(given)
    if value is None:
        return MetricRow(record_id, series.value, name, step, None)
    if type(value) is str and value in SPELLED:
        value = SPELLED[value]
    if type(value) is not int and type(value) is not float:
        gate.instead(None, f"{described(given)} is not a number, and is left out.", path=path)
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf if value > 0 else -math.inf
    if math.isfinite(number):
        return MetricRow(record_id, series.value, name, step, number)
    return MetricRow(record_id, series.value, name, step, None, Special.of(number).value)


_COUNTED = ("step", "epoch")
"""What counts the points of a curve; of two the first."""
MOST_TWICE = 3
"""So many values that were given twice are named."""
SPELLED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


# ---- documents ---------------------------------------------------------------------------


def payload_document(
    gate: Gate,
    value: Any,
    *,
    limit: int,
    private: Iterable[str] = (),
    decoded: bool = False,
    path: str = "document",
) -> str:
    """A document as JSON text, secrets and `private` keys redacted, at most `limit` bytes.

    Of a larger one the digest, the size and the beginning are kept, under ``_truncated``; what
    JSON does not have is kept as `scalars.plain_document` says. A document that was `decoded`
    from JSON needs no such look.
    """
    lost: list[str] = []
    try:
        plain_ = value if decoded and _is_simple(value) else plain_document(value, lost)
        document = redaction.redact(plain_, private=private)
        data = msgspec.json.encode(document)
    except Exception as error:
        what = error.message if isinstance(error, TooLarge) else type_name(error)
        said = redaction.scrub_text(described(value))
        unreadable = {"_unreadable": said}
        message = f"The document cannot be kept as JSON ({what})."
        data = msgspec.json.encode(gate.instead(unreadable, message, path=path))
    if lost:
        gate.instead(None, f"JSON has no {lost[0]:.80}; what it was is kept.", path=path)
    if len(data) > limit:
        message = (
            f"The document has {len(data):,} bytes, more than the {limit:,} that are kept "
            "(BRAID_MAX_PAYLOAD_BYTES); what can be kept is its beginning and digest."
        )
        data = msgspec.json.encode(gate.instead(_cut(data, limit), message, path=path))
    return data.decode()


def _is_simple(value: object) -> bool:
    """Whether nothing in a value is of a class of its own: what was decoded from JSON never is.

    An enumeration that is its own value would end the whole process in the JSON encoder.
    """
    try:
        marshal.dumps(value)  # type: ignore[arg-type]  # takes the types of Python itself alone, and looks at all of them
    except (ValueError, TypeError):
        return False
    return True


_BEGINNING = 1900
"""So many bytes of a document stand for all of it: escaped once more, it is still short enough to
be quoted in a statement."""


def _cut(data: bytes, limit: int) -> dict[str, Any]:
    beginning = data[: min(limit // 4, _BEGINNING)].decode(errors="ignore")
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    return {"_truncated": {"bytes": len(data), "digest": digest, "beginning": beginning}}


# ---- steps and runs ----------------------------------------------------------------------


def step_row(
    gate: Gate,
    step_id: int,
    *,
    type: object,
    action_url: object,
    action_id: object,
    run_as: object,
    definition_digest: object,
    ordinal: object,
    started_at: int | None,
) -> StepRow:
    """What is known of a step when it starts."""
    return StepRow(
        step_id,
        text(gate, type, "type", MAX_STEP_FIELD, path="type", empty="Script"),
        _optional(gate, action_url, "action_url", MAX_STEP_FIELD),
        _optional(gate, action_id, "action_id", MAX_STEP_FIELD),
        _optional(gate, run_as, "run_as", MAX_STEP_FIELD),
        _optional(gate, definition_digest, "definition_digest", MAX_STEP_FIELD),
        _whole(gate, ordinal, "ordinal", MAX_SMALL),
        started_at,
    )


def run_event_row(
    gate: Gate,
    event_id: int,
    run_id: str,
    at: int,
    said: Iterable[object],
    times: Iterable[object],
    audience: str | None,
) -> RunEventRow:
    """What became known of a run: `said` are flow_id, flow_title, label, status and run_owner."""
    fields = ("flow_id", "flow_title", "label", "status", "run_owner")
    flow_id, title, label, status, owner = (
        _optional(gate, value, name, MAX_RUN_FIELD)
        for name, value in zip(fields, said, strict=True)
    )
    start, end = (
        moment(gate, value, name)
        for name, value in zip(("start_time", "completion_time"), times, strict=True)
    )
    known = (flow_id, title, label, status, owner)
    return RunEventRow(run_id, event_id, at, *known, start, end, audience)


def run_tag_row(gate: Gate, run_id: str, given: object) -> RunTagRow:
    """A Globus tag of a run."""
    return RunTagRow(run_id, text(gate, given, "run tag", MAX_RUN_TAG, path="tags", empty=UNNAMED))
