"""The rules of one state: its type, its keys, who carries it out, and its choices."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from flows.definition.parameter_rules import check_parameters, check_static_result, check_web_input
from flows.definition.paths import join
from flows.definition.problems import Problems, Severity
from flows.definition.rules import (
    CATCH_KEYS,
    COMPARISONS,
    ELSEWHERE,
    ERROR_NAMES,
    FOREIGN_TYPES,
    STATES,
    TESTS,
    StateRules,
)
from flows.definition.value_rules import (
    check_null,
    check_path,
    check_result_path,
    check_text,
    check_timestamp,
    check_unknown_key,
    url_problem,
)

__all__ = ["check_choices", "check_handler", "check_scope", "check_state", "check_url"]

_HANDLE = re.compile(r"urn:globus:flows:handle:globus:[\w-]+\.[\w.-]+", re.ASCII)


def check_url(problems: Problems, path: str, value: Any) -> None:
    """An https URL; http on this machine is a warning."""
    if not check_text(problems, path, value, "the URL of an action"):
        return
    problem = url_problem(value)
    if problem is not None:
        report = problems.error if problem.severity is Severity.ERROR else problems.warn
        report(path, problem.message, problem.advice)


def check_scope(problems: Problems, path: str, value: Any) -> None:
    """A scope string."""
    check_text(problems, path, value, "a scope string")


def check_handler(problems: Problems, path: str, value: Any) -> None:
    """A handle, or an object of one of the two handler types."""
    if isinstance(value, str):
        if not _HANDLE.fullmatch(value):
            advice = "write urn:globus:flows:handle:globus:SERVICE.ROUTE, or an object"
            problems.error(path, f"{value[:100]!r} is not a handle", advice)
        return
    if not isinstance(value, dict):
        problems.error(path, "the Handler is not an object", 'give {"Type": …} or a handle')
        return
    if value.get("Type") == "ActionProvider":
        _check_handler_keys(problems, path, value, "Url", ("Type", "Url", "Scope"))
        if "Url" in value:
            check_url(problems, join(path, "Url"), value["Url"])
        if "Scope" in value:
            check_scope(problems, join(path, "Scope"), value["Scope"])
    elif value.get("Type") == "RegisteredAPI":
        _check_handler_keys(problems, path, value, "Id", ("Type", "Id"))
        if "Id" in value and not _is_uuid(value["Id"]):
            advice = "give the id that the registration returned"
            problems.error(join(path, "Id"), "the Id is not a UUID", advice)
    else:
        advice = 'use "ActionProvider" or "RegisteredAPI"'
        problems.error(path, f"the Handler's Type is {value.get('Type')!r}", advice)


def _check_handler_keys(
    problems: Problems, path: str, value: Mapping[str, Any], needed: str, keys: tuple[str, ...]
) -> None:
    if needed not in value:
        problems.error(path, f"{needed} is missing", f"add {needed}")
    for key in value:
        if key not in keys:
            check_unknown_key(problems, join(path, key), key, keys, f"{value['Type']} handlers")


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(uuid.UUID(value))
    except ValueError:
        return False


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


_LONGEST_WAIT = 31_536_000
_States = Mapping[str, Any]


def check_state(problems: Problems, path: str, state: Any, states: _States) -> None:
    """Report everything wrong in one state: first what concerns it whole, then key by key."""
    if not isinstance(state, dict):
        problems.error(path, "the state is not an object", "give an object with a Type")
        return
    written = state
    state = {key: value for key, value in written.items() if value is not None}
    kind = state.get("Type")
    rules = STATES.get(kind) if isinstance(kind, str) else None
    if rules is None:
        _report_type(problems, path, state)
        return
    _check_whole(problems, path, state, rules, str(kind))
    for key, value in written.items():
        place = join(path, key)
        if key not in rules.keys:
            check_unknown_key(problems, place, key, rules.keys, f"{kind} states", ELSEWHERE)
        elif value is None:
            check_null(problems, place)
        elif key != "Type":
            _CHECKS[key](problems, place, value, states)
    if kind in ("CreateWebInput", "AwaitWebInput"):
        check_web_input(problems, path, state)
    if "Result" in state:
        check_static_result(problems, join(path, "Result"), state["Result"])


def _report_type(problems: Problems, path: str, state: Mapping[str, Any]) -> None:
    accepted = "use one of " + ", ".join(STATES)
    if "Type" not in state:
        problems.error(path, "Type is missing", accepted)
        return
    kind = state["Type"]
    foreign = FOREIGN_TYPES.get(kind) if isinstance(kind, str) else None
    message = f"{kind!r} is not a state type of Globus Flows"
    problems.error(join(path, "Type"), message, foreign or accepted)


def _check_whole(
    problems: Problems, path: str, state: Mapping[str, Any], rules: StateRules, kind: str
) -> None:
    for key in rules.required:
        if key not in state:
            problems.error(path, f"{key} is missing", f"{kind} states need it: add {key}")
    for group in rules.exactly_one:
        _check_group(problems, path, state, group, needed=True)
    for group in rules.at_most_one:
        _check_group(problems, path, state, group, needed=False)
    if kind == "Action":
        _check_action(problems, path, state)
    if kind == "Fail" and not {"Error", "ErrorPath"} & state.keys():
        problems.warn(path, "the failure has no Error", "name it with Error or ErrorPath")
    if kind == "Choice" and "Default" not in state:
        problems.warn(
            path, "the Choice has no Default", "a run that matches no rule fails: add one"
        )


def _check_group(
    problems: Problems, path: str, state: Mapping[str, Any], group: tuple[str, ...], *, needed: bool
) -> None:
    present = [key for key in group if key in state]
    if len(present) > 1:
        problems.error(path, f"{' and '.join(present)} exclude each other", "keep one of them")
    elif needed and not present:
        problems.error(path, f"{' or '.join(group)} is missing", "add exactly one of them")


def _check_action(problems: Problems, path: str, state: Mapping[str, Any]) -> None:
    if "Handler" in state and "ActionScope" in state:
        problems.error(path, "ActionScope goes with ActionUrl", "put Scope into the Handler")
    if "ResultPath" not in state:
        problems.warn(
            path,
            "without ResultPath the result replaces the whole state of the run",
            "add a ResultPath such as $.Result",
        )


def _check_next(problems: Problems, path: str, value: Any, states: _States) -> None:
    if check_text(problems, path, value, "the name of a state") and value not in states:
        problems.error(path, f"there is no state {value!r}", "name one of the states")


def _check_end(problems: Problems, path: str, value: Any, states: _States) -> None:
    if value is not True:
        problems.error(path, "End is not true", "write End: true, or leave it out and give Next")


def _check_number(*, most: int | None, least: int, what: str) -> Callable[..., None]:
    def check(problems: Problems, path: str, value: Any, states: _States) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            problems.error(path, f"{what} is not a whole number", "give seconds as a whole number")
        elif value < least or (most is not None and value > most):
            problems.error(
                path,
                f"{what} is {value}",
                f"give {least} or more" + (f", at most {most}" if most else ""),
            )

    return check


def _check_flag(problems: Problems, path: str, value: Any, states: _States) -> None:
    if not isinstance(value, bool):
        problems.error(path, "it is neither true nor false", "write true or false")


def _check_catch(problems: Problems, path: str, value: Any, states: _States) -> None:
    if not isinstance(value, list):
        problems.error(path, "Catch is not a list", "give a list of objects")
        return
    for number, entry in enumerate(value):
        place = join(path, number)
        if not isinstance(entry, dict):
            problems.error(place, "the entry is not an object", "give ErrorEquals and Next")
            continue
        for key in ("ErrorEquals", "Next"):
            if entry.get(key) is None:
                problems.error(place, f"{key} is missing", f"add {key}")
        if entry.get("ResultPath") is None:
            problems.warn(
                place,
                "without ResultPath the error replaces the whole state of the run",
                "add a ResultPath such as $.FailureInfo",
            )
        for key, item in entry.items():
            if key not in CATCH_KEYS:
                check_unknown_key(problems, join(place, key), key, CATCH_KEYS, "a Catch")
            elif item is None:
                check_null(problems, join(place, key))
            else:
                _CHECKS[key](problems, join(place, key), item, states)


def _check_errors(problems: Problems, path: str, value: Any, states: _States) -> None:
    if not isinstance(value, list) or not value:
        problems.error(path, "ErrorEquals is not a list of names", "name at least one error")
        return
    for number, name in enumerate(value):
        place = join(path, number)
        if not check_text(problems, place, name, "the name of an error"):
            continue
        if name in value[:number]:
            problems.error(place, f"{name!r} is named twice", "name each error once")
        elif name not in ERROR_NAMES:
            known = ", ".join(sorted(ERROR_NAMES))
            problems.warn(place, f"Globus Flows raises no error {name!r}", f"it raises {known}")


def _check_text(what: str, *, empty: bool = False) -> Callable[..., None]:
    def check(problems: Problems, path: str, value: Any, states: _States) -> None:
        check_text(problems, path, value, what, empty=empty)

    return check


def _stateless(check: Callable[[Problems, str, Any], object]) -> Callable[..., None]:
    def checked(problems: Problems, path: str, value: Any, states: _States) -> None:
        check(problems, path, value)

    return checked


def _check_result(problems: Problems, path: str, value: Any, states: _States) -> None:
    if not isinstance(value, dict):
        problems.error(path, "Result is not an object", "give an object")


_CHECKS: dict[str, Callable[[Problems, str, Any, _States], None]] = {
    "ActionScope": _stateless(check_scope),
    "ActionUrl": _stateless(check_url),
    "Catch": _check_catch,
    "Cause": _check_text("the cause", empty=True),
    "CausePath": _stateless(check_path),
    "Choices": check_choices,
    "Comment": _check_text("the comment", empty=True),
    "Default": _check_next,
    "End": _check_end,
    "Error": _check_text("the error's name", empty=True),
    "ErrorEquals": _check_errors,
    "ErrorPath": _stateless(check_path),
    "ExceptionOnActionFailure": _check_flag,
    "Handler": _stateless(check_handler),
    "InputPath": _stateless(check_path),
    "Next": _check_next,
    "Parameters": _stateless(check_parameters),
    "Result": _check_result,
    "ResultPath": _stateless(check_result_path),
    "RunAs": _check_text("User, Flow or the name of a role"),
    "Seconds": _check_number(least=0, most=_LONGEST_WAIT, what="Seconds"),
    "SecondsPath": _stateless(check_path),
    "Timestamp": _stateless(check_timestamp),
    "TimestampPath": _stateless(check_path),
    "WaitTime": _check_number(least=1, most=None, what="WaitTime"),
}
"""Key -> the check of its value."""
