"""What to look for: filters as values, and how people write them."""

from __future__ import annotations

import base64
import binascii
import difflib
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from provenance_store.enums import RUN_STATUSES, Kind, Role
from provenance_store.errors import InvalidInput

__all__ = [
    "MAX_LIMIT",
    "ModelSearch",
    "RecordFilter",
    "RunFilter",
    "TagCondition",
    "check_limit",
    "parse_kind",
    "parse_role",
    "parse_status",
    "parse_step_status",
    "parse_tag",
    "read_marker",
    "write_marker",
]

MAX_LIMIT = 1000

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_COMPARISON = re.compile(">=|<=|!=|=|>|<")
MAX_TAG_FILTER = 1024


@dataclass(frozen=True, slots=True)
class TagCondition:
    """A tag by name, or with a comparison; `number` is the value if it reads as one."""

    name: str
    operator: str = ""
    text: str = ""
    number: float | None = None

    def compare(self, left: Any, right: Any) -> Any:
        """Apply the operator."""
        return _OPERATORS[self.operator](left, right)


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Conditions on records that must all hold; ``*`` in name and uri stands for anything.
    `also_at` are other spellings of `uri`.

    With `status`, of steps, `since` and `until` are about when a step ended, or began where it has
    not ended.
    """

    kind: Kind | None = None
    name: str | None = None
    uri: str | None = None
    also_at: tuple[str, ...] = ()
    digest: str | None = None
    tags: tuple[TagCondition, ...] = ()
    run_id: str | None = None
    owner: str | None = None
    since: int | None = None
    until: int | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class ModelSearch:
    """What model versions are looked for; `best` names the metric or score that ranks them.

    `tags` may be those of what the version was trained on too, `where` are conditions on parameters
    and hyperparameters. With `as_of`, microseconds UTC, only what was made before counts, and
    aliases as they were then. With `line_id` it is of that model; with `versions` all are wanted
    that fit, and not one of each model.
    """

    record: RecordFilter = RecordFilter()
    trained_on: tuple[int, ...] = ()
    tags: tuple[TagCondition, ...] = ()
    where: tuple[TagCondition, ...] = ()
    alias: str | None = None
    as_of: int | None = None
    best: str = ""
    highest: bool = False
    valid: bool = False
    line_id: int | None = None
    versions: bool = False


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Conditions on runs that must all hold; ``*`` in label stands for anything."""

    flow_id: str | None = None
    status: str | None = None
    owner: str | None = None
    label: str | None = None
    tag: TagCondition | None = None
    since: int | None = None
    until: int | None = None


def parse_tag(text: str, what: str = "a tag filter") -> TagCondition:
    """Read ``name``, ``name=value`` or ``name>3.5``; raises InvalidInput otherwise."""
    found = _COMPARISON.search(text) if len(text) <= MAX_TAG_FILTER else None
    name = (text[: found.start()] if found else text).strip()
    if not name or "!" in name or "\x00" in text or len(text) > MAX_TAG_FILTER:
        raise InvalidInput(f"{text[:80]!r} is not {what}: write name, name=value or name>3.5.")
    comparison, value = (found[0], text[found.end() :].lstrip()) if found else ("", "")
    number = _number(value) if comparison else None
    if comparison in ("<", ">", "<=", ">=") and number is None:
        raise InvalidInput(f"{text[:80]!r}: {comparison} compares with a number.")
    return TagCondition(name, comparison, value, number)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def parse_status(text: str) -> str:
    """The status of runs that is meant; raises InvalidInput naming all of them."""
    if text.upper() not in RUN_STATUSES:
        near = difflib.get_close_matches(text.upper(), RUN_STATUSES, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise InvalidInput(
            f"{text[:40]!r} is not a status of runs; they are {', '.join(RUN_STATUSES)}{hint}"
        )
    return text.upper()


def parse_step_status(text: str) -> str:
    """The status of steps that is meant: one of those of runs in any case, or as it is."""
    return text.upper() if text.upper() in RUN_STATUSES else text


def parse_kind(text: str) -> Kind:
    """The kind with this name; raises InvalidInput naming all kinds."""
    try:
        return Kind[text.upper()]
    except KeyError:
        names = ", ".join(kind.label for kind in Kind)
        raise InvalidInput(f"{text[:40]!r} is not a kind; the kinds are {names}.") from None


def parse_role(text: str) -> Role:
    """The role with this name; raises InvalidInput naming all roles."""
    try:
        return Role[text.upper()]
    except KeyError:
        names = ", ".join(role.label for role in Role)
        raise InvalidInput(f"{text[:40]!r} is not a role; the roles are {names}.") from None


def check_limit(limit: int) -> int:
    """The size of a page; raises InvalidInput when it is not 1 to 1000."""
    if type(limit) is not int or not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"A limit must be a whole number from 1 to {MAX_LIMIT}.")
    return limit


def write_marker(*key: int | str) -> str:
    """The key of the last thing on a page, as an opaque text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def read_marker(marker: str | None, second: type) -> Any:
    """What `write_marker` wrote: (int, `second`); None for None; raises InvalidInput."""
    if marker is None:
        return None
    try:
        data = base64.urlsafe_b64decode(marker + "=" * (-len(marker) % 4))
        key: tuple[Any, Any] = msgspec.json.decode(data, type=tuple[int, second])  # type: ignore[valid-type]
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise InvalidInput(
            "The marker was not given by this store; begin again without it."
        ) from None
    if any(isinstance(part, int) and abs(part) >= 1 << 63 for part in key):
        raise InvalidInput("The marker was not given by this store; begin again without it.")
    return key
