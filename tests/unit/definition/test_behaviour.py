"""An instrumented flow does what it did before: interpreted in the sandbox, both ways."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from flows.definition import Options, WholeState, instrument, load_document
from flows.definition.strip import marker_of
from flows.sandbox import Sandbox
from flows.sandbox.runner import RunOutcome, run_definition
from flows.steps.body import parse_body, read_body
from flows.steps.outcome import as_it_came_out, outcome_of
from provenance_store.errors import InvalidInput
from tests.unit.definition.builders import URL, action, done, flow
from tests.unit.definition.strategies import FAILING, flows

pytestmark = pytest.mark.slow

DOWN = "http://127.0.0.1:1/record"
INPUT = {"a": {"x": 1, "y": [1, 2, 3]}, "b": ["first", "second"], "c": {"x": "text"}}
VOLATILE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.+]+")
CHANGING = {"action_id", "task_id", "start_time", "completion_time", "creator_id"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=0.0001) as started:
        yield started


def comparable(value: Any) -> Any:
    """A value without ids, times and receipts (an error's name may be a printed result)."""
    if isinstance(value, dict):
        left_out = CHANGING | {"_braid"}
        return {key: comparable(item) for key, item in value.items() if key not in left_out}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return VOLATILE.sub("…", value) if isinstance(value, str) else value


def story(outcome: RunOutcome, definition: dict[str, Any]) -> list[Any]:
    """What happened in the states that the author wrote, and how the run ended."""
    told = [
        (entry["code"], comparable(entry["details"]))
        for entry in outcome.log
        if entry["details"].get("state_name") in definition["States"]
        and marker_of(definition["States"][entry["details"]["state_name"]]) is None
    ]
    error = outcome.run["details"].get("details", {}).get("error")
    return [outcome.status, comparable(error), comparable(outcome.output), without_ids(told)]


def without_ids(told: list[Any]) -> list[Any]:
    """Run ids differ from run to run; they only occur as whole strings or inside causes."""
    kept = []
    for code, details in told:
        details.pop("cause", None)
        kept.append((code, details))
    return kept


def run(definition: dict[str, Any], sandbox: Sandbox, given: Any = INPUT) -> RunOutcome:
    return run_definition(definition, copy.deepcopy(given), sandbox, timeout=60)


def records(outcome: RunOutcome) -> list[dict[str, Any]]:
    """What the provider, played by the sandbox's echo, was sent, in order; all of it is valid. What
    a step came to is read as the provider reads it."""
    found = [
        receipt["details"]["echo"]
        for entry in outcome.log
        if entry["code"] == "ActionCompleted"
        and entry["details"]["state_name"].startswith("Braid ")
        for receipt in entry["details"]["output"]["_braid"].values()
        if receipt.get("state_name") == entry["details"]["state_name"]
    ]
    for body in found:
        read = as_it_came_out(parse_body(json.dumps(body)))
        if body.pop("outcome", None) is not None:
            told = {name: getattr(read, name) for name in ("result", "error")}
            body |= {name: value for name, value in told.items() if value is not None}
            body["run"] |= {"status": str(read.run.status)} if read.run.status else {}
    return found


def failing(**changes: Any) -> dict[str, Any]:
    return action(ActionUrl=FAILING, **changes)


def playable(definition: dict[str, Any], sandbox: Sandbox, provider: str = URL) -> dict[str, Any]:
    """The definition with the sandbox's failing action where one was asked for, and the records
    that its author wrote sent to that provider."""
    made = copy.deepcopy(definition)
    for state in made["States"].values():
        if state.get("ActionUrl") == FAILING:
            state["ActionUrl"] = sandbox.provider_url("failing")
        elif state.get("ActionUrl", "").startswith(URL):
            state["ActionUrl"] = state["ActionUrl"].replace(URL, provider)
    return made


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(definition=flows(loops=False))
@pytest.mark.parametrize("provider", [DOWN, URL])
def test_a_random_flow_behaves_as_before(
    sandbox: Sandbox, provider: str, definition: dict[str, Any]
) -> None:
    original = playable(definition, sandbox, provider)
    chosen = Options(on_whole_state=WholeState.ACCEPT, record_choices=True)
    woven = instrument(original, provider_url=provider, options=chosen).definition
    before = story(run(without_run_ids(original), sandbox), original)
    outcome = run(without_run_ids(woven), sandbox)
    after = story(outcome, woven)
    assert after == before
    if provider == URL:
        records(outcome)


def without_run_ids(definition: Any) -> Any:
    """Two runs have two ids: compare what else the author's states read from the context."""
    if isinstance(definition, dict):
        return {key: without_run_ids(value) for key, value in definition.items()}
    if isinstance(definition, list):
        return [without_run_ids(value) for value in definition]
    return "$._context.username" if definition == "$._context.run_id" else definition


def test_inputs_are_recorded_as_they_were_before_the_step_overwrote_them(sandbox: Sandbox) -> None:
    step = action(
        Parameters={
            "path.$": "$.a.x",
            "slice.$": "$.a.y[1:]",
            "text.=": "str(a.x) + ' of ' + `$.c.x` + getattr('a.none', '!')",
            "there.=": "is_present('a.x')",
        },
        ActionUrl="https://echo.example.org/",
        ResultPath="$.a",
    )
    woven = instrument(flow(S=step), provider_url=URL).definition
    (record,) = records(run(woven, sandbox))
    sent = {"path": 1, "slice": [2, 3], "text": "1 of text!", "there": True}
    assert record["parameters"] == record["result"]["details"]["echo"] == sent


def test_a_loop_is_recorded_once_for_each_visit(sandbox: Sandbox) -> None:
    definition = flow(
        Act=action(
            ActionUrl="https://echo.example.org/",
            Parameters={"n.$": "$.n", "last.=": "getattr('R.details.echo.n', 0)"},
            ResultPath="$.R",
            Next="Count",
        ),
        Count={
            "Type": "ExpressionEval",
            "Parameters": {"next.=": "n + 1"},
            "ResultPath": "$.N",
            "Next": "Move",
        },
        Move={"Type": "Pass", "InputPath": "$.N.next", "ResultPath": "$.n", "Next": "More"},
        More={
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericLessThan": 4, "Next": "Act"}],
            "Default": "Done",
        },
        Done=done(),
    )
    woven = instrument(definition, provider_url=URL).definition
    outcome = run(woven, sandbox, {"n": 1})
    visits = [record for record in records(outcome) if record["step"]["name"] == "Act"]
    assert [record["parameters"] for record in visits] == [
        {"n": 1, "last": 0},
        {"n": 2, "last": 1},
        {"n": 3, "last": 2},
    ]
    assert len({record["result"]["action_id"] for record in visits}) == 3
    assert [record["run"]["status"] for record in records(outcome)] == ["ACTIVE"] * 3 + [
        "SUCCEEDED"
    ]


def test_a_caught_failure_is_recorded_with_the_inputs_of_the_step(sandbox: Sandbox) -> None:
    step = failing(
        Parameters={"details.$": "$.a"},
        Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Repair", "ResultPath": "$.a"}],
        Next="Repair",
    )
    original = playable(flow(S=step, Repair=done()), sandbox)
    outcome = run(instrument(original, provider_url=URL).definition, sandbox)
    caught, end = records(outcome)
    assert outcome_of(read_body(caught)).status == "FAILED"
    assert caught["error"]["Error"] == "ActionFailedException"
    assert caught["parameters"] == {"details": INPUT["a"]}
    assert (end["step"]["name"], end["run"]["status"]) == ("Repair", "SUCCEEDED")


def test_a_catch_without_result_path_is_recorded_from_the_error_alone(sandbox: Sandbox) -> None:
    step = failing(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Z"}], Parameters={}, Next="Z")
    original = playable(flow(S=step, Z=done()), sandbox)
    outcome = run(instrument(original, provider_url=URL).definition, sandbox)
    assert records(outcome)[0]["error"]["Error"] == "ActionFailedException"
    assert "parameters" not in records(outcome)[0]
    assert set(outcome.output) == {"Error", "Cause", "_braid"}


def test_a_failed_action_that_raises_nothing_is_recorded_as_failed(sandbox: Sandbox) -> None:
    original = playable(flow(S=failing(Parameters={}, ExceptionOnActionFailure=False)), sandbox)
    (record,) = records(run(instrument(original, provider_url=URL).definition, sandbox))
    assert (record["result"]["status"], record["run"]["status"]) == ("FAILED", "SUCCEEDED")


def test_the_end_of_a_failing_run_is_recorded(sandbox: Sandbox) -> None:
    definition = flow(
        S={"Type": "Pass", "Next": "F"}, F={"Type": "Fail", "ErrorPath": "$.c.x", "Cause": "why"}
    )
    outcome = run(instrument(definition, provider_url=URL).definition, sandbox)
    (record,) = records(outcome)
    assert outcome.status == record["run"]["status"] == "FAILED"
    assert record["error"] == {"Error": "text", "Cause": "why"}


@pytest.mark.parametrize("provider", [DOWN, URL])
def test_a_failure_that_nothing_catches_is_recorded_and_fails_the_run_all_the_same(
    sandbox: Sandbox, provider: str
) -> None:
    first = action(ActionUrl="https://echo.example.org/", Parameters={}, Next="S")
    step = failing(Parameters={"details.$": "$.a"})
    original = playable(flow(First=first, S=step), sandbox)
    outcome = run(instrument(original, provider_url=provider).definition, sandbox)
    plain = run(original, sandbox)
    assert outcome.status == plain.status == "FAILED"
    for key in ("error", "cause"):
        found = comparable(outcome.run["details"]["details"][key])
        assert found == comparable(plain.run["details"]["details"][key])
    if provider == URL:
        _, record = records(outcome)
        assert record["step"] == {"name": "S", "action_url": sandbox.provider_url("failing")}
        assert record["run"]["status"] == "FAILED"
        assert record["parameters"] == {"details": INPUT["a"]}
        assert "result" not in record
        assert record["error"]["Error"] == "ActionFailedException"
        assert outcome_of(read_body(record)).status == "FAILED"


PARTS = {
    "plain.$": "$.a.x",
    "first.$": "$.b[0]",
    "some.$": "$.a.y[1:]",
    "sum.=": "a.x + 1",
    "with_default.=": "getattr('a.none', 7)",
    "run.$": "$._context.username",
    "in": [{"deep.$": "$.c", "constant": "$.c"}, ["text"]],
}
GIVEN: dict[str, Any] = {"plain": 1, "first": "first", "some": [2, 3], "sum": 2, "with_default": 7}


@pytest.mark.parametrize("given", [INPUT, {}], ids=["called", "input missing"])
def test_a_failed_step_is_recorded_with_what_it_was_called_with(
    sandbox: Sandbox, given: dict[str, Any]
) -> None:
    original = playable(flow(S=failing(Parameters=PARTS)), sandbox)
    plain = run(original, sandbox, given)
    outcome = run(instrument(original, provider_url=URL).definition, sandbox, given)
    assert outcome.status == plain.status == "FAILED"
    (record,) = records(outcome)
    sent = record["parameters"]
    assert "@" in sent.pop("run")
    if given:
        assert record["error"]["Error"] == "ActionFailedException"
        assert sent == {**GIVEN, "in": [{"deep": INPUT["c"], "constant": "$.c"}, ["text"]]}
    else:
        assert record["error"]["Error"] == "States.Runtime"
        lost = {**dict.fromkeys(GIVEN), "with_default": 7}
        assert sent == {**lost, "in": [{"deep": None, "constant": "$.c"}, ["text"]]}


def test_a_step_that_fails_at_a_later_visit_is_not_told_by_its_earlier_result(
    sandbox: Sandbox,
) -> None:
    never = {"Variable": "$.never", "IsPresent": True, "Next": "More"}
    definition = flow(
        S=action(ActionUrl="https://echo.example.org/", Parameters={"n.$": "$.a.x"}, Next="Drop"),
        Drop={"Type": "Pass", "Result": {}, "ResultPath": "$.a", "Next": "More"},
        More={"Type": "Choice", "Choices": [never], "Default": "S"},
    )
    outcome = run(instrument(definition, provider_url=URL).definition, sandbox)
    assert outcome.status == "FAILED"
    first, second = records(outcome)
    assert first["result"]["details"]["echo"] == {"n": 1}
    assert (second["error"]["Error"], second["parameters"]) == ("States.Runtime", {"n": None})
    assert "result" not in second


@pytest.mark.parametrize("provider", [DOWN, URL])
def test_an_error_that_the_input_has_from_another_run_fails_nothing(
    sandbox: Sandbox, provider: str
) -> None:
    old = {"error": {"Error": "ActionTimeout", "Cause": "of another run"}, "Told": {"mine": 1}}
    definition = flow(S=action(ActionUrl="https://echo.example.org/", Parameters={}))
    woven = instrument(definition, provider_url=provider).definition
    outcome = run(woven, sandbox, {**INPUT, "_braid": old})
    assert outcome.status == "SUCCEEDED"
    assert outcome.output["_braid"]["Told"] == {"mine": 1}
    if provider == URL:
        (record,) = records(outcome)
        assert record["result"]["status"] == "SUCCEEDED"


def test_who_takes_the_whole_input_gets_that_and_no_more(sandbox: Sandbox) -> None:
    step = action(ActionUrl="https://echo.example.org/", Parameters=None, InputPath="$")
    woven = instrument(flow(S=step), provider_url=URL).definition
    outcome = run(woven, sandbox)
    sent = outcome.output["Done"]["details"]["echo"]
    assert {key: value for key, value in sent.items() if key != "_context"} == INPUT


def test_receipts_stay_small_and_in_one_key(sandbox: Sandbox) -> None:
    definition = flow(S=action(ActionUrl="https://echo.example.org/", Parameters={}))
    outcome = run(instrument(definition, provider_url=DOWN).definition, sandbox)
    assert set(outcome.output) == {*INPUT, "Done", "_braid"}
    assert set(outcome.output["_braid"]) == {"error", "S"}
    assert outcome.output["_braid"]["error"] == {}


@pytest.mark.parametrize("provider", [DOWN, URL])
def test_real_flows_behave_as_before(sandbox: Sandbox, shared_flows: Path, provider: str) -> None:
    compared = 0
    for path in sorted(shared_flows.glob("*.json")):
        if path.name.count(".") > 1:
            continue
        original = load_document(path).definition
        try:
            woven = instrument(original, provider_url=provider).definition
        except InvalidInput:
            continue
        example = path.with_suffix(".input.json")
        given = json.loads(example.read_text()) if example.exists() else {}
        before = story(run(without_run_ids(original), sandbox, given), original)
        after = story(run(without_run_ids(woven), sandbox, given), woven)
        assert after == before, path.name
        compared += 1
    assert compared >= 25


def test_a_real_flow_whose_catches_replace_the_state_behaves_as_before(
    sandbox: Sandbox, shared_flows: Path
) -> None:
    original = load_document(shared_flows / "cfde-deriva-ingest.json").definition
    states = original["States"]
    states["DerivaIngest"]["ActionUrl"] = sandbox.provider_url("failing")
    del states["ErrorState"]["Parameters"]["body_template.="]
    given = {"source_endpoint_id": False, "data_url": "https://x", "test_sub": False}
    plain = run(without_run_ids(original), sandbox, given)
    assert "ErrorState" in {entry["details"].get("state_name") for entry in plain.log}
    for provider in (DOWN, URL):
        woven = instrument(original, provider_url=provider).definition
        outcome = run(without_run_ids(woven), sandbox, given)
        assert story(outcome, woven) == story(plain, original)
