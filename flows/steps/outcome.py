"""How a step went: from what the body says and what its documents tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from flows.steps.adapters.base import clean, text
from flows.steps.body import Body
from flows.steps.timestamps import moment_or_none
from flows.steps.values import RunStatus, StepStatus

__all__ = ["Outcome", "as_it_came_out", "outcome_of"]

MAX_ACTION_ID = 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """Times are microseconds since 1970 UTC, None where nothing tells."""

    status: str
    action_id: str | None
    started_at: int | None
    completed_at: int | None

    @property
    def succeeded(self) -> bool:
        """Whether the step did what it was to do."""
        return self.status == "SUCCEEDED"

    @property
    def ended(self) -> bool:
        """Whether the step has ended, so or so."""
        return self.status != "ACTIVE"


OF_ACTIONS = frozenset({"action_id", "status"})
"""What the result of an action has, and what Globus Flows gives to a Catch has not."""


def as_it_came_out(body: Body) -> Body:
    """A body whose step came out well or failed, with what it came to as its result or its error.
    A failure that nothing caught ends the run."""
    came_to = body.outcome
    if came_to is None:
        return body
    if not (isinstance(came_to, dict) and "Error" in came_to and OF_ACTIONS.isdisjoint(came_to)):
        result = came_to if body.result is None else body.result
        return msgspec.structs.replace(body, result=result, outcome=None)
    run = msgspec.structs.replace(body.run, status=RunStatus("FAILED"))
    return msgspec.structs.replace(body, run=run, result=None, error=came_to, outcome=None)


def outcome_of(body: Body) -> Outcome:
    """What the body says of the step; else what its result, or its error, says.

    The end of an action is its details' own where they have one: a Transfer action reports the
    time of its submission as its completion.
    """
    step, documents = body.step, list(_documents(body))
    ends = [d for s in documents for d in (s.get("details"), s) if isinstance(d, Mapping)]
    return Outcome(
        status=_status(body),
        action_id=step.action_id or _first_text(documents, "action_id"),
        started_at=_first(step.start_time, documents, "start_time"),
        completed_at=_first(step.completion_time, ends, "completion_time"),
    )


def _documents(body: Body) -> Iterator[Mapping[str, Any]]:
    """Where an action status may be: the result, the error, the cause inside an error."""
    if isinstance(body.error, Mapping):
        yield body.error
        for name in ("Cause", "cause"):
            if isinstance(cause := body.error.get(name), Mapping):
                yield cause
    if isinstance(body.result, Mapping):
        yield body.result


def _status(body: Body) -> str:
    if body.step.status is not None:
        return str(body.step.status)
    if body.error is not None:
        return "FAILED"
    said = body.result.get("status") if isinstance(body.result, Mapping) else None
    known = isinstance(said, str) and said in StepStatus.choices
    return str(said) if known else "SUCCEEDED"


def _first(given: int | None, documents: list[Mapping[str, Any]], name: str) -> int | None:
    if given is not None:
        return int(given)
    times = (moment_or_none(document.get(name)) for document in documents)
    return next((time for time in times if time is not None), None)


def _first_text(documents: list[Mapping[str, Any]], name: str) -> str | None:
    values = (text(document, name) for document in documents)
    return next((clean(value, MAX_ACTION_ID) or None for value in values if value), None)
