"""A Choice told to people: which ways it has, what its rules compare, and which way it takes.

What a state records in front of a Choice and what a log tells of its visits are read by the same
rules, so that both give the same decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flows.language.choice import choose_by
from flows.language.errors import LanguageError, PathNotFound
from flows.language.paths import plain_steps
from flows.language.templates import PRIVATE_PREFIX
from provenance_store.redaction import REDACTED, is_secret_key

__all__ = ["ABSENT", "branches", "compared", "is_private", "shown_rules", "way_taken"]

ABSENT = "[absent]"
"""Stands for a value where there was none: what an expression gives must be something."""
MOST_RULES, DEEPEST = 100, 5
LONGEST_CONDITION = 500
_COMBINED = {"And": " and ", "Or": " or "}
_NAME = re.compile(r"[^\s.\[\]*?()'\"`:,@$]+")


def branches(state: Mapping[str, Any]) -> dict[str, str]:
    """The states that a Choice could go to, each with the conditions that lead there, in words."""
    conditions: dict[str, list[str]] = {}
    for rule in _rules(state.get("Choices")):
        if isinstance(target := rule.get("Next"), str):
            conditions.setdefault(target, []).append(_in_words(rule, DEEPEST))
    if isinstance(default := state.get("Default"), str):
        conditions.setdefault(default, []).append("otherwise")
    return {name: "; or ".join(why)[:LONGEST_CONDITION] for name, why in conditions.items()}


def compared(state: Mapping[str, Any]) -> list[str]:
    """The paths that the rules of a Choice read, in their order."""
    return [*dict.fromkeys(_paths(state.get("Choices"), DEEPEST))]


def is_private(path: str) -> bool:
    """Whether the names in a path say that its value is nobody's business."""
    steps = plain_steps(path)
    names = _NAME.findall(path) if steps is None else [x for x in steps if isinstance(x, str)]
    return any(name.startswith(PRIVATE_PREFIX) or is_secret_key(name) for name in names)


def shown_rules(rules: Any) -> Any:
    """Rules without comments, and without the constants that private values are compared with."""
    if isinstance(rules, list):
        return [shown_rules(rule) for rule in rules]
    if not isinstance(rules, dict):
        return rules
    hides = isinstance(path := rules.get("Variable"), str) and is_private(path)
    return {
        key: shown_rules(value)
        if key in _COMBINED or key == "Not"
        else _constant_shown(key, value, hides=hides)
        for key, value in rules.items()
        if key != "Comment"
    }


def way_taken(state: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The state that a Choice goes to, by what is at the paths that its rules compare, and whether
    it goes anywhere. None where that cannot be said, for a value is private or not told."""
    try:
        taken = choose_by(state, _GivenValues(values))
    except PathNotFound:
        return None, False
    except (LanguageError, LookupError, RecursionError):
        return None, True
    return taken, taken is not None


class _GivenValues(NamedTuple):
    """The values of paths, as they were told."""

    values: Mapping[str, Any]

    def value(self, path: str) -> Any:
        if not self.is_present(path):
            raise PathNotFound(f"{path} is not in the state of the run.")
        return self.values[path]

    def is_present(self, path: str) -> bool:
        value = self.values.get(path, REDACTED)
        if value == REDACTED:
            raise LanguageError(f"The value of {path} is not told.")
        if value == [] and plain_steps(path) is None:
            raise LanguageError(f"{path} may have selected nothing, or an empty list.")
        return bool(value != ABSENT)


def _rules(rules: Any) -> Iterator[Mapping[str, Any]]:
    """As many rules of a list as are told."""
    listed = rules[:MOST_RULES] if isinstance(rules, list) else []
    return (rule for rule in listed if isinstance(rule, dict))


def _in_words(rule: Mapping[str, Any], depth: int) -> str:
    """A rule as it is written, on one line: ``$.n NumericLessThan 30``."""
    for name, between in _COMBINED.items():
        if isinstance(rules := rule.get(name), list) and depth:
            return f"({between.join(_in_words(one, depth - 1) for one in _rules(rules))})"
    if isinstance(inner_rule := rule.get("Not"), dict) and depth:
        return f"not {_in_words(inner_rule, depth - 1)}"
    operators = (key for key in rule if key not in ("Variable", "Next", "Comment"))
    operator, path = next(operators, ""), rule.get("Variable", "")
    hides = isinstance(path, str) and is_private(path)
    constant = _constant_shown(operator, rule.get(operator), hides=hides)
    return f"{path} {operator} {_constant(constant)}".strip()


def _constant_shown(operator: str, value: Any, *, hides: bool) -> Any:
    """What a private value is compared with is private, unless it is a path, or only a kind."""
    is_open = operator in ("Variable", "Next") or operator.endswith("Path")
    is_constant = isinstance(value, str | int | float) and not isinstance(value, bool)
    return REDACTED if hides and is_constant and not is_open else value


def _constant(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else ""
    return str(value)[:LONGEST_CONDITION] if isinstance(value, str | int | float) else ""


def _paths(rules: Any, depth: int) -> Iterator[str]:
    """The paths that rules read, each once or more."""
    for rule in _rules(rules) if depth >= 0 else ():
        for key, value in rule.items():
            if isinstance(value, str) and (key == "Variable" or key.endswith("Path")):
                yield value
            elif key in _COMBINED:
                yield from _paths(value, depth - 1)
            elif key == "Not":
                yield from _paths([value], depth - 1)
