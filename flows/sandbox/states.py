"""The states that need nobody else, and what executing a state can come to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flows.language import choose, put, render, render_for_log, resolve, with_context
from flows.language.errors import LanguageError
from flows.language.templates import hide_private_parameters

__all__ = [
    "Outcome",
    "RunCanceled",
    "StateFailed",
    "Step",
    "choice_state",
    "expression_state",
    "fail_state",
    "pass_state",
    "wait_state",
]

if TYPE_CHECKING:
    from flows.sandbox.engine import Engine
    from flows.sandbox.run import Run


@dataclass(frozen=True)
class Outcome:
    """A state is done: the run's new state, and which state is next (None: the run is over)."""

    state: Any
    next: str | None


class StateFailed(Exception):
    """A state failed: the name that Catch looks for, and what is known about the cause."""

    def __init__(self, error: str, cause: Any) -> None:
        super().__init__(error)
        self.error = error
        self.cause = cause


class RunCanceled(Exception):
    """Somebody canceled the run."""


@dataclass(frozen=True)
class Step:
    """One visit of a state: its name and definition, and the run's state on entry."""

    engine: Engine
    run: Run
    name: str
    definition: dict[str, Any]
    state: Any

    @property
    def view(self) -> Any:
        """The run's state with ``_context``, as references see it."""
        return with_context(self.state, self.run.context)

    def body(self) -> Any:
        """What the state is given: its Parameters, the value at its InputPath, or everything.

        Raises StateFailed when a reference or an expression fails.
        """
        try:
            if "Parameters" in self.definition:
                return render(self.definition["Parameters"], self.view)
            if "InputPath" in self.definition:
                return resolve(self.definition["InputPath"], self.view)
        except LanguageError as error:
            raise StateFailed("States.Runtime", error.message) from None
        return self.state

    def logged_input(self) -> Any:
        """The same for the log: expressions stay unevaluated; a template that fails stays as is."""
        try:
            if "Parameters" in self.definition:
                return render_for_log(self.definition["Parameters"], self.view)
            return self.body()
        except (LanguageError, StateFailed):
            return hide_private_parameters(self.definition.get("Parameters", {}))

    def done(self, result: Any) -> Outcome:
        """The outcome with a result at the ResultPath (default ``$``: it replaces the state)."""
        try:
            state = put(self.definition.get("ResultPath", "$"), self.state, result)
        except LanguageError as error:
            raise StateFailed("States.Runtime", error.message) from None
        return Outcome(state, self.definition.get("Next"))


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
