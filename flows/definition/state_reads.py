"""What a definition reads of the run's state, and what shape that state may have where.

Two facts decide where a record state can stand without anybody noticing: which states look at
the whole of the run's state (they would see the receipts), and where that state may be something
else than an object (a receipt cannot be put into a list).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flows.definition.expressions import ExpressionSyntaxError, parse_expression
from flows.definition.graph import edges_of, reachable
from flows.definition.paths import Any as AnyMember
from flows.definition.paths import PathSyntaxError, Segment, join, parse_path

_Found = tuple[str, tuple[Segment, ...]]

__all__ = [
    "Read",
    "after_recorded",
    "calls",
    "can_catch",
    "choice_by_hand",
    "has_records",
    "is_identity",
    "is_recorded",
    "may_compute",
    "may_not_be_object",
    "reads",
    "recorded_by_hand",
    "result_place",
    "written",
]


RECORDED_TYPES = frozenset({"Action", "CreateWebInput", "AwaitWebInput"})
"""The states that ask somebody to do something; all others are told by the run's log."""


class Read(NamedTuple):
    """One reference: the state that makes it, where it is written, and which place it names."""

    state: str
    path: str
    segments: tuple[Segment, ...]

    def sees_all(self, receipts: str) -> bool:
        """Whether it reads the whole state, or everything under the receipts' key."""
        return (
            not self.segments
            or isinstance(self.segments[0], AnyMember)
            or self.segments == (receipts,)
        )


def reads(definition: Mapping[str, Any]) -> Iterator[Read]:
    """Every reference into the run's state, in document order; unparsable ones are left out."""
    for name, state in definition["States"].items():
        path = join("$.States", name)
        if is_copy_of_all(state):
            yield Read(name, path, ())
        if not is_identity(state):
            yield from (Read(name, *found) for found in _reads_in(state, path))


def _reads_in(value: Any, path: str) -> Iterator[_Found]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _reads_in(item, join(path, number))
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(item, str):
                yield from _reads_in(item, join(path, key))
            elif key.endswith(".="):
                yield from _reads_of_expression(item, join(path, key))
            elif (key.endswith((".$", "Path")) and key != "ResultPath") or key == "Variable":
                yield from _read_of_path(item, join(path, key))


def _reads_of_expression(text: str, path: str) -> Iterator[_Found]:
    try:
        references = parse_expression(text).references
    except ExpressionSyntaxError:
        return
    for reference in references:
        yield path, reference.segments


def _read_of_path(text: str, path: str) -> Iterator[_Found]:
    try:
        yield path, parse_path(text).segments
    except PathSyntaxError:
        return


def result_place(holder: Mapping[str, Any]) -> tuple[Segment, ...]:
    """Where a state or a Catch puts its result; ``()`` is the whole of the run's state."""
    return parse_path(holder.get("ResultPath", "$")).segments


def written(definition: Mapping[str, Any]) -> Iterator[tuple[Segment, ...]]:
    """Every place that a state or a Catch writes."""
    for state in definition["States"].values():
        for holder in (state, *state.get("Catch", ())):
            if "ResultPath" in holder:
                yield result_place(holder)


def is_identity(state: Mapping[str, Any]) -> bool:
    """Whether it is a Pass that hands the run's state on as it is."""
    return _passes_all(state) and not result_place(state)


def is_copy_of_all(state: Mapping[str, Any]) -> bool:
    """Whether it is a Pass that puts a copy of the whole state into the state."""
    return _passes_all(state) and bool(result_place(state))


def _passes_all(state: Mapping[str, Any]) -> bool:
    return (
        state["Type"] == "Pass"
        and "Parameters" not in state
        and "Result" not in state
        and state.get("InputPath", "$") == "$"
    )


def is_recorded(state: Mapping[str, Any], provider_url: str) -> bool:
    """Whether a state is a step to be recorded: not so a record that its author wrote by hand."""
    return state["Type"] in RECORDED_TYPES and not calls(state, provider_url)


def recorded_by_hand(states: Mapping[str, Any], name: str, provider_url: str) -> str:
    """The state right behind a step in which its author records it; empty if there is none."""
    following = str(states[name].get("Next", ""))
    return following if _records(states.get(following, {}), name, provider_url) else ""


def choice_by_hand(states: Mapping[str, Any], name: str, provider_url: str) -> str:
    """A state by which an author records a Choice, wherever it stands; empty if there is none."""
    found = (other for other, state in states.items() if _records(state, name, provider_url))
    return next(found, "")


def _records(state: Mapping[str, Any], name: str, provider_url: str) -> bool:
    parameters = state.get("Parameters")
    step = parameters.get("step") if isinstance(parameters, dict) else None
    is_record = state.get("Type") == "Action" and calls(state, provider_url)
    return is_record and isinstance(step, dict) and step.get("name") == name


def has_records(states: Mapping[str, Any], name: str, provider_url: str) -> bool:
    """Whether a state is a step with records on its ways out, or what they need in front of it.

    A step that its author records has them on its Catches only.
    """
    state = states[name]
    by_hand = recorded_by_hand(states, name, provider_url)
    return is_recorded(state, provider_url) and not (by_hand and not state.get("Catch"))


def can_catch(state: Mapping[str, Any]) -> bool:
    """Whether a state may have a Catch."""
    return state["Type"] in RECORDED_TYPES


def calls(state: Mapping[str, Any], provider_url: str) -> bool:
    """Whether a state calls the action provider at that address."""
    return str(state.get("ActionUrl", "")).rstrip("/") == provider_url.rstrip("/")


def after_recorded(
    definition: Mapping[str, Any], provider_url: str, *, choices: bool = False
) -> set[str]:
    """The states that a run can get to after a recorded step: receipts are in the state there. With
    `choices` these are recorded too, in front of them."""
    states = definition["States"]
    starts = [name for name in states if has_records(states, name, provider_url)]
    targets = {edge.target for name in starts for edge in edges_of(name, states[name])}
    if choices:
        targets |= {name for name, state in states.items() if state["Type"] == "Choice"}
    reached = (reachable({"StartAt": target, "States": states}) for target in targets)
    return set().union(*reached)


def may_not_be_object(definition: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """The states before which, and after which, the run's state may be no object.

    Only a Pass that replaces the state by what it finds at a path makes anything but an
    object; the input of a run, results of actions and error information are objects.
    """
    states = definition["States"]
    before: set[str] = set()
    after: set[str] = set()
    changed = True
    while changed:
        changed = False
        for name, state in states.items():
            if name not in after and _leaves_no_object(state, name in before):
                after.add(name)
                changed = True
            if name in after:
                following = {
                    edge.target for edge in edges_of(name, state) if "Catch" not in edge.path
                }
                changed = changed or not following <= before
                before |= following
    return frozenset(before), frozenset(after)


def _leaves_no_object(state: Mapping[str, Any], before: bool) -> bool:
    if state["Type"] in ("Choice", "Wait") or is_identity(state):
        return before
    replaces = state["Type"] == "Pass" and not result_place(state)
    return replaces and state.get("InputPath", "$") != "$"


def may_compute(state: Mapping[str, Any]) -> bool:
    """Whether a state may call functions of Globus Compute."""
    url = state.get("ActionUrl")
    return not isinstance(url, str) or any(word in url for word in ("compute", "funcx"))
