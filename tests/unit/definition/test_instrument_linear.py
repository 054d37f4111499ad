"""The plainest case: a flow of one step."""

from __future__ import annotations

from flows.definition.instrument import instrument
from flows.definition.strip import strip

FLOW = {
    "StartAt": "Copy",
    "States": {
        "Copy": {
            "Type": "Action",
            "ActionUrl": "https://transfer.actions.globus.org/transfer/",
            "Parameters": {"source.$": "$.input.source"},
            "ResultPath": "$.Copied",
            "End": True,
        }
    },
}


def test_a_step_is_followed_by_a_state_that_records_it() -> None:
    woven = instrument(FLOW, provider_url="https://braid.example.org/record").definition
    record = woven["States"][woven["States"]["Copy"]["Next"]]
    assert record["Parameters"]["parameters"] == {"source.=": "getattr('input.source',None)"}
    came_to = "getattr('_braid.error',None) or getattr('Copied',None)"
    assert record["Parameters"]["outcome.="] == came_to
    guard = woven["States"][record["Next"]]
    assert guard["Choices"][0]["Variable"] == "$._braid.error.Error"
    assert woven["States"][guard["Choices"][0]["Next"]]["Type"] == "Fail"
    assert woven["States"][guard["Default"]]["End"] is True
    assert strip(woven) == FLOW
