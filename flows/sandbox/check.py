"""What the stand-in for Flows refuses: definitions whose graph cannot be run, input that does
not fit the schema.

Only what the interpreter relies on is checked here; `braid flow validate` checks every rule.
"""

from __future__ import annotations

from typing import Any

from jsonschema import Draft7Validator, SchemaError
from jsonschema.validators import validator_for

from flows.definition.problems import without_nulls
from flows.language.choice import operator_of
from flows.language.errors import LanguageError

__all__ = ["STATE_TYPES", "definition_problems", "input_problems", "role_names", "schema_problems"]

STATE_TYPES = frozenset(
    {"Action", "Choice", "ExpressionEval", "Fail", "Pass", "Wait"}
    | {"CreateWebInput", "AwaitWebInput"}
)
_TERMINAL = frozenset({"Choice", "Fail"})
Problem = dict[str, Any]


def _problem(loc: list[Any], message: str) -> Problem:
    return {"loc": loc, "msg": message, "type": "value_error"}


def definition_problems(definition: Any) -> list[Problem]:
    """What is wrong with a definition; empty when it can be run."""
    if not isinstance(definition, dict) or not isinstance(definition.get("States"), dict):
        return [_problem(["definition"], "A definition needs StartAt and States.")]
    states = without_nulls(definition)["States"]
    problems = []
    if definition.get("StartAt") not in states:
        problems.append(_problem(["definition", "StartAt"], "StartAt must name a state."))
    for name, state in states.items():
        loc = ["definition", "States", name]
        problems += [_problem(loc, message) for message in _state_problems(state, states)]
    return problems


def _state_problems(state: Any, states: dict[str, Any]) -> list[str]:
    if not isinstance(state, dict) or state.get("Type") not in STATE_TYPES:
        return [f"Type must be one of {', '.join(sorted(STATE_TYPES))}."]
    kind = state["Type"]
    problems = []
    if kind not in _TERMINAL and ("Next" in state) == (state.get("End") is True):
        problems.append(
            f"A state of type '{kind}' must be defined as either terminal "
            '("End": true) or transitional ("Next": "NextStateId")'
        )
    if kind == "Action" and not isinstance(
        state.get("ActionUrl") or state.get("Handler"), str | dict
    ):
        problems.append("An Action needs an ActionUrl or a Handler.")
    if kind == "Choice":
        problems += _choice_problems(state)
    missing = [target for target in _targets(state) if target not in states]
    return problems + [f"There is no state named {target!r}." for target in missing]


def _choice_problems(state: dict[str, Any]) -> list[str]:
    rules = state.get("Choices")
    if not isinstance(rules, list) or not rules:
        return ["Choices must be a list with at least one rule."]
    problems = []
    for rule in rules:
        try:
            operator_of(rule)
        except LanguageError as error:
            problems.append(error.message)
            continue
        if not isinstance(rule.get("Next"), str):
            problems.append("Each rule in Choices needs a Next.")
    return problems


def _targets(state: dict[str, Any]) -> list[Any]:
    rules = [*_objects(state.get("Choices")), *_objects(state.get("Catch"))]
    named = [state.get("Next"), state.get("Default"), *(rule.get("Next") for rule in rules)]
    return [target for target in named if target is not None]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def role_names(definition: dict[str, Any]) -> list[str]:
    """The roles that Actions run as, besides User and Flow, in order of appearance."""
    named = [state.get("RunAs") or "User" for state in definition["States"].values()]
    return list(dict.fromkeys(role for role in named if role not in ("User", "Flow")))


def schema_problems(schema: Any) -> list[Problem]:
    """What is wrong with an input schema."""
    if not isinstance(schema, dict):
        return [_problem(["input_schema"], "The input schema must be an object.")]
    try:
        validator_for(schema, default=Draft7Validator).check_schema(schema)
    except SchemaError as error:
        return [_problem(["input_schema", *error.path], error.message)]
    return []


def input_problems(body: Any, schema: dict[str, Any]) -> list[Problem]:
    """Where a run's input does not fit the schema."""
    validator = validator_for(schema, default=Draft7Validator)(schema)
    return [
        {"loc": [error.json_path], "type": "InvalidActionInput", "msg": error.message}
        for error in validator.iter_errors(body)
    ]
