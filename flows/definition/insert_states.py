"""Puts record states into a definition, as its plans say.

Around a step S the instrumented flow reads ``[capture] -> S -> record -> what followed S``, and on
each edge of a Catch ``S -> record of the failure -> the handler``. In front of a Fail stands a
record too, and in front of a Choice if that is asked for.

A failure that nothing catches leads to the record of S as well, and a Choice behind that leads on
to a Fail if there is an error: so what S was called with is sent either way, and stands in the
definition once. Where that record cannot be sent after a failure, or an author wrote it, the way
is ``S -> which step it was -> record of it -> Fail``, the last two of which all such steps share.

Every edge that led to S leads to the capture or record in front of it instead, if there is one;
nothing else changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.definition.graph import retarget
from flows.definition.options import Note, Options, ResultDetail
from flows.definition.parameter_capture import any_secret, never_failing, reading
from flows.definition.paths import parse_path, simple_prefix
from flows.definition.plan import Failure, Plan, Planner
from flows.definition.record_state import (
    RecordStates,
    State,
    emptied,
    end_state,
    ended_by,
    fail_state,
    failed_state,
    guard_state,
    start_state,
)
from flows.definition.state_reads import may_compute, result_place
from flows.definition.strip import OUTCOME, InjectedKind, Marker

__all__ = ["StateInserter"]

_LONGEST_TEXT = 1000
"""Of a comment this much is recorded; a body with a longer one might be refused whole."""
_ERROR = {f"{key}.=": f"getattr('{key}', None)" for key in ("Error", "Cause")}
"""The error where it is the whole of the run's state: not every service takes the path ``$``."""


