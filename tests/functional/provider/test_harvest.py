"""Flows ask for their own run to be harvested: the action provider at /harvest."""

from __future__ import annotations

from tests.functional.provider.harvests import ask, final, greeting, run
from tests.functional.provider.house import House, Person, Town


def test_a_flow_asks_for_its_own_run_at_its_end(town: Town, house: House, ada: Person) -> None:
    outcome = run(town, ada, greeting(house.url, town), label="two greetings")
    assert outcome.status == "SUCCEEDED", outcome.run["details"]
    told = outcome.output["Harvest"]
    assert told["status"] == "SUCCEEDED", told
    details = told["details"]
    run_id = outcome.run["run_id"]
    assert (details["run_id"], details["run_status"]) == (run_id, "ACTIVE")
    assert (details["steps"], details["added"], details["waiting"]) == (3, 3, 0)
    history = house.get(f"/api/v1/runs/{run_id}", ada).json()
    assert [step["name"] for step in history["steps"]] == ["Greet", "Is it well", "Greet again"]
    assert (history["label"], history["run_owner"]) == ("two greetings", ada.urn)
