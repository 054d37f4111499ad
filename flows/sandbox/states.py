"""The states that need nobody else: Pass, ExpressionEval, Choice, Wait, Fail."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from flows.language import choose, resolve
from flows.language.errors import LanguageError
from flows.sandbox.outcome import Outcome, RunCanceled, StateFailed, Step

__all__ = ["choice_state", "expression_state", "fail_state", "pass_state", "wait_state"]


def pass_state(step: Step) -> Outcome:
    """Puts Result, Parameters or what is at InputPath at the ResultPath; else changes nothing."""
    if "Result" in step.definition:
        return step.done(step.definition["Result"])
    return step.done(step.body())


def expression_state(step: Step) -> Outcome:
    """Puts the evaluated Parameters at the ResultPath."""
    return step.done(step.body())


def choice_state(step: Step) -> Outcome:
    """Goes where the first matching rule says."""
    try:
        target = choose(step.definition, step.view)
    except LanguageError as error:
        raise StateFailed("States.Runtime", error.message) from None
    if target is None:
        raise StateFailed("States.NoChoiceMatched", "No rule matched, and there is no Default.")
    return Outcome(step.state, target)


def wait_state(step: Step) -> Outcome:
    """Waits, in scaled time, unless the run is canceled."""
    seconds = max(0.0, _seconds(step))
    step.run.wait_until(time.monotonic() + seconds * step.engine.timing.scale)
    if step.run.canceled.is_set():
        raise RunCanceled
    return Outcome(step.state, step.definition.get("Next"))


def _seconds(step: Step) -> float:
    seconds = _given(step, "Seconds")
    if seconds is not None:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise StateFailed("States.Runtime", "Seconds must be a number.")
        return float(seconds)
    moment = _given(step, "Timestamp")
    try:
        until = datetime.fromisoformat(moment)
        return (until - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        raise StateFailed("States.Runtime", "Timestamp must be an RFC 3339 time.") from None


def _given(step: Step, key: str) -> Any:
    """A constant, or what the key's ...Path form refers to, or None when neither is there."""
    path = step.definition.get(f"{key}Path")
    if path is None:
        return step.definition.get(key)
    try:
        return resolve(path, step.view)
    except LanguageError as error:
        raise StateFailed("States.Runtime", error.message) from None


def fail_state(step: Step) -> Outcome:
    """Ends the run with the definition's own error and cause."""
    raise StateFailed(str(_given(step, "Error") or "FlowFailed"), _given(step, "Cause"))
