"""Check a flow definition against every rule of the flow language, without a network.

Stricter than the service's own JSON schema, which accepts a Next that leads nowhere, and more
talkative: all problems at once, each with its place and with what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.definition.graph import edges, reachable
from flows.definition.paths import STATE_NAME_LIMIT, join
from flows.definition.problems import Problem, Problems
from flows.definition.rules import TOP_KEYS
from flows.definition.state_rules import check_state
from flows.definition.value_rules import check_null, check_text, check_unknown_key

__all__ = ["validate"]


def validate(definition: Any) -> list[Problem]:
    """All problems of a definition in document order; an empty list when there are none.

    Any JSON value may be given. Problems of severity error are refused by Globus Flows or fail
    the run that gets there; warnings are allowed and rarely meant.
    """
    problems = Problems()
    if not isinstance(definition, dict):
        problems.error("$", "a flow definition is an object", 'give {"StartAt": …, "States": {…}}')
        return list(problems)
    for key in ("StartAt", "States"):
        if definition.get(key) is None:
            problems.error("$", f"{key} is missing", f"add {key}")
    for key, value in definition.items():
        path = join("$", key)
        if value is None and key in TOP_KEYS:
            check_null(problems, path)
        elif key == "StartAt":
            _check_start(problems, path, value, definition.get("States"))
        elif key == "States":
            _check_states(problems, path, value, definition)
        elif key == "Comment":
            check_text(problems, path, value, "the comment", empty=True)
        else:
            check_unknown_key(problems, path, key, TOP_KEYS, "a flow definition")
    return list(problems)


def _check_start(problems: Problems, path: str, value: Any, states: Any) -> None:
    if not check_text(problems, path, value, "the name of the first state"):
        return
    if isinstance(states, dict) and value not in states:
        problems.error(path, f"there is no state {value!r}", "name one of the states")


def _check_states(
    problems: Problems, path: str, states: Any, definition: Mapping[str, Any]
) -> None:
    if not isinstance(states, dict):
        problems.error(path, "States is not an object", "give an object of states by their names")
        return
    if not states:
        problems.error(path, "there are no states", "add at least one state")
    named = {edge.target for edge in edges(definition) if isinstance(edge.target, str)}
    reached = reachable(definition)
    for name, state in states.items():
        place = join(path, name)
        _check_name(problems, place, name)
        if name not in named:
            problems.error(
                place, "no state leads here", "remove the state, or name it in a Next or in StartAt"
            )
        elif name not in reached:
            problems.warn(
                place, "no run can get here from StartAt", "lead to it from a state that is reached"
            )
        check_state(problems, place, state, states)


def _check_name(problems: Problems, path: str, name: str) -> None:
    if not name:
        problems.error(path, "the state has no name", "name it with 1 to 128 characters")
    elif len(name) > STATE_NAME_LIMIT:
        problems.error(
            path,
            f"the state's name has {len(name)} characters",
            f"use at most {STATE_NAME_LIMIT}",
        )
