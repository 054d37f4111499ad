"""From what a caller gives to rows: checked text, typed tags, URIs, metrics, documents.

Everything that enters through a Recorder passes here once; what is refused is refused with
InvalidInput before anything is written.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from provenance_store.errors import InvalidInput
from provenance_store.kinds import Level, Series, TagType
from provenance_store.redaction import REDACTED, is_secret_key, redact, scrub_text
from provenance_store.rows import (
    AudienceMemberRow,
    AudienceRow,
    MetricRow,
    TagRow,
    UriRow,
)

__all__ = [
    "Audience",
    "TagValue",
    "Uri",
    "canonical_json",
    "check_text",
    "digest_of",
    "metric_rows",
    "payload_document",
    "score_rows",
    "tag_row",
    "tag_value",
    "to_uri",
    "uri_row",
]

TagValue = str | int | float | bool

MAX_NAME = 1024
MAX_URI = 8192
MAX_TAG_NAME = 256
MAX_TAG_TEXT = 16384
MAX_INTEGER = (1 << 63) - 1


class Uri(msgspec.Struct, frozen=True):
    """Where bytes are: `size` in bytes, `digest` as ``sha256:<hex>``."""

    uri: str
    size: int | None = None
    digest: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """Who owns a record and who else may read or manage it: Globus identity and group URNs."""

    owner: str
    readers: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()

    def rows(self) -> tuple[AudienceRow, tuple[AudienceMemberRow, ...]]:
        """Its rows; the owner is a managing member of its own audience."""
        return _audience_rows(self)


@functools.lru_cache(maxsize=1024)
def _audience_rows(audience: Audience) -> tuple[AudienceRow, tuple[AudienceMemberRow, ...]]:
    levels = dict.fromkeys(audience.readers, Level.READ)
    levels |= dict.fromkeys((*audience.managers, audience.owner), Level.MANAGE)
    members = sorted((check_text(p, "principal", 512), int(lv)) for p, lv in levels.items())
    digest = digest_of([audience.owner, members])
    rows = tuple(AudienceMemberRow(digest, *member) for member in members)
    return AudienceRow(digest, audience.owner), rows


def canonical_json(value: Any) -> bytes:
    """JSON in one spelling: keys sorted, no spaces, UTF-8; the same value gives the same bytes."""
    return msgspec.json.encode(value, order="sorted")


def digest_of(value: Any) -> str:
    """``sha256:<hex>`` of the canonical JSON of a value."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()


def check_text(text: Any, what: str, longest: int, *, empty: bool = False) -> str:
    """The text, if a database can hold it: no NUL, no lone surrogates, not too long."""
    if not isinstance(text, str):
        raise InvalidInput(f"A {what} is text, not {type(text).__name__}.", path=what)
    if not text and not empty:
        raise InvalidInput(f"A {what} must not be empty.", path=what)
    if len(text) > longest:
        raise InvalidInput(f"A {what} has at most {longest} characters; this one has {len(text)}.")
    if not text.isascii() or "\x00" in text:
        _check_characters(text, what)
    return text


def _check_characters(text: str, what: str) -> None:
    if "\x00" in text:
        raise InvalidInput(f"A {what} must not hold the NUL character.", path=what)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"A {what} must be valid Unicode text.", path=what) from None


def to_uri(value: str | Uri | Mapping[str, Any]) -> Uri:
    """Read one URI as given: text, a Uri, or a mapping with uri, size, digest, media_type."""
    if isinstance(value, Uri):
        return value
    if isinstance(value, str):
        return Uri(value)
    try:
        return Uri(**value)
    except TypeError:
        raise InvalidInput("A URI is text, or has uri, size, digest, media_type.") from None


def uri_row(record_id: int, value: str | Uri | Mapping[str, Any]) -> UriRow:
    """The row of one URI, checked and without secrets."""
    uri = to_uri(value)
    check_text(uri.uri, "URI", MAX_URI)
    if uri.size is not None and not (type(uri.size) is int and 0 <= uri.size <= MAX_INTEGER):
        raise InvalidInput(f"The size of {uri.uri[:80]} is a number of bytes, 0 or more.")
    if uri.digest is not None:
        algorithm, colon, hexadecimal = check_text(uri.digest, "digest", 256).partition(":")
        if not (algorithm and colon and hexadecimal):
            raise InvalidInput(f"The digest of {uri.uri[:80]} is written sha256:<hexadecimal>.")
    if uri.media_type is not None:
        check_text(uri.media_type, "media type", 256)
    return UriRow(record_id, scrub_text(uri.uri), uri.size, uri.digest, uri.media_type)


