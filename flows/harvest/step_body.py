"""From a visit to the body that its own record action would have sent.

Where an author records by hand and the provider did not answer, the Parameters of the record state
are filled in once more, over the state of the run at that point, with receipts of harvested steps
where the flow kept errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.definition.strip import mark_in
from flows.harvest.log import MAX_NAME
from flows.harvest.run_metadata import RunFacts
from flows.harvest.state_visits import MISSING, History, Visit
from flows.harvest.values import error_of, looked_at, parameters_of, result_of
from flows.steps.adapters.base import clean
from flows.steps.body import Body, Run, Step
from flows.steps.choices import decision_of
from flows.steps.outcome import Outcome, outcome_of
from flows.steps.timestamps import Moment
from flows.steps.values import StepStatus, Tags

__all__ = ["StepBodies", "spare_body"]

LONGEST_COMMENT = 1000
MAX_URL = 1000


class StepBodies:
    """Tells the visits of one run."""

    def __init__(
        self, facts: RunFacts, history: History, states: Mapping[str, Any], digest: str | None
    ) -> None:
        self._facts = facts
        self._history = history
        self._states = states
        self._digest = digest

    def state(self, visit: Visit) -> Mapping[str, Any]:
        """The definition of the state that was visited, {} where there is none."""
        found = self._states.get(visit.name)
        return found if isinstance(found, dict) else {}

    def outcome(self, place: int) -> Outcome:
        """How the visit at a place ended, told without its parameters."""
        return outcome_of(self._body(place, with_parameters=False))

    def body(self, place: int) -> Body:
        """All that the visit at a place tells."""
        return self._body(place, with_parameters=True)

    def result(self, visit: Visit) -> Any:
        """The result of a visit; of a state that calls nobody only what it put at a place of its
        own."""
        state = self.state(visit)
        is_small = visit.type == "Action" or state.get("ResultPath", "$") != "$"
        if not is_small or visit.type in ("Choice", "Wait", "Fail"):
            return None
        return result_of(visit, state)

    def _body(self, place: int, *, with_parameters: bool) -> Body:
        visit = self._history.visits[place]
        state = self.state(visit)
        error = self._error(place)
        went = self._went(place)
        parameters = None
        if with_parameters and visit.type == "Choice":
            parameters = looked_at(visit, state, self._facts.context)
        elif with_parameters:
            parameters = parameters_of(visit, state, self._facts.context)
        body = Body(
            run=Run(run_id=self._facts.run_id, label=self._facts.label),
            step=self._step(visit, state, self._status(place)),
            parameters=parameters,
            result=self.result(visit),
            error=error,
            tags=None if went is None else Tags(next=clean(went, MAX_NAME)),
            decision=decision_of(state, went) if visit.type == "Choice" else None,
        )
        return _with_times(body, visit, outcome_of(body))

    def _error(self, place: int) -> Any:
        visit = self._history.visits[place]
        if visit.failure is not None:
            return error_of(visit.failure)
        failed = self._history.end_code in ("FlowFailed", "FlowCanceled")
        is_last = place == len(self._history.visits) - 1
        if visit.is_over or not is_last or not failed:
            return None
        said = error_of(self._history.end_details) if self._history.end_details else {}
        return said if any(said.values()) else {"Error": self._history.end_code}

    def _status(self, place: int) -> StepStatus | None:
        """What the log says of the end; None where the result tells."""
        visit = self._history.visits[place]
        if visit.failure is not None or self._error(place) is not None:
            return StepStatus("FAILED")
        if visit.after is not MISSING:
            return None if visit.type == "Action" else StepStatus("SUCCEEDED")
        if visit.went_wrong:
            return StepStatus("FAILED")
        went_on = place + 1 < len(self._history.visits)
        return StepStatus("SUCCEEDED" if went_on and visit.type != "Action" else "ACTIVE")

    def _step(self, visit: Visit, state: Mapping[str, Any], status: StepStatus | None) -> Step:
        handler = state.get("Handler")
        if isinstance(handler, dict):
            handler = handler.get("Url") or handler.get("Id")
        url = state.get("ActionUrl") or handler
        comment, run_as = state.get("Comment"), state.get("RunAs", "User")
        return Step(
            name=visit.name,
            type=clean(visit.type, 64) or "Action",
            action_url=clean(url, MAX_URL)
            if isinstance(url, str) and len(url) <= MAX_URL
            else None,
            status=status,
            run_as=clean(run_as) if visit.type == "Action" and isinstance(run_as, str) else None,
            comment=clean(comment, LONGEST_COMMENT) if isinstance(comment, str) else None,
            definition_digest=self._digest,
        )

    def _went(self, place: int) -> str | None:
        """Of a Choice, where it went: the author's own state, behind any that Braid put in."""
        visits = self._history.visits
        if visits[place].type != "Choice" or place + 1 == len(visits):
            return None
        name: Any = visits[place + 1].name
        passed = set[str]()
        while mark_in(self._states, name) is not None:
            passed.add(name)
            name = self._states[name].get("Next")
            if not isinstance(name, str) or name in passed:
                return None
        return str(name)


def _with_times(body: Body, visit: Visit, said: Outcome) -> Body:
    """The body with the times that the action's documents say, if they lie within the visit;
    else with those of the log."""
    start = _within(visit, said.started_at, visit.started)
    end = _within(visit, said.completed_at, visit.ended)
    if start is not None and end is not None and end < start:
        start, end = visit.started, visit.ended
    moments = {"start_time": start, "completion_time": end}
    step = {name: getattr(body.step, name) for name in Step.__struct_fields__}
    step |= {name: Moment(at) for name, at in moments.items() if at is not None}
    fields = {name: getattr(body, name) for name in Body.__struct_fields__}
    return Body(**{**fields, "step": Step(**step)})


def _within(visit: Visit, said: int | None, logged: int | None) -> int | None:
    if said is None:
        return logged
    early = visit.started is not None and said < visit.started
    late = visit.ended is not None and said > visit.ended
    return logged if early or late else said


def spare_body(body: Body, why: str) -> Body:
    """The body without its documents, which cannot be recorded, and with the reason as a tag."""
    return Body(run=body.run, step=body.step, tags=Tags({**(body.tags or {}), "left_out": why}))
