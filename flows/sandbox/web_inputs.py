"""Web Input states: a run asks a person, and waits for the answer."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from flows.sandbox.outcome import Outcome, RunCanceled, StateFailed, Step
from flows.sandbox.run import Run
from flows.sandbox.times import now_text

__all__ = ["WebInput", "WebInputs", "await_web_input_state", "create_web_input_state"]


@dataclass
class WebInput:
    """One question to a person; `response` is set once it is answered."""

    run: Run
    parameters: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = field(default_factory=now_text)
    status: str = "ACTIVE"
    response: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """The question as the sandbox shows it."""
        return {
            "web_input_id": self.id,
            "run_id": self.run.run_id,
            "created_at": self.created_at,
            "status": self.status,
            "parameters": self.parameters,
            "response": self.response,
        }


class WebInputs:
    """All questions of one sandbox."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inputs: dict[str, WebInput] = {}

    def create(self, run: Run, parameters: dict[str, Any]) -> WebInput:
        """Keeps a new question."""
        web_input = WebInput(run, parameters)
        with self._lock:
            self._inputs[web_input.id] = web_input
        return web_input

    def get(self, web_input_id: str) -> WebInput | None:
        """The question with an id."""
        return self._inputs.get(web_input_id)

    def all(self) -> list[WebInput]:
        """All questions, oldest first."""
        with self._lock:
            return list(self._inputs.values())

    def answer(self, web_input_id: str, value: Any, respondent: str) -> WebInput | None:
        """Answers an open question with the value of one of its options, and wakes the run.

        None when there is no such question, when it is not open, or has no such option.
        """
        with self._lock:
            web_input = self._inputs.get(web_input_id)
            if web_input is None or web_input.status != "ACTIVE":
                return None
            options = web_input.parameters.get("Options") or []
            if options and value not in [option.get("Value") for option in options]:
                return None
            web_input.response = {
                "value": value,
                "respondent": respondent,
                "responded_at": now_text(),
            }
            web_input.status = "COMPLETED"
        web_input.run.wake()
        return web_input

    def expire(self, web_input_id: str) -> None:
        """Lets a question run out of time, and wakes the run."""
        with self._lock:
            web_input = self._inputs[web_input_id]
            if web_input.status == "ACTIVE":
                web_input.status = "EXPIRED"
        web_input.run.wake()


def create_web_input_state(step: Step) -> Outcome:
    """Asks: the result holds the web_input_id."""
    body = step.body()
    if not isinstance(body, dict) or "InputType" not in body:
        raise StateFailed("ActionUnableToRun", "A web input needs an InputType.")
    web_input = step.engine.web_inputs.create(step.run, body)
    return step.done({"web_input_id": web_input.id, "state_name": step.name})


def await_web_input_state(step: Step) -> Outcome:
    """Waits for the answer: the result holds the response."""
    body = step.body()
    given = body.get("web_input_id") if isinstance(body, dict) else None
    web_input = step.engine.web_inputs.get(str(given))
    if web_input is None or web_input.run is not step.run:
        raise StateFailed("ActionUnableToRun", f"This run has no web input {given!r}.")
    _block(step, web_input)
    if web_input.status == "EXPIRED":
        raise StateFailed("Flows.WebInputExpired", {"web_input_id": web_input.id})
    return step.done(
        {
            "web_input_id": web_input.id,
            "response": web_input.response,
            "state_name": step.name,
        }
    )


def _block(step: Step, web_input: WebInput) -> None:
    run = step.run
    if web_input.status == "ACTIVE":
        run.blocking_web_input_id = web_input.id
        run.details = {
            "code": "WebInputRequired",
            "description": "The run waits for somebody to respond to a web input.",
            "state_name": step.name,
            "web_input_id": web_input.id,
        }
        run.status = "INACTIVE"
    while web_input.status == "ACTIVE" and not run.canceled.is_set():
        run.wait(1.0)
    run.blocking_web_input_id = None
    if run.canceled.is_set():
        raise RunCanceled
    run.status = "ACTIVE"
