"""What flows decide: answers to questions, the ways of Choice states, and what authors say."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import instrument
from flows.harvest import RunLog, harvest
from flows.sandbox.runner import RunOutcome, run_definition
from tests.functional.provider.house import House, Person, Town, a_body
from tests.functional.provider.test_advice import ask


def best_start(town: Town, url: str, name: str = "net") -> dict[str, Any]:
    """A flow that asks for the best model, and goes one way or the other."""
    return {
        "StartAt": "Which model?",
        "States": {
            "Which model?": {
                "Type": "Action",
                "ActionUrl": f"{url}/query",
                "ActionScope": town.scope,
                "Parameters": {"ask": "models", "name": f"{name}*", "best": "mae"},
                "ResultPath": "$.Start",
                "Next": "Good enough?",
            },
            "Good enough?": {
                "Type": "Choice",
                "Choices": [
                    {
                        "And": [
                            {"Variable": "$.Start.details.found", "BooleanEquals": True},
                            {"Variable": "$.Start.details.best.value", "NumericLessThan": 0.2},
                        ],
                        "Next": "Deploy",
                    }
                ],
                "Default": "Train anew",
            },
            "Deploy": {
                "Type": "Pass",
                "Result": {"deployed": True},
                "ResultPath": "$.Done",
                "End": True,
            },
            "Train anew": {
                "Type": "Pass",
                "Result": {"deployed": False},
                "ResultPath": "$.Done",
                "End": True,
            },
        },
    }


def trained(house: House, who: Person, name: str, mae: float) -> str:
    model = {"name": name, "how": "trained", "scores": {"mae": mae}}
    body = a_body(run_id=f"training {name}", outputs=[], models=[model])
    answer = house.run(who, f"train {name}", body=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["details"]["models"][0]["id"])


def run(town: Town, who: Person, definition: dict[str, Any]) -> RunOutcome:
    outcome = run_definition(definition, {}, town.sandbox, user=who.identity)
    assert outcome.status == "SUCCEEDED", outcome.run["details"]
    return outcome


def step(house: House, who: Person, run_id: str, name: str) -> dict[str, Any]:
    """A step of a run as its record shows it."""
    steps = house.get(f"/api/v1/runs/{run_id}", who).json()["steps"]
    (found,) = (one for one in steps if one["name"] == name)
    record: dict[str, Any] = house.get(f"/api/v1/records/{found['id']}", who).json()
    return record


def roles(record: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for link in record["links"]:
        found.setdefault(link["role"], []).append(link["id"])
    return found


def test_the_answer_to_a_question_is_a_decision_with_all_that_it_chose_from(
    town: Town, house: House, ada: Person
) -> None:
    worse, best = trained(house, ada, "net one", 0.3), trained(house, ada, "net two", 0.1)
    woven = instrument(
        best_start(town, house.url),
        provider_url=f"{house.url}/record",
        provider_scope=town.scope,
    ).definition
    run_id = run(town, ada, woven).run["run_id"]
    asked = step(house, ada, run_id, "Which model?")
    assert asked["decision"] == {
        "question": "Which of these models?",
        "policy": "lowest mae",
        "decider": f"{house.url}/query",
        "why": None,
        "options": [
            {"id": best, "name": "net two@v0", "score": 0.1, "why": None},
            {"id": worse, "name": "net one@v0", "score": 0.3, "why": None},
        ],
        "chosen": [best],
    }
    assert roles(asked)["chosen"] == [best]
    assert roles(asked)["considered"] == [worse]
    (about,) = house.get(f"/api/v1/records/{best}", ada).json()["decisions"]
    assert (about["id"], about["chosen"], about["score"]) == (asked["id"], True, 0.1)

    house.store.invalidate(worse, cause="wrong scans")
    assert "invalidated" not in step(house, ada, run_id, "Which model?")
    house.store.invalidate(best, cause="wrong scans too")
    assert "invalidated" in step(house, ada, run_id, "Which model?")


def test_a_harvested_choice_tells_its_branches_what_it_looked_at_and_where_it_went(
    town: Town, house: House, ada: Person
) -> None:
    best = trained(house, ada, "net two", 0.1)
    definition = best_start(town, house.url)
    outcome = run(town, ada, definition)
    harvest(house.store, RunLog(outcome.log, definition, outcome.run), who=ada.urn)
    choice = step(house, ada, outcome.run["run_id"], "Good enough?")
    assert (choice["type"], choice["tags"]["next"]) == ("Choice", "Deploy")
    assert choice["parameters"] == {
        "$.Start.details.found": True,
        "$.Start.details.best.value": 0.1,
    }
    condition = (
        "($.Start.details.found BooleanEquals true and "
        "$.Start.details.best.value NumericLessThan 0.2)"
    )
    assert choice["decision"]["options"] == [
        {"id": None, "name": "Deploy", "score": None, "why": condition},
        {"id": None, "name": "Train anew", "score": None, "why": "otherwise"},
    ]
    assert choice["decision"]["chosen"] == ["Deploy"]
    asked = step(house, ada, outcome.run["run_id"], "Which model?")
    assert roles(asked)["chosen"] == [best]
    assert asked["id"] in {link["id"] for link in choice["links"]}


def test_what_can_be_relied_on_was_chosen_and_what_cannot_was_not(
    town: Town, house: House, ada: Person
) -> None:
    good, bad = trained(house, ada, "net one", 0.3), trained(house, ada, "net two", 0.1)
    house.store.invalidate(bad, cause="misaligned")
    result = {
        "status": "SUCCEEDED",
        "details": ask(house, ada, "1", ask="validity", of=[good, bad]),
    }
    body = a_body(
        run_id="asking",
        parameters={"ask": "validity", "of": [good, bad]},
        result=result,
        outputs=None,
    ) | {"models": None, "inputs": None}
    body["step"] = {"name": "Holds?", "action_url": f"{house.url}/query"}
    house.run(ada, "holds", body=body)
    asked = step(house, ada, "asking", "Holds?")
    assert asked["decision"]["chosen"] == [good]
    assert asked["decision"]["options"][1]["why"] == "invalidated: misaligned"
    assert roles(asked)["considered"] == [bad]


def test_an_author_may_say_what_a_step_decided(house: House, ada: Person) -> None:
    one, two = trained(house, ada, "net one", 0.3), trained(house, ada, "net two", 0.1)
    decision = {
        "question": "Which one goes to the edge?",
        "options": [{"id": one, "score": 0.3}, {"id": two, "why": "too slow"}, {"name": "none"}],
        "chosen": one,
        "why": "fits into memory",
    }
    body = a_body(run_id="by hand", outputs=[]) | {"decision": decision, "models": None}
    assert house.run(ada, "1", body=body).status_code == 202
    name = body["step"]["name"]
    shown = step(house, ada, "by hand", name)
    assert shown["decision"]["chosen"] == [one]
    assert roles(shown)["chosen"] == [one]
    assert roles(shown)["considered"] == [two]


@pytest.mark.parametrize(
    ("decision", "path"),
    [
        ({"options": [{}]}, "decision.options[0]"),
        ({"chosen": "x"}, "decision"),
        ({"options": [], "chosen": 7}, "decision.chosen"),
        ({"options": [{"name": "x", "weight": 1}]}, "decision.options[0]"),
    ],
    ids=str,
)
def test_a_decision_of_the_wrong_shape_is_refused_with_its_place(
    house: House, ada: Person, decision: dict[str, Any], path: str
) -> None:
    answer = house.run(ada, "1", body=a_body() | {"decision": decision})
    assert answer.status_code == 422
    assert path in answer.json()["description"]


def test_an_option_that_the_caller_may_not_see_stays_a_name(
    house: House, ada: Person, bob: Person
) -> None:
    hidden = trained(house, ada, "net one", 0.3)
    body = a_body(run_id="of bob", outputs=[]) | {
        "decision": {"options": [{"id": hidden}], "chosen": hidden},
        "models": None,
    }
    assert house.run(bob, "1", body=body).status_code == 202
    shown = step(house, bob, "of bob", body["step"]["name"])
    assert shown["decision"]["options"] == [
        {"id": None, "name": hidden, "score": None, "why": None}
    ]
    assert "chosen" not in roles(shown)
    assert "decisions" not in house.store.documents().record(hidden)
