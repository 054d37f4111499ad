"""The rules of Choice states: each rule has one operator, and only the outermost has a Next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.definition.paths import join
from flows.definition.problems import Problems
from flows.definition.rules import COMPARISONS, TESTS
from flows.definition.value_rules import (
    check_path,
    check_text,
    check_timestamp,
    check_unknown_key,
)

__all__ = ["check_choices"]

_PATHS = frozenset(f"{name}Path" for name in COMPARISONS if name != "StringMatches")
_OPERATORS = (*COMPARISONS, *sorted(_PATHS), *sorted(TESTS))
_COMBINATIONS = ("And", "Or", "Not")


def check_choices(problems: Problems, path: str, value: Any, states: Mapping[str, Any]) -> None:
    """Report everything wrong in the list of rules of a Choice."""
    if not isinstance(value, list) or not value:
        problems.error(path, "Choices is not a list of rules", "give at least one rule")
        return
    for number, rule in enumerate(value):
        place = join(path, number)
        if not isinstance(rule, dict):
            problems.error(
                place, "the rule is not an object", "give Variable, an operator and Next"
            )
            continue
        if "Next" not in rule:
            problems.error(place, "Next is missing", "say where the rule leads")
        elif check_text(problems, join(place, "Next"), rule["Next"], "the name of a state"):
            _check_target(problems, join(place, "Next"), rule["Next"], states)
        _check_rule(problems, place, {key: rule[key] for key in rule if key != "Next"})


def _check_target(problems: Problems, path: str, name: str, states: Mapping[str, Any]) -> None:
    if name not in states:
        problems.error(path, f"there is no state {name!r}", "name one of the states")


def _check_rule(problems: Problems, path: str, rule: Mapping[str, Any]) -> None:
    combined = [key for key in rule if key in _COMBINATIONS]
    operators = [key for key in rule if key in _OPERATORS]
    if len(combined) + len(operators) > 1:
        both = " and ".join((*combined, *operators))
        problems.error(path, f"{both} in one rule", "keep one operator; combine rules with And")
    elif not combined and not operators:
        problems.error(path, "the rule has no operator", "add one, such as StringEquals")
    if combined and "Variable" in rule:
        advice = "move it into the rules that are combined"
        problems.error(join(path, "Variable"), f"Variable does not go with {combined[0]}", advice)
    elif not combined and "Variable" not in rule:
        problems.error(path, "Variable is missing", "give the path of the value to look at")
    for key, value in rule.items():
        _check_entry(problems, join(path, key), key, value, is_combined=bool(combined))


def _check_entry(problems: Problems, path: str, key: str, value: Any, *, is_combined: bool) -> None:
    if key == "Variable":
        if not is_combined:
            check_path(problems, path, value)
    elif key == "Not":
        _check_nested(problems, path, value)
    elif key in _COMBINATIONS:
        if not isinstance(value, list) or not value:
            problems.error(path, f"{key} is not a list of rules", "give at least one rule")
            return
        for number, rule in enumerate(value):
            _check_nested(problems, join(path, number), rule)
    elif key in _PATHS:
        check_path(problems, path, value)
    elif key in TESTS or key in COMPARISONS:
        _check_constant(problems, path, key, value)
    else:
        check_unknown_key(problems, path, key, ("Variable", *_COMBINATIONS, *_OPERATORS), "a rule")


def _check_nested(problems: Problems, path: str, rule: Any) -> None:
    if not isinstance(rule, dict):
        problems.error(path, "the rule is not an object", "give Variable and an operator")
        return
    if "Next" in rule:
        advice = "only the outermost rule leads somewhere: move Next there"
        problems.error(join(path, "Next"), "a nested rule has a Next", advice)
    _check_rule(problems, path, {key: rule[key] for key in rule if key != "Next"})


def _check_constant(problems: Problems, path: str, key: str, value: Any) -> None:
    kind = "Boolean" if key in TESTS else COMPARISONS[key]
    if kind == "Timestamp":
        check_timestamp(problems, path, value)
        return
    fits = {
        "Boolean": isinstance(value, bool),
        "String": isinstance(value, str),
        "Numeric": isinstance(value, int | float) and not isinstance(value, bool),
    }[kind]
    if not fits:
        wanted = {"Boolean": "true or false", "String": "a string", "Numeric": "a number"}[kind]
        problems.error(path, f"{key} compares with {wanted}", f"give {wanted}")
