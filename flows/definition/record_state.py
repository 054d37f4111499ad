"""The states that record a step or a Choice, and the small states that go with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.definition.parameter_capture import without_secrets
from flows.definition.paths import PathSyntaxError, parse_path, simple_prefix
from flows.definition.strip import OUTCOME, Marker
from flows.language.branches import ABSENT, compared, is_private, shown_rules
from provenance_store.redaction import REDACTED

__all__ = [
    "MOST_RULES",
    "ChoiceRecord",
    "RecordProvider",
    "RecordStates",
    "call_state",
    "emptied",
    "end_state",
    "ended_by",
    "fail_state",
    "failed_state",
    "guard_state",
    "record_of_choice",
    "record_state_example",
    "run_parameters",
    "start_state",
]

MOST_RULES = 1_000
"""A body with more of them would be refused."""


@dataclass
class ChoiceRecord:
    """A part of the Parameters of a record state."""

    body: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)
    """Path -> why its value is not recorded."""
    may_fail: dict[str, None] = field(default_factory=dict)
    """Paths that cannot be read where there is nothing, so that no record is made then."""


def record_of_choice(state: Mapping[str, Any]) -> ChoiceRecord:
    """The record of a Choice that is valid and has no more than `MOST_RULES` rules."""
    choice = {"Choices": without_secrets("Choices", shown_rules(state["Choices"]))}
    if state.get("Default") is not None:
        choice["Default"] = state["Default"]
    values: dict[str, Any] = {}
    record = ChoiceRecord({"choice": choice})
    for path in compared(state):
        _read(path, values, record)
    if values:
        record.body = {"parameters": values, **record.body}
    return record


def _read(path: str, values: dict[str, Any], record: ChoiceRecord) -> None:
    """How the value at a path is sent. What an expression can name is sent without ever failing."""
    if is_private(path):
        values[path] = REDACTED
        record.left_out[path] = "it is private"
        return
    try:
        segments = parse_path(path).segments
    except PathSyntaxError as error:
        record.left_out[path] = f"the path {error}"
        return
    name, used = simple_prefix(segments)
    if not segments:
        record.left_out[path] = "it is the whole of the run's state"
    elif used < len(segments) or segments[0] == "_context":
        values[f"{path}.$"] = path
        record.may_fail[path] = None
    else:
        values[f"{path}.="] = f"getattr('{name}', '{ABSENT}')"


State = dict[str, Any]
RECEIPTS = "_braid"
"""The key of the run's state under which all receipts are kept."""


@dataclass(frozen=True)
class RecordProvider:
    """The action provider that records: its URL, its scope, how it is run, how long it has."""

    url: str
    scope: str | None = None
    run_as: str = "User"
    wait_seconds: int = 60


@dataclass(frozen=True)
class RecordStates:
    """Makes the injected states of one flow."""

    provider: RecordProvider
    digest: str
    title: str | None = None
    """The flow's title, where it is known: a run knows the flow's id only."""

    def record(
        self,
        marker: Marker,
        *,
        step: Mapping[str, Any],
        status: str | None,
        extra: Mapping[str, Any],
        place: str,
        following: str,
        is_first: bool = False,
        is_end: bool = False,
    ) -> State:
        """An Action state that records a step and goes on to ``following`` whatever happens.

        What is said of the run and does not change in it is said where a run begins; which flow it
        is of, at its end too, should the provider have been away when it began.
        """
        run = run_parameters(
            status, self.title, knows_flow=is_first or status is not None, knows_owner=is_first
        )
        parameters = {
            "run": run,
            "step": {**step, "definition_digest": self.digest} if is_first else dict(step),
            **extra,
        }
        return call_state(
            self.provider,
            parameters,
            comment="" if OUTCOME in extra and not marker.undo else marker.comment(),
            place=place,
            following=following,
            is_end=is_end,
        )

    def failure(
        self, marker: Marker, *, step: str, error: str, place: str, following: str
    ) -> State:
        """An Action state that records the failure of whichever step is kept at the path ``step``.

        Nothing else of the run may have been recorded before."""
        run = run_parameters("FAILED", self.title, knows_flow=True, knows_owner=True)
        return call_state(
            self.provider,
            {"run": run, "step.$": step, "error.$": error},
            comment=marker.comment(),
            place=place,
            following=following,
        )

    @staticmethod
    def capture(marker: Marker, *, parameters: Mapping[str, str], place: str, step: str) -> State:
        """The ExpressionEval state that keeps inputs aside before a step overwrites them."""
        return {
            "Type": "ExpressionEval",
            "Comment": marker.comment(),
            "Parameters": dict(parameters),
            "ResultPath": place,
            "Next": step,
        }


def end_state(marker: Marker) -> State:
    """The end of a run whose closing record could not be made."""
    return {"Type": "Pass", "Comment": marker.comment(), "End": True}


