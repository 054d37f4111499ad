"""Values of a body that have their own rules, and how each is read from JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from flows.steps.timestamps import Moment, moment
from flows.steps.validation_errors import BodyRefused
from provenance_store.enums import RUN_STATUSES
from provenance_store.errors import InvalidInput
from provenance_store.redaction import redact

__all__ = [
    "MAX_ITEMS",
    "MAX_SCORES",
    "MAX_TAGS",
    "PRINCIPAL",
    "UUID",
    "VALUE_READERS",
    "WORDS",
    "Environment",
    "How",
    "KindName",
    "Points",
    "Principal",
    "RunStatus",
    "Scores",
    "StepStatus",
    "Tags",
    "Word",
    "read_principal",
]

MAX_ITEMS = 100_000
"""Inputs, outputs, dependencies of one thing, points of one convergence curve."""
MAX_TAGS = 1_000
MAX_SCORES = 1_000
MAX_ENVIRONMENT_BYTES = 65_536

UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
PRINCIPAL = re.compile(f"urn:globus:(?:auth:identity|groups:id):{UUID}")
"""An identity or a group of Globus, as its URN."""


class Word(str):
    """One of a few words."""

    choices: ClassVar[tuple[str, ...]] = ()
    __slots__ = ()


class StepStatus(Word):
    """How a step ended, or that it has not."""

    choices = ("ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED")


class RunStatus(Word):
    """How a run stands."""

    choices = RUN_STATUSES


class KindName(Word):
    """What a defined record is."""

    choices = ("data", "fact", "dataset")


class How(Word):
    """What a step did with a model."""

    choices = ("used", "trained", "updated", "deployed")


class Tags(dict[str, Any]):
    """Typed tags by name."""


class Scores(dict[str, Any]):
    """Validation scores by name."""


class Points(list[dict[str, Any]]):
    """A convergence curve."""


class Principal(str):
    """The URN of an identity or a group of Globus, in small letters; never everybody."""

    __slots__ = ()


class Environment(dict[str, Any]):
    """Hardware, software and code versions, secrets redacted."""


WORDS: tuple[type[Word], ...] = (StepStatus, RunStatus, KindName, How)


def _read_moment(value: Any) -> Moment:
    if not isinstance(value, str):
        raise BodyRefused("A time must be RFC 3339 text, such as 2026-11-22T07:30:00Z.")
    try:
        return moment(value)
    except ValueError as error:
        raise BodyRefused(str(error)) from None


def _word(kind: type[Word]) -> Callable[[Any], Word]:
    def read(value: Any) -> Word:
        if value in kind.choices:
            return kind(value)
        raise BodyRefused(f"must be one of {', '.join(kind.choices)}; got {value!r:.80}.")

    return read


def _read_tags(value: Any) -> Tags:
    """Names and values; what a value must be to be kept as it is, the recorder knows."""
    return Tags(_mapping(value, MAX_TAGS, "Tags"))


def _read_scores(value: Any) -> Scores:
    return Scores(_mapping(value, MAX_SCORES, "Scores"))


def _read_points(value: Any) -> Points:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise BodyRefused(f"Metrics must be a list of at most {MAX_ITEMS} points.")
    return Points([_point(point, place) for place, point in enumerate(value)])


def _point(point: Any, place: int) -> dict[str, Any]:
    if not isinstance(point, dict):
        raise BodyRefused(
            'A point must be an object such as {"epoch": 1, "loss": 0.5}.', f"[{place}]"
        )
    return _mapping(point, MAX_SCORES, "A point", f"[{place}]")


def _mapping(value: Any, most: int, what: str, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BodyRefused(f"{what} must be an object of names and values.", path)
    if len(value) > most:
        raise BodyRefused(f"{what} must have at most {most} names.", path)
    return value


def read_principal(value: Any) -> Principal:
    """A principal from its URN; raises Refused for everything else, "public" among it."""
    if not isinstance(value, str) or not PRINCIPAL.fullmatch(value):
        raise BodyRefused(
            "A principal must be urn:globus:auth:identity:<uuid> or urn:globus:groups:id:<uuid>."
        )
    return Principal(value.lower())


def _read_environment(value: Any) -> Environment:
    if not isinstance(value, dict):
        raise BodyRefused("The environment must be an object.")
    try:
        redacted: dict[str, Any] = redact(value)
    except InvalidInput as error:
        raise BodyRefused(error.message) from None
    if len(msgspec.json.encode(redacted)) > MAX_ENVIRONMENT_BYTES:
        raise BodyRefused(
            f"The environment must have at most {MAX_ENVIRONMENT_BYTES} bytes of JSON."
        )
    return Environment(redacted)


VALUE_READERS: dict[type, Callable[[Any], Any]] = {
    Moment: _read_moment,
    Tags: _read_tags,
    Scores: _read_scores,
    Points: _read_points,
    Environment: _read_environment,
    Principal: read_principal,
    **{word: _word(word) for word in WORDS},
}
"""What reads each kind of value; raises Refused."""
