"""What holds for every flow, tried on random ones."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.definition import (
    MissingResultPath,
    Options,
    Severity,
    WholeState,
    instrument,
    strip,
    validate,
)
from flows.definition.strip import InjectedKind, injected
from tests.unit.definition.builders import URL
from tests.unit.definition.strategies import flows

pytestmark = pytest.mark.slow

quiet = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
options = st.builds(
    Options,
    on_missing_result_path=st.sampled_from([MissingResultPath.SET, MissingResultPath.SKIP]),
    on_whole_state=st.just(WholeState.ACCEPT),
    record_end=st.booleans(),
    record_uncaught=st.booleans(),
    record_choices=st.booleans(),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)


def without_some_result_paths(definition: dict[str, Any], number: int) -> dict[str, Any]:
    changed = copy.deepcopy(definition)
    for position, state in enumerate(changed["States"].values()):
        if state["Type"] == "Action" and position % 3 == number:
            if number:
                del state["ResultPath"]
            else:
                state["ResultPath"] = "$"
    return changed


@quiet
@given(flows(), options, st.integers(0, 2))
def test_stripping_gives_back_the_original_to_the_letter(
    definition: dict[str, Any], chosen: Options, number: int
) -> None:
    original = without_some_result_paths(definition, number)
    before = json.dumps(original)
    woven = instrument(original, provider_url=URL, options=chosen).definition
    assert json.dumps(original) == before
    assert json.dumps(strip(woven)) == before
    assert json.dumps(strip(strip(woven))) == before


@quiet
@given(flows(), options)
def test_instrumenting_again_changes_nothing(definition: dict[str, Any], chosen: Options) -> None:
    once = instrument(definition, provider_url=URL, options=chosen)
    again = instrument(once.definition, provider_url=URL, options=chosen)
    assert json.dumps(again.definition) == json.dumps(once.definition)
    assert again.notes == once.notes
    other = instrument(once.definition, provider_url=f"{URL}2").definition
    assert other == instrument(definition, provider_url=f"{URL}2").definition


@quiet
@given(flows(), options)
def test_an_instrumented_flow_is_valid(definition: dict[str, Any], chosen: Options) -> None:
    assert not [p for p in validate(definition) if p.severity is Severity.ERROR]
    woven = instrument(definition, provider_url=URL, options=chosen).definition
    assert not [p for p in validate(woven) if p.severity is Severity.ERROR]


@quiet
@given(flows(), options)
def test_each_step_is_recorded_once_on_its_way_out(
    definition: dict[str, Any], chosen: Options
) -> None:
    woven = instrument(definition, provider_url=URL, options=chosen).definition["States"]
    actions = {n: s for n, s in definition["States"].items() if s["Type"] == "Action"}
    own = {n: s for n, s in actions.items() if s["ActionUrl"].rstrip("/") == URL}
    after = [name for name, mark in injected(woven).items() if mark.kind is InjectedKind.AFTER]
    marks = [woven[name]["Parameters"]["step"]["name"] for name in after]
    recorded = [*(record["Parameters"]["step"]["name"] for record in own.values()), *marks]
    assert len(set(recorded)) == len(recorded)
    assert set(recorded) >= set(actions) - set(own)


@quiet
@given(flows(), options)
def test_no_secret_is_copied(definition: dict[str, Any], chosen: Options) -> None:
    woven = instrument(definition, provider_url=URL, options=chosen).definition
    injected = {k: v for k, v in woven["States"].items() if k not in definition["States"]}
    assert "hunter2" not in json.dumps(injected)


@quiet
@given(json_values, st.sampled_from(["Action", "Choice", "Pass", "Fail", "Wait", "CreateWebInput"]))
def test_no_json_value_breaks_the_validator(value: Any, kind: str) -> None:
    validate(value)
    keys = ("StartAt", "Next", "Parameters", "Catch", "Choices", "Handler", "Seconds", "Result")
    for key in (*keys, "ResultPath", "ActionUrl", "End", "Default", "Error", "InputPath"):
        validate({"StartAt": value, "States": {"S": {"Type": kind, key: value}, "T": value}})
        validate({"StartAt": "S", "States": {"S": {"Type": "Action", "Catch": [{key: value}]}}})
    validate({"StartAt": "S", "States": {"S": {"Type": value, "Choices": [value, {"And": value}]}}})
    strip({"StartAt": value, "States": {"S": value}})
