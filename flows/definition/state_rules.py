"""The rules of one state: its type, its keys, and what its keys may hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flows.definition.choice_rules import check_choices
from flows.definition.handler_rules import check_handler, check_scope, check_url
from flows.definition.parameter_rules import check_parameters, check_static_result
from flows.definition.paths import join
from flows.definition.problems import Problems
from flows.definition.rules import (
    CATCH_KEYS,
    ELSEWHERE,
    ERROR_NAMES,
    FOREIGN_TYPES,
    STATES,
    StateRules,
)
from flows.definition.value_rules import (
    check_null,
    check_path,
    check_result_path,
    check_text,
    check_timestamp,
    check_unknown_key,
)
from flows.definition.web_input_rules import check_web_input

__all__ = ["check_state"]

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
