"""The interpreter of the Globus flow language: from StartAt to the end, one state at a time.

Each visit of a state leaves two log entries, ``<Type>Started`` and ``<Type>Completed`` (or
``<Type>Failed``), and the run two more, as the production service writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flows.definition.problems import without_nulls
from flows.language import put
from flows.language.errors import LanguageError
from flows.sandbox.actions import action_state
from flows.sandbox.engine import Engine
from flows.sandbox.run import Run
from flows.sandbox.states import (
    Outcome,
    RunCanceled,
    StateFailed,
    Step,
    choice_state,
    expression_state,
    fail_state,
    pass_state,
    wait_state,
)
from flows.sandbox.times import now_text
from flows.sandbox.web_inputs import await_web_input_state, create_web_input_state

__all__ = ["HANDLERS", "interpret"]

HANDLERS: dict[str, Callable[[Step], Outcome]] = {
    "Action": action_state,
    "AwaitWebInput": await_web_input_state,
    "Choice": choice_state,
    "CreateWebInput": create_web_input_state,
    "ExpressionEval": expression_state,
    "Fail": fail_state,
    "Pass": pass_state,
    "Wait": wait_state,
}
CATCHING = frozenset({"Action", "CreateWebInput", "AwaitWebInput"})


def interpret(run: Run, engine: Engine) -> None:
    """Executes a run to its end; never raises."""
    run.add_log("FlowStarted", "The Flow Instance started execution", {"input": run.input})
    try:
        output = _execute(run, engine)
    except RunCanceled:
        _finish_canceled(run)
    except StateFailed as failure:
        _finish_failed(run, failure)
    except Exception as error:
        # A defect of the sandbox must end the run, or whoever waits for it waits forever.
        _finish_failed(run, StateFailed("Sandbox.Defect", f"{type(error).__name__}: {error}"))
    else:
        _finish_succeeded(run, output)


def _execute(run: Run, engine: Engine) -> Any:
    definition = without_nulls(run.definition)
    name: str | None = definition["StartAt"]
    state: Any = run.input
    visits = 0
    while name is not None:
        if run.canceled.is_set():
            raise RunCanceled
        visits += 1
        if visits > engine.limits.visits:
            raise StateFailed("Sandbox.TooManyStates", f"More than {visits - 1} states.")
        outcome = _visit(Step(engine, run, name, definition["States"][name], state))
        name, state = outcome.next, outcome.state
    return state


def _visit(step: Step) -> Outcome:
    kind = step.definition["Type"]
    named = {"state_name": step.name, "state_type": kind}
    where = f"State {step.name} of type {kind}"
    step.run.add_log(f"{kind}Started", f"{where} started", {**named, "input": step.logged_input()})
    try:
        outcome = HANDLERS[kind](step)
        _check_size(outcome.state, step)
    except StateFailed as failure:
        cause = {"error": failure.error, "cause": repr(failure.cause)}
        step.run.add_log(f"{kind}Failed", f"{where} failed", {**named, **cause})
        return _caught(step, failure)
    step.run.add_log(f"{kind}Completed", f"{where} completed", {**named, "output": outcome.state})
    return outcome


def _check_size(state: Any, step: Step) -> None:
    limit = step.engine.limits.state_bytes
    if len(json.dumps(state, separators=(",", ":")).encode()) > limit:
        raise StateFailed("States.DataLimitExceeded", f"The run's state exceeds {limit} bytes.")


def _caught(step: Step, failure: StateFailed) -> Outcome:
    """Where the first fitting Catch leads; raises the failure again when none fits."""
    if step.definition["Type"] not in CATCHING:
        raise failure
    for catcher in step.definition.get("Catch", ()):
        if {failure.error, "States.ALL"} & set(catcher["ErrorEquals"]):
            found = {"Error": failure.error, "Cause": failure.cause}
            try:
                state = put(catcher.get("ResultPath", "$"), step.state, found)
            except LanguageError as error:
                raise StateFailed("States.Runtime", error.message) from None
            _check_size(state, step)
            return Outcome(state, catcher["Next"])
    raise failure


def _finish_succeeded(run: Run, output: Any) -> None:
    run.add_log("FlowSucceeded", "The Flow Instance completed successfully", {"output": output})
    details = {
        "code": "FlowSucceeded",
        "description": "The Flow run reached a successful completion state",
        "output": output,
    }
    run.finish("SUCCEEDED", details)


def _finish_failed(run: Run, failure: StateFailed) -> None:
    known = {"error": failure.error, "cause": failure.cause}
    run.add_log("FlowFailed", "The Flow Instance failed", known)
    details = {
        "code": "FlowFailed",
        "description": "The Flow run reached a failed completion state",
        "details": known,
    }
    run.finish("FAILED", details)


def _finish_canceled(run: Run) -> None:
    description = "The Flow Instance was canceled by the user"
    run.add_log("FlowCanceled", description, {})
    details = {
        "time": now_text(),
        "code": "FlowCanceled",
        "description": description,
        "details": {},
    }
    run.finish("FAILED", details)
