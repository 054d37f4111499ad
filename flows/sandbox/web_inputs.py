"""Web Input states: a run asks a person, and waits for the answer."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from flows.sandbox.run import Run
from flows.sandbox.states import Outcome, RunCanceled, StateFailed, Step
from flows.sandbox.times import now_text

__all__ = ["Option", "WebInput", "WebInputs", "await_web_input_state", "create_web_input_state"]


@dataclass(frozen=True)
class Option:
    """One of the answers that a person may choose; the flow gets its `value`."""

    value: Any
    label: str
    description: str | None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def document(self) -> dict[str, Any]:
        """The option as the Flows service shows it."""
        return {"option_id": self.id, "label": self.label, "description": self.description}


@dataclass
class WebInput:
    """One question to a person; `response` is the value of the option that was chosen."""

    run: Run
    parameters: dict[str, Any]
    options: tuple[Option, ...]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: str = field(default_factory=now_text)
    closed: str | None = None
    expired: bool = False
    response: Any = None

    @property
    def respondents(self) -> list[str]:
        """The principals who may answer: those that the flow names, else who started the run."""
        return list(self.parameters.get("RespondentUrns") or [self.run.owner.urn])

    @property
    def viewers(self) -> list[str]:
        """The principals who may look at the question."""
        return list(dict.fromkeys([self.run.owner.urn, *self.run.managers, *self.run.monitors]))

    def roles(self, principals: frozenset[str]) -> list[str]:
        """The roles that principals have in this question."""
        held = (("viewer", self.viewers), ("respondent", self.respondents))
        return [role for role, urns in held if principals & set(urns)]

    def summary(self, roles: list[str]) -> dict[str, Any]:
        """The question as lists show it."""
        return {
            "id": self.id,
            "status": "closed" if self.closed else "open",
            "user_roles": roles,
            "input_type": str(self.parameters["InputType"]).lower(),
            "title": self._context().get("title"),
            "flow": {"id": self.run.flow.id, "title": self.run.flow_title},
            "run": {"id": self.run.run_id, "label": self.run.label},
            "created_timestamp": self.created,
            "edited_timestamp": self.closed or self.created,
            "closed_timestamp": self.closed,
        }

    def document(self, roles: list[str]) -> dict[str, Any]:
        """The question as somebody with these roles sees it."""
        context = self._context()
        shown = self.summary(roles)
        del shown["title"]
        return shown | {
            "context": context,
            "options": [option.document() for option in self.options],
            "input_schema": {
                "$schema": "http://json-schema.org/draft-07/schema",
                "title": "The option that is chosen",
                "type": "string",
                "oneOf": [
                    {"const": o.id, "title": o.label, "description": o.description}
                    for o in self.options
                ],
            },
            "roles": {"viewer_urns": self.viewers, "respondent_urns": self.respondents},
            "creator_urn": self.run.owner.urn,
        }

    def _context(self) -> dict[str, Any]:
        given = self.parameters.get("Context") or {}
        style = str(given.get("PresentationStyle") or "Text").lower()
        context: dict[str, Any] = {"title": given.get("Title"), "presentation_style": style}
        if style == "table":
            rows = given.get("Rows") or []
            shown = [{"field": row.get("Field"), "value": row.get("Value")} for row in rows]
            return context | {"rows": shown}
        return context | {"text": given.get("Text")}


class WebInputs:
    """All questions of one sandbox."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inputs: dict[str, WebInput] = {}

    def create(self, run: Run, parameters: dict[str, Any]) -> WebInput:
        """Keeps a new question."""
        options = tuple(
            Option(given.get("Value"), str(given.get("Label") or ""), given.get("Description"))
            for given in parameters.get("Options") or ()
        )
        web_input = WebInput(run, parameters, options)
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

    def answer(self, web_input: WebInput, option: Option) -> bool:
        """Answers an open question with one of its options, and wakes the run.

        False when it is closed.
        """
        with self._lock:
            if web_input.closed:
                return False
            web_input.response = option.value
            web_input.closed = now_text()
        web_input.run.wake()
        return True

    def expire(self, web_input_id: str) -> None:
        """Lets a question run out of time, and wakes the run."""
        with self._lock:
            web_input = self._inputs[web_input_id]
            if not web_input.closed:
                web_input.closed, web_input.expired = now_text(), True
        web_input.run.wake()


def create_web_input_state(step: Step) -> Outcome:
    """Asks: the result holds the web_input_id."""
    body = step.body()
    if not isinstance(body, dict) or "InputType" not in body:
        raise StateFailed("ActionUnableToRun", "A web input needs an InputType.")
    if problem := _problem(body):
        raise StateFailed("ActionUnableToRun", problem)
    web_input = step.engine.web_inputs.create(step.run, body)
    return step.done({"web_input_id": web_input.id, "state_name": step.name})


def _problem(body: dict[str, Any]) -> str | None:
    """What is wrong with the parameters of a question, once they are rendered."""
    context = body.get("Context") or {}
    if not isinstance(context, dict):
        return "Context must be an object."
    for name, items in (("Options", body.get("Options")), ("Rows", context.get("Rows"))):
        if not isinstance(items or [], list) or not all(isinstance(i, dict) for i in items or []):
            return f"{name} must be a list of objects."
    respondents = body.get("RespondentUrns") or []
    if not isinstance(respondents, list) or not all(isinstance(u, str) for u in respondents):
        return "RespondentUrns must be a list of strings."
    return None


def await_web_input_state(step: Step) -> Outcome:
    """Waits for the answer: the result holds the response."""
    body = step.body()
    given = body.get("web_input_id") if isinstance(body, dict) else None
    web_input = step.engine.web_inputs.get(str(given))
    if web_input is None or web_input.run is not step.run:
        raise StateFailed("ActionUnableToRun", f"This run has no web input {given!r}.")
    _block(step, web_input)
    if web_input.expired:
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
    if not web_input.closed:
        run.blocking_web_input_id = web_input.id
        run.details = {
            "code": "WebInputRequired",
            "description": "The run waits for somebody to respond to a web input.",
            "state_name": step.name,
            "web_input_id": web_input.id,
        }
        run.status = "INACTIVE"
    while not web_input.closed and not run.canceled.is_set():
        run.wait(1.0)
    run.blocking_web_input_id = None
    if run.canceled.is_set():
        raise RunCanceled
    run.status = "ACTIVE"
