"""The Action state that records a step, and the small states that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.definition.marker import Marker

__all__ = [
    "Provider",
    "RecordStates",
    "call_state",
    "end_state",
    "fail_state",
    "record_state_example",
    "run_parameters",
]

State = dict[str, Any]
FAILURES = ("ActionUnableToRun", "ActionFailedException", "ActionTimeout", "States.Runtime")
RECEIPTS = "_braid"
"""The key of the run's state under which all receipts are kept."""


@dataclass(frozen=True)
class Provider:
    """The action provider that records: its URL, its scope, how it is run, how long it has."""

    url: str
    scope: str | None = None
    run_as: str = "User"
    wait_seconds: int = 60


@dataclass(frozen=True)
class RecordStates:
    """Makes the injected states of one flow."""

    provider: Provider
    digest: str
    title: str | None = None
    """The flow's title, where it is known: a run knows the flow's id only."""

    def record(
        self,
        marker: Marker,
        *,
        sentence: str,
        step: Mapping[str, Any],
        status: str,
        extra: Mapping[str, Any],
        place: str,
        following: str,
        is_end: bool = False,
    ) -> State:
        """An Action state that records a step and goes on to ``following`` whatever happens."""
        parameters = {
            "run": run_parameters(status, self.title),
            "step": {**step, "definition_digest": self.digest},
            **extra,
        }
        return call_state(
            self.provider,
            parameters,
            comment=marker.comment(sentence),
            place=place,
            following=following,
            is_end=is_end,
        )

    @staticmethod
    def capture(marker: Marker, *, parameters: Mapping[str, str], place: str, step: str) -> State:
        """The ExpressionEval state that keeps inputs aside before a step overwrites them."""
        return {
            "Type": "ExpressionEval",
            "Comment": marker.comment("inputs are kept aside before the step overwrites them."),
            "Parameters": dict(parameters),
            "ResultPath": place,
            "Next": step,
        }


def end_state(marker: Marker) -> State:
    """The end of a run whose closing record could not be made."""
    sentence = "the end of the run when its last record could not be made."
    return {"Type": "Pass", "Comment": marker.comment(sentence), "End": True}


def fail_state(marker: Marker, *, error: str) -> State:
    """Fails the run with the error that was caught, kept at the path ``error``."""
    return {
        "Type": "Fail",
        "Comment": marker.comment("the run fails as it would have, after the record."),
        "ErrorPath": f"{error}.Error",
        "CausePath": f"{error}.Cause",
    }


def call_state(
    provider: Provider,
    parameters: Mapping[str, Any],
    *,
    comment: str,
    place: str,
    following: str,
    is_end: bool = False,
) -> State:
    """An Action state that calls the provider and goes on to ``following`` whatever happens.

    An end state has ``following`` for its Catch only. ExceptionOnActionFailure false does
    not keep a provider that is down from failing the run: the Catch does, with a
    ResultPath, for without one the error would replace the run's state.
    """
    catch = [
        {"ErrorEquals": list(FAILURES), "ResultPath": place, "Next": following},
        {"ErrorEquals": ["States.ALL"], "ResultPath": place, "Next": following},
    ]
    return {
        "Type": "Action",
        "Comment": comment,
        "ActionUrl": provider.url,
        **({"ActionScope": provider.scope} if provider.scope else {}),
        "RunAs": provider.run_as,
        "Parameters": dict(parameters),
        "ResultPath": place,
        "WaitTime": provider.wait_seconds,
        "ExceptionOnActionFailure": False,
        "Catch": catch,
        **({"End": True} if is_end else {"Next": following}),
    }


def run_parameters(status: str, title: str | None = None) -> dict[str, Any]:
    """What a record state says about its run; only the context can know it, but for the title."""
    return {
        "run_id.$": "$._context.run_id",
        "flow_id.$": "$._context.flow_id",
        **({"flow_title": title} if title else {}),
        "run_owner.$": "$._context.user_id",
        "username.$": "$._context.username",
        "status": status,
    }


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