def start_state(marker: Marker, *, error: str, following: str) -> State:
    """The beginning of a run in which nothing failed yet, whatever its input has."""
    return {
        "Type": "Pass",
        "Comment": marker.comment(),
        "Result": {},
        "ResultPath": error,
        "Next": following,
    }


def failed_state(marker: Marker, *, step: Mapping[str, Any], place: str, following: str) -> State:
    """Keeps the constants of the step that failed, for the state that records any failure."""
    return {
        "Type": "Pass",
        "Comment": marker.comment(),
        "Result": dict(step),
        "ResultPath": place,
        "Next": following,
    }


def guard_state(*, error: str, fail: str, following: str) -> State:
    """Leads to the Fail where there is an error that nothing caught, and on where there is none."""
    return {
        "Type": "Choice",
        "Choices": [{"Variable": f"{error}.Error", "IsPresent": True, "Next": fail}],
        "Default": following,
    }


def fail_state(marker: Marker, *, error: str) -> State:
    """Fails the run with the error that was caught, kept at the path ``error``."""
    return {
        "Type": "Fail",
        "Comment": marker.comment(),
        "ErrorPath": f"{error}.Error",
        "CausePath": f"{error}.Cause",
    }


def emptied(states: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What `strip` must know of states that get a Catch: which had an empty list, or null."""
    had = {name: states[name]["Catch"] for name in names if "Catch" in states[name]}
    found = {
        "empty": [name for name, catch in had.items() if catch == []],
        "null": [name for name, catch in had.items() if catch is None],
    }
    return {key: names for key, names in found.items() if names}


def ended_by(state: Mapping[str, Any], following: str) -> State:
    """The state with ``following`` behind it, in the place of its Next or End.

    The other one of the two may be there as null: then they change places.
    """
    if state.get("Next") is None and "Next" in state:
        return {**state, "Next": following, "End": None}
    return {
        "Next" if key == "End" and value else key: following
        if value and key in ("Next", "End")
        else value
        for key, value in state.items()
    }


def call_state(
    provider: RecordProvider,
    parameters: Mapping[str, Any],
    *,
    comment: str,
    place: str,
    following: str,
    is_end: bool = False,
) -> State:
    """An Action state that calls the provider and goes on to ``following`` whatever happens.

    An end state has ``following`` for its Catch only. The Catch takes every failure, a call that
    failed and an action that did, whatever ExceptionOnActionFailure is by default; it has a
    ResultPath, for without one the error would replace the run's state. What has the default
    that is wanted is left out: definitions are read by people and limited in size.
    """
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": place, "Next": following}
    return {
        "Type": "Action",
        **({"Comment": comment} if comment else {}),
        "ActionUrl": provider.url,
        **({"ActionScope": provider.scope} if provider.scope else {}),
        **({} if provider.run_as == "User" else {"RunAs": provider.run_as}),
        "Parameters": dict(parameters),
        "ResultPath": place,
        "WaitTime": provider.wait_seconds,
        "Catch": [catch],
        **({"End": True} if is_end else {"Next": following}),
    }


def run_parameters(
    status: str | None, title: str | None, *, knows_flow: bool, knows_owner: bool
) -> dict[str, Any]:
    """What a record state says about its run; only the context can know it, but for the title."""
    run: dict[str, Any] = {"run_id.$": "$._context.run_id"}
    if knows_flow:
        run["flow_id.$"] = "$._context.flow_id"
    if knows_flow and title:
        run["flow_title"] = title
    if knows_owner:
        run["run_owner.$"] = "$._context.user_id"
        run["username.$"] = "$._context.username"
    if status:
        run["status"] = status
    return run


def record_state_example(
    *,
    provider_url: str = "https://braid.example.org/record",
    step: str = "Train",
    result_path: str = "$.TrainResult",
    following: str | None = "Next state",
    outputs: Sequence[Mapping[str, Any]] = (
        {"name": "weights.h5", "uri.$": "$.input.weights_uri"},
    ),
) -> State:
    """The one Action state by which an author records a step by hand, after the step ``step``.

    It is like an injected one without the marker, so that stripping leaves it alone, and names
    an output of the step, which no automatic rule can guess.
    """
    place = f"$.{RECEIPTS}.{step}"
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": place}
    return {
        "Type": "Action",
        "Comment": f"Records the step {step} with Braid",
        "ActionUrl": provider_url,
        "Parameters": {
            "run": {"run_id.$": "$._context.run_id", "flow_id.$": "$._context.flow_id"},
            "step": {"name": step},
            "result.$": result_path,
            "outputs": [dict(output) for output in outputs],
        },
        "ResultPath": place,
        "WaitTime": 60,
        "ExceptionOnActionFailure": False,
        **(
            {"Catch": [{**catch, "Next": following}], "Next": following}
            if following
            else {"End": True}
        ),
    }
