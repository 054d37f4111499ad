"""The rules of the flow language as data: keys of each state type, operators, known names."""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "CATCH_KEYS",
    "COMPARISONS",
    "CONTEXT_MEMBERS",
    "ELSEWHERE",
    "ERROR_NAMES",
    "FOREIGN_KEYS",
    "FOREIGN_TYPES",
    "STATES",
    "TESTS",
    "TOP_KEYS",
    "StateRules",
]


class StateRules(NamedTuple):
    """One state type: which keys it takes, which it needs, which exclude each other."""

    keys: tuple[str, ...]
    required: tuple[str, ...] = ()
    exactly_one: tuple[tuple[str, ...], ...] = ()
    at_most_one: tuple[tuple[str, ...], ...] = ()


_ENDS = ("Next", "End")
_INPUTS = ("Parameters", "InputPath")
_WAITS = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")
_WEB_INPUT = StateRules(
    ("Type", "Comment", *_INPUTS, "ResultPath", "Catch", *_ENDS), exactly_one=(_INPUTS, _ENDS)
)

STATES: dict[str, StateRules] = {
    "Action": StateRules(
        (
            *("Type", "Comment", "ActionUrl", "ActionScope", "Handler", *_INPUTS, "ResultPath"),
            *("WaitTime", "ExceptionOnActionFailure", "RunAs", "Catch", *_ENDS),
        ),
        exactly_one=(("ActionUrl", "Handler"), _INPUTS, _ENDS),
    ),
    "Choice": StateRules(("Type", "Comment", "Choices", "Default"), required=("Choices",)),
    "ExpressionEval": StateRules(
        ("Type", "Comment", "Parameters", "ResultPath", *_ENDS),
        required=("Parameters", "ResultPath"),
        exactly_one=(_ENDS,),
    ),
    "Fail": StateRules(
        ("Type", "Comment", "Error", "ErrorPath", "Cause", "CausePath"),
        at_most_one=(("Error", "ErrorPath"), ("Cause", "CausePath")),
    ),
    "Pass": StateRules(
        ("Type", "Comment", *_INPUTS, "Result", "ResultPath", *_ENDS),
        exactly_one=(_ENDS,),
        at_most_one=((*_INPUTS, "Result"),),
    ),
    "Wait": StateRules(("Type", "Comment", *_WAITS, *_ENDS), exactly_one=(_WAITS, _ENDS)),
    "AwaitWebInput": _WEB_INPUT,
    "CreateWebInput": _WEB_INPUT,
}
"""Every state type that Globus Flows accepts."""

TOP_KEYS = ("StartAt", "States", "Comment")
CATCH_KEYS = ("ErrorEquals", "Next", "ResultPath")

FOREIGN_TYPES: dict[str, str] = {
    "Task": "write an Action state with an ActionUrl",
    "Succeed": "put End: true on the last state",
    "Parallel": "run the branches one after the other, or concurrently inside one action",
    "Map": "loop with a Choice, or hand the whole list to one action",
    "ActionWait": "write an Action state: it waits for the action by itself",
}
"""State types of Amazon States Language and of older flows, and what to write instead."""

FOREIGN_KEYS: dict[str, str] = {
    "OutputPath": "leave it out; select what you need with the next state's Parameters",
    "ResultSelector": "leave it out; select what you need with the next state's Parameters",
    "Retry": "leave it out; catch the failure and lead it back to this state",
    "TimeoutSeconds": "use WaitTime on Action states",
    "HeartbeatSeconds": "use WaitTime on Action states",
    "Resource": "use ActionUrl",
    "Version": "leave it out",
    "QueryLanguage": "leave it out",
}
"""Keys of Amazon States Language that Globus Flows refuses, and what to do instead."""

ELSEWHERE: dict[str, str] = {
    "Catch": "only Action and Web Input states catch failures",
    "Next": "leave it out",
    "End": "leave it out",
    "InputPath": "use Parameters",
}
"""Keys that are right on other state types."""

ERROR_NAMES = frozenset(
    {
        "ActionUnableToRun",
        "ActionFailedException",
        "ActionTimeout",
        "States.ALL",
        "States.Runtime",
        "States.NoChoiceMatched",
        "Flows.WebInputExpired",
    }
)
"""Names that a Catch can receive."""

CONTEXT_MEMBERS = frozenset(
    {
        *("flow_id", "run_id", "action_id", "username", "email", "user_id", "identities"),
        "token_info",
    }
)
"""What ``$._context`` offers (``action_id`` is the older name of ``run_id``)."""

_ORDERED = ("Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals")
COMPARISONS: dict[str, str] = {
    **{f"String{order}": "String" for order in _ORDERED},
    **{f"Numeric{order}": "Numeric" for order in _ORDERED},
    **{f"Timestamp{order}": "Timestamp" for order in _ORDERED},
    "BooleanEquals": "Boolean",
    "StringMatches": "String",
}
"""Choice operators that compare with a constant -> the kind of the constant.

All but StringMatches also come with the suffix Path, comparing with the value at a path."""

TESTS = frozenset({"IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp"})
"""Choice operators that test a variable; their value is true or false."""
