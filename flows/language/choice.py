"""Choice rules: which way a run goes.

A rule has exactly one operator. ``And``, ``Or`` and ``Not`` hold rules; all others compare what
``Variable`` refers to, with a constant or (``...Path``) with another reference. A comparison of
the wrong type does not match; a reference that leads nowhere is an error, except for IsPresent.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from flows.language.errors import LanguageError
from flows.language.paths import is_present, resolve

__all__ = [
    "COMPARISONS",
    "OPERATORS",
    "TESTS",
    "Values",
    "choose",
    "choose_by",
    "matches",
    "operator_of",
]

Comparison = Callable[[Any, Any], bool]
_PLAIN_KEYS = frozenset({"Variable", "Next", "Comment"})


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else None


def _timestamp(value: Any) -> Any:
    """An RFC 3339 time with its offset, or None."""
    if not isinstance(value, str) or "T" not in value.upper():
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _compare(cast: Callable[[Any], Any], how: Comparison, left: Any, right: Any) -> bool:
    left, right = cast(left), cast(right)
    return left is not None and right is not None and how(left, right)


def _string_matches(value: Any, pattern: Any) -> bool:
    if not isinstance(value, str) or not isinstance(pattern, str):
        return False
    pieces = re.split(r"(?<!\\)\*+", pattern)
    literals = [re.sub(r"\\([*\\])", r"\1", piece) for piece in pieces]
    return _wildcard(value, literals)


def _wildcard(value: str, literals: list[str]) -> bool:
    """Whether value is the literals in order with anything between, found without backtracking."""
    if len(literals) == 1:
        return value == literals[0]
    first, *middle, last = literals
    if len(value) < len(first) + len(last) or not value.startswith(first):
        return False
    end = len(value) - len(last)
    if value[end:] != last:
        return False
    position = len(first)
    for literal in middle:
        position = value.find(literal, position, end)
        if position < 0:
            return False
        position += len(literal)
    return True


_RELATIONS: dict[str, Comparison] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
COMPARISONS: dict[str, Comparison] = {
    f"{kind}{relation}": functools.partial(_compare, cast, how)
    for kind, cast in (("String", _text), ("Numeric", _number), ("Timestamp", _timestamp))
    for relation, how in _RELATIONS.items()
}
COMPARISONS["BooleanEquals"] = functools.partial(_compare, _boolean, operator.eq)
_WITH_PATH = {f"{name}Path": compare for name, compare in COMPARISONS.items()}
COMPARISONS["StringMatches"] = _string_matches
"""Operators that compare with a constant; all but StringMatches also exist with ``Path``."""

TESTS: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsNumeric": lambda value: _number(value) is not None,
    "IsString": lambda value: isinstance(value, str),
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: _timestamp(value) is not None,
}
"""Operators that ask about the value itself; IsPresent is one more."""

OPERATORS = frozenset({"And", "Or", "Not", "IsPresent", *COMPARISONS, *_WITH_PATH, *TESTS})


def operator_of(rule: Any) -> str:
    """The one operator of a rule. Raises LanguageError when there is none, or several."""
    if not isinstance(rule, dict):
        raise LanguageError("A choice rule must be an object.")
    named = [key for key in rule if key not in _PLAIN_KEYS]
    if len(named) != 1 or named[0] not in OPERATORS:
        raise LanguageError(f"A choice rule needs exactly one operator, not {named}.")
    return str(named[0])


class Values(Protocol):
    """Where rules look things up."""

    def value(self, path: str) -> Any:
        """What is at a path. Raises LanguageError, PathNotFound where there is nothing."""

    def is_present(self, path: str) -> bool:
        """Whether there is anything at a path. Raises LanguageError."""


class _State(NamedTuple):
    """The state of a run, as rules look at it."""

    state: Any

    def value(self, path: str) -> Any:
        return resolve(path, self.state)

    def is_present(self, path: str) -> bool:
        return is_present(path, self.state)


def matches(rule: dict[str, Any], state: Any) -> bool:
    """Whether a rule holds in a state. Raises LanguageError."""
    return _matches(rule, _State(state))


def _matches(rule: dict[str, Any], values: Values) -> bool:
    name = operator_of(rule)
    expected = rule[name]
    if name in ("And", "Or"):
        if not isinstance(expected, list) or not expected:
            raise LanguageError(f"{name} needs a list of rules.")
        quantifier = all if name == "And" else any
        return quantifier(_matches(part, values) for part in expected)
    if name == "Not":
        return not _matches(expected, values)
    variable = rule.get("Variable")
    if not isinstance(variable, str):
        raise LanguageError(f"{name} needs a Variable.")
    if name == "IsPresent":
        return values.is_present(variable) is expected
    return _matches_value(name, values.value(variable), expected, values)


def _matches_value(name: str, value: Any, expected: Any, values: Values) -> bool:
    if name in TESTS:
        return TESTS[name](value) is expected
    if name in COMPARISONS:
        return COMPARISONS[name](value, expected)
    if not isinstance(expected, str):
        raise LanguageError(f"{name} needs a path.")
    return _WITH_PATH[name](value, values.value(expected))


def choose(choice: Mapping[str, Any], state: Any) -> str | None:
    """The Next of the first rule that holds, else Default, else None. Raises LanguageError."""
    return choose_by(choice, _State(state))


def choose_by(choice: Mapping[str, Any], values: Values) -> str | None:
    """The same, where the values that rules compare come from elsewhere."""
    for rule in choice["Choices"]:
        if _matches(rule, values):
            return str(rule["Next"])
    default = choice.get("Default")
    return None if default is None else str(default)