class StateInserter:
    """Weaves one definition, which must be valid and not instrumented.

    ``written`` is the same as its author wrote it, with the keys that are null.
    """

    def __init__(
        self,
        definition: Mapping[str, Any],
        written: Mapping[str, Any],
        make: RecordStates,
        options: Options,
    ) -> None:
        planner = Planner(definition, options, provider_url=make.provider.url)
        self._definition = definition
        self._written = written
        self._make = make
        self._options = options
        self._plans = planner.plans()
        self._names = planner.names
        self._failure = planner.failure  # named while the plans were made
        self._end = ""
        self.notes: list[Note] = planner.notes

    def weave(self) -> dict[str, Any]:
        """The instrumented definition, keys in the author's order."""
        states: dict[str, State] = {}
        start = self._enter(self._definition["StartAt"])
        if self._failure and any(plan.guard for plan in self._plans.values()):
            marker, following = Marker(InjectedKind.START, "", {}), start
            start = self._names.unique("Braid start")
            states[start] = start_state(marker, error=self._failure.error, following=following)
        for name, state in self._definition["States"].items():
            self._put(states, self._plans[name], state)
        if self._failure:
            self._put_failure(states, self._failure)
        if self._end:
            states[self._end] = end_state(Marker(InjectedKind.END, "", {}))
        new = {"StartAt": start, "States": states}
        return {key: new.get(key, value) for key, value in self._written.items()}

    def _enter(self, target: str) -> str:
        return self._plans[target].entry or target

    def _end_state(self) -> str:
        self._end = self._end or self._names.unique("Braid end")
        return self._end

    def _put(self, states: dict[str, State], plan: Plan, state: State) -> None:
        """Append what stands before a state, the state itself, and what stands behind it."""
        if plan.capture:
            states[plan.entry] = self._make.capture(
                Marker(InjectedKind.CAPTURE, plan.name, {}),
                parameters=plan.capture.parameters(),
                place=plan.place,
                step=plan.name,
            )
        elif plan.choice:
            states[plan.entry] = self._before_choice(plan, state, plan.choice.body)
        elif plan.entry:
            states[plan.entry] = self._before_fail(plan, state)
        states[plan.name] = self._rewired(plan, self._written["States"][plan.name])
        if plan.after:
            states[plan.after] = self._after(plan, state)
        if plan.guard and self._failure and plan.guard not in states:
            states[plan.guard] = guard_state(
                error=self._failure.error,
                fail=self._failure.fail,
                following=self._following(state),
            )
        for number, name in plan.caught.items():
            states[name] = self._caught(plan, state, state["Catch"][number])
        if plan.uncaught and self._failure:
            states[plan.uncaught] = failed_state(
                Marker(InjectedKind.FAILED, plan.name, {}),
                step=_step(plan.name, state, with_comment=False),
                place=self._failure.step,
                following=self._failure.record,
            )

    def _rewired(self, plan: Plan, state: State) -> State:
        """The author's state with its edges through the injected states, keys in their order."""
        new = retarget(state, self._enter)
        if plan.after:
            new = ended_by(new, plan.after)
        for number, name in plan.caught.items():
            new["Catch"][number] = {**new["Catch"][number], "Next": name}
        if plan.set_result_path:
            new["ResultPath"] = plan.set_result_path
        if self._failure and (plan.uncaught or plan.guard):
            entry = {
                "ErrorEquals": ["States.ALL"],
                "ResultPath": self._failure.error,
                "Next": plan.uncaught or plan.after,
            }
            new["Catch"] = [*(new.get("Catch") or []), entry]
        return new

    def _after(self, plan: Plan, state: State) -> State:
        is_end = "Next" not in state
        undo = {}
        if plan.set_result_path:
            had = self._written["States"][plan.name]
            undo = {"ResultPath": had.get("ResultPath", False)}
        step, extra = _step(plan.name, state), self._result(plan, state)
        if plan.is_step:
            sent = {**plan.input, **extra}
            if plan.guard and self._failure:
                sent = self._either_way(plan.input, extra, self._failure.error)
            extra = {**sent, **self._about_files(plan.name, state)}
            step.update(self._identity(plan, state))
        return self._make.record(
            Marker(InjectedKind.AFTER, plan.name, undo),
            step=step,
            status=_status(plan, "SUCCEEDED" if is_end else None),
            extra=extra,
            place=plan.place,
            following=plan.guard or self._following(state),
            is_first=plan.is_first,
            is_end=is_end and not plan.guard,
        )

    def _following(self, state: State) -> str:
        """Where the run goes on behind a step, or the end of the run."""
        return self._enter(state["Next"]) if "Next" in state else self._end_state()

    @staticmethod
    def _either_way(
        given: Mapping[str, Any], result: Mapping[str, Any], error: str
    ) -> dict[str, Any]:
        """What a record sends of a step whether it came out well or failed: what it was called
        with, and its result or the error."""
        name = error.removeprefix("$.")
        path = result.get("result.$")
        other = "None" if path is None else reading(path.removeprefix("$."))
        came_to = f"getattr('{name}',None) or {other}"
        return {**never_failing(dict(given), name), OUTCOME: came_to}

    def _about_files(self, name: str, state: State) -> dict[str, Any]:
        """Rules about the files of a step, and which collections its endpoint may have."""
        rules = self._options.files(name) if self._options.files else []
        collections = list(self._options.collections) if may_compute(state) else []
        return {
            **({"files": rules} if rules else {}),
            **({"collections": collections} if collections else {}),
        }

    def _result(self, plan: Plan, state: State) -> dict[str, Any]:
        """The result of a step, where it can be found and is not private."""
        path = plan.set_result_path or state.get("ResultPath", "$")
        segments = parse_path(path).segments
        if not segments or any_secret(segments):
            return {}
        if self._options.result is ResultDetail.STATUS and "ActionUrl" in state:
            return {}
        return {"result.$": path}

    def _identity(self, plan: Plan, state: State) -> dict[str, Any]:
        """What tells visits of one state apart; a handler's result need not be an action."""
        if "ActionUrl" not in state or "result.$" in self._result(plan, state):
            return {}
        path = plan.set_result_path or state["ResultPath"]
        return {"action_id.$": f"{path}.action_id", "status.$": f"{path}.status"}

    def _caught(self, plan: Plan, state: State, entry: Mapping[str, Any]) -> State:
        """Records what a Catch received.

        A Catch without ResultPath has put the error in the place of the run's state: the record
        can tell nothing but the error, and its receipt is one more key in it, which the handler
        sees only if it reads the whole state. Where the failure was that the step's own input
        could not be evaluated, the record's cannot either: the run goes on without it.
        """
        place = result_place(entry)
        private = any_secret(place)
        error = {"error.$": entry["ResultPath"]} if place else {"error": dict(_ERROR)}
        return self._make.record(
            Marker(InjectedKind.CAUGHT, plan.name, {}),
            step={**_step(plan.name, state), **({"status": "FAILED"} if private else {})},
            status=_status(plan, None),
            extra={**(plan.input if place else {}), **({} if private else error)},
            place=plan.place,
            following=self._enter(entry["Next"]),
            is_first=plan.is_first,
        )

    def _put_failure(self, states: dict[str, State], failure: Failure) -> None:
        """The states that failures lead to which nothing catches.

        One record for all whose steps' own cannot tell of them. It does not have the step's
        parameters, which a harvest of the run adds.
        """
        caught = [name for name, plan in self._plans.items() if plan.uncaught or plan.guard]
        undo = emptied(self._written["States"], caught)
        states[failure.fail] = fail_state(Marker(InjectedKind.FAIL, "", undo), error=failure.error)
        if not any(plan.uncaught for plan in self._plans.values()):
            return
        states[failure.record] = self._make.failure(
            Marker(InjectedKind.CAUGHT, "", {}),
            step=failure.step,
            error=failure.error,
            place=failure.receipt,
            following=failure.fail,
        )

    def _before_fail(self, plan: Plan, state: State) -> State:
        error = dict(_fail_entry(state, key) for key in ("Error", "Cause"))
        error.pop("", None)
        return self._make.record(
            Marker(InjectedKind.BEFORE_FAIL, plan.name, {}),
            step={**_step(plan.name, state), **({} if error else {"status": "FAILED"})},
            status="FAILED",
            extra={"error": error} if error else {},
            place=plan.place,
            following=plan.name,
            is_first=plan.is_first,
        )

    def _before_choice(self, plan: Plan, state: State, body: Mapping[str, Any]) -> State:
        return self._make.record(
            Marker(InjectedKind.CHOICE, plan.name, {}),
            step=_step(plan.name, state),
            status=_status(plan, None),
            extra=body,
            place=plan.place,
            following=plan.name,
            is_first=plan.is_first,
        )


