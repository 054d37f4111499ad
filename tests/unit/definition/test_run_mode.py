"""One state instead of one per step: definitions whose runs ask to be harvested."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.definition import (
    Mode,
    Options,
    Severity,
    WholeState,
    definition_digest,
    instrument,
    strip,
    validate,
)
from flows.definition.strip import InjectedKind, injected
from provenance_store.errors import InvalidInput
from tests.support.corpus import CORPUS
from tests.unit.definition.builders import URL, action, flow
from tests.unit.definition.strategies import flows
from tests.unit.definition.test_properties import quiet, without_some_result_paths

HARVEST = "https://braid.example.org/harvest"
RUN = Options(mode=Mode.RUN)
QUIET = Options(mode=Mode.RUN, record_uncaught=False)
ACCEPTING = Options(on_whole_state=WholeState.ACCEPT)
run_options = st.builds(
    Options,
    mode=st.just(Mode.RUN),
    record_uncaught=st.booleans(),
    conventions=st.none() | st.just("bragg"),
    run_as=st.sampled_from(["User", "Flow"]),
)


def asked(definition: dict[str, Any], chosen: Options = RUN) -> dict[str, Any]:
    return instrument(definition, provider_url=HARVEST, options=chosen).definition


@quiet
@given(flows(), run_options, st.integers(0, 2))
def test_stripping_gives_back_the_original_to_the_letter(
    definition: dict[str, Any], chosen: Options, number: int
) -> None:
    original = without_some_result_paths(definition, number)
    before = json.dumps(original)
    woven = asked(original, chosen)
    assert json.dumps(original) == before
    assert json.dumps(strip(woven)) == before
    assert definition_digest(strip(woven)) == definition_digest(original)


@quiet
@given(flows(), run_options)
def test_asking_again_changes_nothing(definition: dict[str, Any], chosen: Options) -> None:
    once = instrument(definition, provider_url=HARVEST, options=chosen)
    again = instrument(once.definition, provider_url=HARVEST, options=chosen)
    assert json.dumps(again.definition) == json.dumps(once.definition)
    assert again.notes == once.notes


@quiet
@given(flows(), run_options)
def test_a_flow_changes_its_mode_both_ways(definition: dict[str, Any], chosen: Options) -> None:
    by_step = instrument(definition, provider_url=URL, options=ACCEPTING).definition
    by_run = asked(definition, chosen)
    assert asked(by_step, chosen) == by_run
    assert instrument(by_run, provider_url=URL, options=ACCEPTING).definition == by_step


@quiet
@given(flows(), run_options)
def test_what_comes_out_is_valid_and_every_end_asks(
    definition: dict[str, Any], chosen: Options
) -> None:
    woven = asked(definition, chosen)
    errors = {p.message for p in validate(woven) if p.severity is Severity.ERROR}
    assert errors == {p.message for p in validate(definition) if p.severity is Severity.ERROR}
    marks = injected(woven["States"])
    kinds = [mark.kind for mark in marks.values()]
    assert kinds.count(InjectedKind.HARVEST) <= 1
    asking = [name for name, mark in marks.items() if "Parameters" in woven["States"][name]]
    for name, state in woven["States"].items():
        if state.get("End") and name not in marks:
            assert definition["States"][name]["End"]  # only where the state is no object
        if name in asking:
            assert set(state["Parameters"]) <= {
                *("run_id.$", "flow_id.$", "conventions", "on_missing_consent")
            }
            assert [entry["ErrorEquals"] for entry in state["Catch"]] == [["States.ALL"]]


def test_all_ends_share_one_state_and_each_fail_has_its_own() -> None:
    definition = flow(
        First=action(Next="Which", Catch=[caught("Give up")]),
        Which={
            "Type": "Choice",
            "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "One"}],
            "Default": "Two",
        },
        One=action(End=True),
        Two={"Type": "Pass", "End": True},
        **{"Give up": {"Type": "Fail", "Error": "E", "Cause": "C"}},
    )
    states = asked(definition, QUIET)["States"]
    assert [states[name]["Next"] for name in ("One", "Two")] == ["Braid harvest"] * 2
    assert states["Braid harvest"]["End"] is True
    assert states["First"]["Catch"][0]["Next"] == "Braid harvest before Give up"
    assert states["Braid harvest before Give up"]["Next"] == "Give up"
    assert len(states) == len(definition["States"]) + 3


def test_a_failure_that_nothing_catches_asks_too() -> None:
    definition = flow(
        First=action(Next="Second"),
        Second=action(End=True, Catch=[]),
    )
    woven = asked(definition)
    states = woven["States"]
    for name in ("First", "Second"):
        (entry,) = states[name]["Catch"]
        assert (entry["ErrorEquals"], entry["Next"]) == (
            ["States.ALL"],
            "Braid harvest after a failure",
        )
        assert entry["ResultPath"] == "$._braid.error"
    assert states["Braid harvest after a failure"]["Next"] == "Braid fail"
    assert states["Braid fail"]["ErrorPath"] == "$._braid.error.Error"
    assert json.dumps(strip(woven)) == json.dumps(definition)


def test_an_end_at_which_its_author_asks_is_left_alone() -> None:
    ask = {**action(End=True), "ActionUrl": HARVEST}
    ask["Parameters"] = {"run_id.$": "$._context.run_id"}
    definition = flow(First=action(Next="Ask"), Ask=ask)
    done = instrument(definition, provider_url=HARVEST, options=QUIET)
    assert done.definition == definition
    assert any("its author asks" in note.message for note in done.notes)


def test_an_end_whose_state_is_no_object_is_left_alone_and_told() -> None:
    last = {"Type": "Pass", "InputPath": "$.list", "End": True}
    definition = flow(First=action(Next="Last"), Last=last)
    done = instrument(definition, provider_url=HARVEST, options=QUIET)
    assert done.definition == definition
    assert any(note.path == "$.States.Last" for note in done.notes)


@pytest.mark.parametrize(
    ("url", "mode", "wanted"),
    [
        ("https://braid.example.org/record", Mode.RUN, "/harvest"),
        ("https://braid.example.org/query/", Mode.RUN, "/harvest"),
        ("https://braid.example.org/harvest", Mode.STEP, "/record"),
        ("https://braid.example.org/query", Mode.STEP, "/record"),
        ("ftp://braid.example.org/x", Mode.RUN, "https"),
    ],
)
def test_another_provider_of_ours_is_refused(url: str, mode: Mode, wanted: str) -> None:
    with pytest.raises(InvalidInput, match=wanted):
        instrument(flow(A=action(End=True)), provider_url=url, options=Options(mode=mode))


@pytest.mark.parametrize("name", sorted(CORPUS))
def test_real_flows_ask_and_are_stripped_again(name: str, shared_flows: Path) -> None:
    definition = CORPUS[name].definition(shared_flows)
    before = copy.deepcopy(definition)
    if any(p.severity is Severity.ERROR for p in validate(definition)):
        with pytest.raises(InvalidInput):
            asked(definition)
        return
    woven = asked(definition, Options(mode=Mode.RUN, record_uncaught=True))
    assert not [p for p in validate(woven) if p.severity is Severity.ERROR]
    assert injected(woven["States"])
    assert strip(woven) == before == definition


def caught(target: str) -> dict[str, Any]:
    return {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": target}