def tag_row(record_id: int, change_id: int, name: str, value: TagValue, at: int) -> TagRow:
    """The row of one typed tag, checked and without secrets."""
    check_text(name, "tag name", MAX_TAG_NAME)
    if is_secret_key(name):
        value = REDACTED
    if isinstance(value, bool):
        text, number = ("true", 1.0) if value else ("false", 0.0)
        return TagRow(record_id, name, change_id, TagType.BOOLEAN.value, text, number, at)
    if isinstance(value, str):
        check_text(value, f"tag {name}", MAX_TAG_TEXT, empty=True)
        return TagRow(record_id, name, change_id, TagType.STRING.value, scrub_text(value), None, at)
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        number = float(value)
        return TagRow(record_id, name, change_id, TagType.INTEGER.value, str(value), number, at)
    if isinstance(value, float) and math.isfinite(value):
        return TagRow(record_id, name, change_id, TagType.FLOAT.value, repr(value), value, at)
    raise InvalidInput(
        f"Tag {name} is text, a 64-bit integer, a finite float or a boolean, not {value!r:.80}."
    )


def tag_value(tag_type: int, text: str) -> TagValue:
    """The value that a tag row holds, in its own type."""
    if tag_type == TagType.INTEGER:
        return int(text)
    if tag_type == TagType.FLOAT:
        return float(text)
    return text == "true" if tag_type == TagType.BOOLEAN else text


def metric_rows(record_id: int, metrics: Sequence[Mapping[str, Any]]) -> Iterator[MetricRow]:
    """Rows of a convergence curve: mappings of names to numbers, with `epoch` or `step`.

    A mapping without either counts from its place in the list. Values that are not finite are
    kept as None: a training that diverged is news too. A value given twice for one epoch
    keeps the last.
    """
    rows = {}
    for place, point in enumerate(metrics):
        if not isinstance(point, Mapping):
            raise InvalidInput('Each metric is a mapping such as {"epoch": 1, "loss": 0.5}.')
        step = point.get("epoch", point.get("step", place))
        if type(step) is not int or not 0 <= step <= MAX_INTEGER:
            raise InvalidInput(f"The epoch of a metric is a whole number, not {step!r:.80}.")
        for name in point.keys() - {"epoch", "step"}:
            row = _number_row(record_id, Series.METRIC, name, step, point[name])
            rows[name, step] = row
    return iter(rows.values())


def score_rows(record_id: int, scores: Mapping[str, Any]) -> Iterator[MetricRow]:
    """Rows of validation scores: a number for each name."""
    return (_number_row(record_id, Series.SCORE, n, 0, value) for n, value in scores.items())


def _number_row(record_id: int, series: Series, name: str, step: int, value: Any) -> MetricRow:
    check_text(name, "metric name", MAX_TAG_NAME)
    try:
        number = None if isinstance(value, str | bytes | bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        raise InvalidInput(f"Metric {name} is a number, not {value!r:.80}.")
    return MetricRow(record_id, series.value, name, step, number if math.isfinite(number) else None)


def payload_document(value: Any, *, limit: int, private: Iterable[str] = ()) -> str:
    """A document as JSON text, secrets redacted, at most `limit` bytes.

    Of a larger one the digest, the size and the beginning are kept, under ``_truncated``.
    Raises InvalidInput when the value has no JSON form.
    """
    try:
        data = msgspec.json.encode(redact(value, private=private))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"This cannot be kept as JSON: {error}.") from None
    if len(data) > limit:
        data = msgspec.json.encode(_shortened(data, limit))
    return data.decode()


def _shortened(data: bytes, limit: int) -> dict[str, Any]:
    beginning = data[: min(limit // 4, 4096)].decode(errors="ignore")
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    return {"_truncated": {"bytes": len(data), "digest": digest, "beginning": beginning}}
