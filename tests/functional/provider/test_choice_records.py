"""Choices that a flow records itself: the same decisions as a harvest of the run tells, once."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from flows.definition import Options, instrument
from flows.harvest import RunLog, harvest
from flows.sandbox.runner import RunOutcome, run_definition
from provenance_store import Store, open_store
from tests.functional.provider.house import House, Person, Town

DOWN = "http://127.0.0.1:1/record"


def counting(*, limit: int = 2, **more: Any) -> dict[str, Any]:
    """A flow that begins with a Choice, and comes by it again until it has counted."""
    return {
        "StartAt": "Enough?",
        "States": {
            "Enough?": {
                "Type": "Choice",
                "Comment": "counts",
                "Choices": [
                    {
                        "And": [
                            {"Variable": "$.n", "NumericLessThanPath": "$.limit"},
                            {"Variable": "$.stop", "IsPresent": False},
                        ],
                        "Next": "Count",
                    },
                    {"Variable": "$.login.password", "StringEquals": "x", "Next": "Count"},
                ],
                "Default": "Done",
            },
            "Count": {
                "Type": "ExpressionEval",
                "Parameters": {"next.=": "n + 1"},
                "ResultPath": "$.counted",
                "Next": "Keep",
            },
            "Keep": {
                "Type": "Pass",
                "InputPath": "$.counted.next",
                "ResultPath": "$.n",
                "Next": "Enough?",
            },
            "Done": {"Type": "Pass", "End": True},
        },
    } | more


INPUT = {"n": 0, "limit": 2, "login": {"password": "y"}}


def recording(definition: dict[str, Any], url: str, scope: str) -> dict[str, Any]:
    chosen = Options(record_choices=True, record_end=False)
    made = instrument(definition, provider_url=url, provider_scope=scope, options=chosen)
    return made.definition


def run(
    town: Town, who: Person, definition: dict[str, Any], given: dict[str, Any] | None = None
) -> RunOutcome:
    start = copy.deepcopy(INPUT if given is None else given)
    return run_definition(definition, start, town.sandbox, user=who.identity)


def choices(store: Store, run_id: str, name: str = "Enough?") -> list[dict[str, Any]]:
    """What is told of the visits of a Choice, in their order."""
    reader = store.documents()
    steps = [step for step in reader.run(run_id)["steps"] if step["name"] == name]
    records = [reader.record(step["id"]) for step in steps]
    names = ("type", "status", "parameters", "decision")
    return [
        {key: record.get(key) for key in names}
        | {"tags": {k: v for k, v in record["tags"].items() if k != "username"}}
        for record in records
    ]


def harvested_apart(folder: Path, outcome: RunOutcome, definition: dict[str, Any]) -> Store:
    """A store that knows of the run from its log only."""
    store = open_store(f"sqlite:///{folder / 'apart.db'}")
    harvest(store, RunLog(outcome.log, definition, outcome.run))
    return store


def test_a_recorded_choice_is_the_decision_that_a_harvest_tells_and_is_there_once(
    town: Town, house: House, ada: Person, tmp_path: Path
) -> None:
    definition = counting()
    for rule in definition["States"]["Enough?"]["Choices"][1:]:
        definition["States"]["Enough?"]["Choices"].remove(rule)  # else nobody knows
    woven = recording(definition, f"{house.url}/record", town.scope)
    outcome = run(town, ada, woven)
    assert outcome.status == "SUCCEEDED"
    run_id = outcome.run["run_id"]
    told = choices(house.store, run_id)
    assert [one["decision"]["chosen"] for one in told] == [["Count"], ["Count"], ["Done"]]
    assert [one["parameters"] for one in told] == [{"$.n": n, "$.limit": 2} for n in range(3)]
    condition = "($.n NumericLessThanPath $.limit and $.stop IsPresent false)"
    assert told[0]["decision"]["options"] == [
        {"id": None, "name": "Count", "score": None, "why": condition},
        {"id": None, "name": "Done", "score": None, "why": "otherwise"},
    ]
    with harvested_apart(tmp_path, outcome, woven) as apart:
        assert choices(apart, run_id) == told

    before = len(house.store.documents().run(run_id)["steps"])
    for _ in range(2):
        harvest(house.store, RunLog(outcome.log, woven, outcome.run), who=ada.urn)
        assert choices(house.store, run_id) == told
    names = [step["name"] for step in house.store.documents().run(run_id)["steps"]]
    assert sorted(names) == sorted(["Enough?"] * 3 + ["Count", "Keep"] * 2 + ["Done"])
    assert before == 3


def test_a_recorded_choice_follows_the_step_before_it_as_a_harvested_one(
    town: Town, house: House, ada: Person, tmp_path: Path
) -> None:
    rule = {"Variable": "$.heard.status", "StringEquals": "SUCCEEDED", "Next": "Done"}
    echo = {"Type": "Action", "ActionUrl": "https://echo.example.org/", "Parameters": {}}
    definition = {
        "StartAt": "Hear",
        "States": {
            "Hear": {**echo, "ResultPath": "$.heard", "Next": "Which"},
            "Which": {"Type": "Choice", "Choices": [rule], "Default": "Hear"},
            "Done": {"Type": "Pass", "End": True},
        },
    }
    woven = recording(definition, f"{house.url}/record", town.scope)
    outcome = run(town, ada, woven)
    run_id = outcome.run["run_id"]
    with harvested_apart(tmp_path, outcome, woven) as apart:
        for store in (house.store, apart):
            reader = store.documents()
            steps = {step["name"]: step["id"] for step in reader.run(run_id)["steps"]}
            links = reader.record(steps["Which"])["links"]
            followed = [(link["role"], link["id"]) for link in links]
            assert followed == [("informed_by", steps["Hear"])]


def test_where_a_private_value_decides_the_way_stays_unknown(
    town: Town, house: House, ada: Person
) -> None:
    woven = recording(counting(), f"{house.url}/record", town.scope)
    outcome = run(town, ada, woven)
    run_id = outcome.run["run_id"]
    *_, last = choices(house.store, run_id)
    assert last["decision"]["chosen"] == []
    assert last["status"] == "SUCCEEDED"
    assert last["parameters"]["$.login.password"] == "[redacted]"
    assert "y" not in last["parameters"].values()
    harvest(house.store, RunLog(outcome.log, woven, outcome.run), who=ada.urn)
    assert len(choices(house.store, run_id)) == 3


def test_a_choice_that_nothing_matches_failed_and_so_did_the_run(
    town: Town, house: House, ada: Person
) -> None:
    rule = {"Variable": "$.n", "NumericEquals": 7, "Next": "Done"}
    definition = {
        "StartAt": "Which",
        "States": {
            "Which": {"Type": "Choice", "Choices": [rule]},
            "Done": {"Type": "Pass", "End": True},
        },
    }
    woven = recording(definition, f"{house.url}/record", town.scope)
    outcome = run(town, ada, woven)
    assert outcome.status == "FAILED"
    run_id = outcome.run["run_id"]
    (told,) = choices(house.store, run_id, "Which")
    assert (told["status"], told["decision"]["chosen"]) == ("FAILED", [])
    harvest(house.store, RunLog(outcome.log, woven, outcome.run), who=ada.urn)
    assert choices(house.store, run_id, "Which") == [told]
    assert house.store.documents().run(run_id)["status"] == "FAILED"


@pytest.mark.parametrize("limit", [0, 2])
def test_without_a_provider_the_run_goes_the_same_way_and_a_harvest_tells_it(
    town: Town, ada: Person, tmp_path: Path, limit: int
) -> None:
    definition = counting()
    given = INPUT | {"limit": limit}
    plain = run(town, ada, definition, given)
    woven = recording(definition, DOWN, town.scope)
    outcome = run(town, ada, woven, given)
    assert outcome.status == plain.status == "SUCCEEDED"
    final = {key: value for key, value in outcome.output.items() if key != "_braid"}
    assert final == plain.output
    visited = [e["details"].get("state_name") for e in outcome.log if "Started" in e["code"]]
    own = [e["details"].get("state_name") for e in plain.log if "Started" in e["code"]]
    assert [name for name in visited if name is None or name in definition["States"]] == own
    with harvested_apart(tmp_path, outcome, woven) as store:
        told = choices(store, outcome.run["run_id"])
        went = [one["decision"]["chosen"] for one in told]
        assert went == [["Count"]] * limit + [["Done"]]


def test_rules_of_the_wrong_shape_are_refused_with_their_place(house: House, ada: Person) -> None:
    for choice, path in (
        ({"Default": "A"}, "choice"),
        ({"Choices": "x"}, "choice.Choices"),
        ({"Choices": [7]}, "choice.Choices[0]"),
        ({"Choices": [], "Else": "A"}, "choice"),
    ):
        body = {"run": {"run_id": "r"}, "step": {"name": "Which"}, "choice": choice}
        answer = house.run(ada, str(choice), body=body)
        assert answer.status_code == 422
        assert path in answer.json()["description"]


@pytest.mark.parametrize(
    ("rules", "parameters"),
    [
        ([{"Next": "A"}], {}),
        ([{"Variable": "$.n", "Equals": 1, "Next": "A"}], {"$.n": 1}),
        ([{"Variable": "$.n", "NumericEquals": 1}], {"$.n": 1}),
        ([{"Variable": "$.n", "NumericEquals": 1, "Next": "A"}], "text"),
        ([{"And": [{"And": []}], "Next": "A"}], None),
        ([{"Not": 7, "Next": ["A"]}], {"$.n": 1}),
    ],
    ids=str,
)
def test_rules_that_tell_nothing_cost_nothing_but_the_way(
    house: House, ada: Person, rules: list[dict[str, Any]], parameters: Any
) -> None:
    body = {
        "run": {"run_id": str(rules)[:60]},
        "step": {"name": "Which", "type": "Choice"},
        "parameters": parameters,
        "choice": {"Choices": rules, "Default": "B"},
    }
    answer = house.run(ada, "1", body=body)
    assert answer.status_code == 202, answer.text
    (told,) = choices(house.store, str(rules)[:60], "Which")
    assert (told["status"], told["decision"]["chosen"]) == ("SUCCEEDED", [])
