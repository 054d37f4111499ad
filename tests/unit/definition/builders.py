"""Small definitions to start from."""

from __future__ import annotations

from typing import Any

State = dict[str, Any]
URL = "https://braid.example.org/record"


def action(**changes: Any) -> State:
    """An Action state; a key given as None is left out."""
    state = {
        "Type": "Action",
        "ActionUrl": "https://transfer.actions.globus.org/transfer/",
        "Parameters": {"source.$": "$.input.source"},
        "ResultPath": "$.Done",
        "End": True,
    }
    if "Next" in changes:
        state["End"] = None
    return {key: value for key, value in {**state, **changes}.items() if value is not None}


def done(**changes: Any) -> State:
    """A Pass state that ends the run."""
    return {"Type": "Pass", "End": True, **changes}


def flow(**states: State) -> dict[str, Any]:
    """A definition that starts at the first state given."""
    return {"StartAt": next(iter(states)), "States": states}
