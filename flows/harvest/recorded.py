"""What of a run is recorded already: by its own record states, or by an earlier harvest.

A visit and a recorded step are the same when the receipt of a record state says so, when they have
the same action id, or when they have the same place in the run; last, when both have neither and
are the next of their name.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from flows.definition.strip import InjectedKind, mark_in, marker_of
from flows.harvest.job import RunLog
from flows.harvest.log import read_log
from flows.harvest.run_metadata import FINAL
from flows.harvest.state_visits import MISSING, Visit, catches_of, read_visits
from flows.harvest.values import result_of
from flows.language.templates import bare_key
from flows.steps.body import Body
from provenance_store.ids import looks_like_id
from provenance_store.queries.document_reader import RunStep

__all__ = [
    "ASKED",
    "Trace",
    "is_asking",
    "is_behind",
    "is_ours",
    "is_record_of",
    "keeps_failed",
    "matched",
    "receipts_of",
    "records_follow",
    "run_id_of",
]

ASKED = frozenset({"run_id", "flow_id", "conventions", "on_missing_consent"})
"""The members of the body of a harvest action."""


def is_asking(state: Any) -> bool:
    """Whether a state calls the action provider at ``/harvest``, injected or by hand."""
    if not isinstance(state, dict) or state.get("Type") != "Action":
        return False
    url, parameters = state.get("ActionUrl"), state.get("Parameters")
    if not isinstance(url, str) or not url.rstrip("/").endswith("/harvest"):
        return False
    names = {bare_key(key) for key in parameters} if isinstance(parameters, dict) else set()
    return "run_id" in names <= ASKED


def is_behind(given: RunLog) -> bool:
    """Whether a run goes on, and its log has not come to any of its states that ask.

    A run does one thing at a time: when such a state is asking, all before it is over. So a log
    that does not tell of it yet may lack more.
    """
    states: Mapping[str, Any] = given.definition.get("States") or {}
    asking = {name for name, state in states.items() if is_asking(state)}
    if not asking or (given.run or {}).get("status") in FINAL:
        return False
    visits = read_visits(read_log(given.log), given.definition).visits
    return not visits or visits[-1].name not in asking


BODY = frozenset(Body.__struct_fields__)


def is_ours(visit: Visit, states: Mapping[str, Any]) -> bool:
    """Whether a visit is of a state that records others with Braid, or asks for that, injected or
    by hand."""
    state = states.get(visit.name)
    known = mark_in(states, visit.name) is not None or is_asking(state)
    return known or _is_record(state) or _is_body(visit.given)


def _is_record(state: Any) -> bool:
    return (
        isinstance(state, dict)
        and state.get("Type") == "Action"
        and _is_body(_bare(state.get("Parameters")))
    )


def _bare(parameters: Any) -> Any:
    """The Parameters of a state with the names that its run and its step will have."""
    if not isinstance(parameters, dict):
        return None
    return {
        name: {bare_key(key): v for key, v in value.items()} if isinstance(value, dict) else value
        for name, value in parameters.items()
    }


def _is_body(given: Any) -> bool:
    """Whether this is the body of a record action."""
    if not isinstance(given, dict) or not {bare_key(key) for key in given} <= BODY:
        return False
    run, step = given.get("run"), given.get("step")
    return isinstance(run, dict) and "run_id" in run and isinstance(step, dict) and "name" in step


def run_id_of(visits: Iterable[Visit]) -> str | None:
    """The id of the run, where one of its record states was given it."""
    for visit in visits:
        if _is_body(visit.given) and isinstance(run_id := visit.given["run"]["run_id"], str):
            return run_id
    return None


def is_record_of(state: Any, name: str) -> bool:
    """Whether this is a state by which an author, or `instrument`, records the state of a name."""
    return isinstance(state, dict) and state.get("Type") == "Action" and _records(state, name)


def records_follow(name: str, states: Mapping[str, Any]) -> bool:
    """Whether a state is followed by one that records it, on any of its ways out."""
    state = states.get(name)
    if not isinstance(state, dict):
        return False
    targets = [found.get("Next") for found in (state, *catches_of(state))]
    return any(_records(states.get(target), name) for target in targets if isinstance(target, str))


def keeps_failed(name: str, states: Mapping[str, Any]) -> bool:
    """Whether a state keeps which step failed, for the state that records it."""
    mark = mark_in(states, name)
    return mark is not None and mark.kind is InjectedKind.FAILED


def _records(state: Any, name: str) -> bool:
    mark = marker_of(state)
    if mark is not None and mark.kind is InjectedKind.FAILED:
        kept = state.get("Result")
        return isinstance(kept, dict) and kept.get("name") == name
    parameters = _bare(state.get("Parameters")) if isinstance(state, dict) else None
    return parameters is not None and _is_body(parameters) and parameters["step"]["name"] == name


def receipts_of(visits: Sequence[Visit], states: Mapping[str, Any]) -> dict[int, str]:
    """The URNs of recorded steps, by the places of the visits that they record.

    A record state records the last visit of the state that it names; of a Fail, and of a Choice
    that it was put in front of, the next.
    """
    found: dict[int, str] = {}
    for place, visit in enumerate(visits):
        urn, name = _receipt(visit, states), _recorded_name(visit)
        if urn is None or name is None:
            continue
        kind = states.get(name, {}).get("Type") if isinstance(states.get(name), dict) else None
        mark = mark_in(states, visit.name)
        is_ahead = kind == "Fail" or (mark is not None and mark.kind is InjectedKind.CHOICE)
        around = range(place + 1, len(visits)) if is_ahead else range(place - 1, -1, -1)
        of = next((at for at in around if visits[at].name == name), None)
        if of is not None:
            found.setdefault(of, urn)
    return found


def _recorded_name(visit: Visit) -> str | None:
    if not _is_body(visit.given):
        return None
    name = visit.given["step"]["name"]
    return name if isinstance(name, str) else None


def _receipt(visit: Visit, states: Mapping[str, Any]) -> str | None:
    state = states.get(visit.name)
    if visit.after is MISSING or not isinstance(state, dict):
        return None
    result = result_of(visit, state)
    details = result.get("details") if isinstance(result, dict) else None
    urn = details.get("step") if isinstance(details, dict) else None
    return urn if isinstance(urn, str) and looks_like_id(urn) else None


class Trace(NamedTuple):
    """What tells one visit from the others: its place among all visits, the state's name, its place
    among the author's own states where that is known, the action, and the step that a receipt
    names."""

    place: int
    name: str
    ordinal: int | None
    action_id: str | None
    step_id: int | None


def matched(traces: Iterable[Trace], steps: Iterable[RunStep]) -> dict[int, RunStep]:
    """The recorded steps of visits, by place; the surest signs of all visits come first."""
    waiting, left = list(traces), {step.id: step for step in steps}
    found: dict[int, RunStep] = {}
    for of_trace, of_step in _SIGNS:
        known: dict[Hashable, deque[RunStep]] = defaultdict(deque)
        for step in left.values():
            if (sign := of_step(step)) is not None:
                known[sign].append(step)
        for trace in waiting:
            sign = of_trace(trace)
            if sign is not None and (same := known.get(sign)):
                step = found[trace.place] = same.popleft()
                del left[step.id]
        waiting = [trace for trace in waiting if trace.place not in found]
    return found


_SIGNS: tuple[tuple[Callable[[Trace], Hashable], Callable[[RunStep], Hashable]], ...] = (
    (lambda trace: trace.step_id, lambda step: step.id),
    (lambda trace: trace.action_id, lambda step: step.action_id),
    (
        lambda trace: None if trace.ordinal is None else (trace.ordinal, trace.name),
        lambda step: None if step.ordinal is None else (step.ordinal, step.name),
    ),
    (
        lambda trace: trace.name if trace.action_id is None else None,
        lambda step: step.name if step.action_id is None and step.ordinal is None else None,
    ),
)
"""What is the same of a visit and its step where it is not None, the surest sign first."""
