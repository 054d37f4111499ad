"""What executing a state can come to, and what it has to do it with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.language import put, render, render_for_log, resolve, with_context
from flows.language.errors import LanguageError
from flows.language.templates import hide_private_parameters

if TYPE_CHECKING:
    from flows.sandbox.engine import Engine
    from flows.sandbox.run import Run

__all__ = ["Outcome", "RunCanceled", "StateFailed", "Step"]


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