def _status(plan: Plan, status: str | None) -> str | None:
    """How the run stands, where that is news: a run that is not known yet is active."""
    return status or ("ACTIVE" if plan.is_first else None)


def _step(name: str, state: State, *, with_comment: bool = True) -> dict[str, Any]:
    """The constants of a step, which no variable of the context could give; an Action that runs as
    the user is what a step is unless something else is said."""
    step: dict[str, Any] = {"name": name}
    if state["Type"] != "Action":
        step["type"] = state["Type"]
    handler = state.get("Handler")
    if isinstance(handler, dict):
        handler = handler.get("Url") or handler.get("Id")
    url = state.get("ActionUrl") or handler
    if url and len(url) <= _LONGEST_TEXT:
        step["action_url"] = url
    if state.get("RunAs", "User") != "User":
        step["run_as"] = state["RunAs"]
    if with_comment and state.get("Comment"):
        step["comment"] = state["Comment"][:_LONGEST_TEXT]
    return step


def _fail_entry(state: State, key: str) -> tuple[str, Any]:
    """Error or Cause of a Fail as an entry that can be evaluated whatever the run's state is."""
    if key in state:
        return key, state[key]
    path = state.get(f"{key}Path")
    if path is None:
        return "", None
    segments = parse_path(path).segments
    prefix, used = simple_prefix(segments)
    if used < len(segments) or not prefix or any_secret(segments):
        return "", None
    return f"{key}.=", f"getattr('{prefix}', None)"
