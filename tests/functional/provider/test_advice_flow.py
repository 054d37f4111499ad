"""The example flow that asks where to start, run in the sandbox."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from flows.definition import validate
from flows.sandbox.runner import RunOutcome, run_definition
from tests.functional.provider.house import House, Person, Town

EXAMPLE = "https://braid.example.org"


def example(name: str) -> dict[str, Any]:
    text = files("flows.examples.start").joinpath(name).read_text()
    document: dict[str, Any] = json.loads(text)
    return document


def at(url: str, definition: dict[str, Any]) -> dict[str, Any]:
    """The flow with the provider at another address."""
    moved: dict[str, Any] = json.loads(json.dumps(definition).replace(EXAMPLE, url))
    return moved


def train(town: Town, who: Person, scan: str, definition: dict[str, Any]) -> RunOutcome:
    outcome = run_definition(
        definition,
        {"model": "bragg", "scan": f"globus://beamline/{scan}"},
        town.sandbox,
        input_schema=example("input_schema.json"),
        user=who.identity,
    )
    assert outcome.status == "SUCCEEDED", outcome.run["details"]
    return outcome


def test_the_example_is_valid() -> None:
    assert validate(example("definition.json")) == []


def test_a_flow_starts_from_what_can_be_relied_on_and_deploys_only_that(
    town: Town, house: House, ada: Person
) -> None:
    flow = at(house.url, example("definition.json"))
    first = train(town, ada, "scan-1", flow).output
    assert first["Start"]["details"]["found"] is False
    assert (first["Trained"]["how"], first["Done"]["deployed"]) == ("trained", True)

    second = train(town, ada, "scan-2", flow).output
    assert (second["Trained"]["how"], version_of(second)) == ("updated", 1)
    assert second["Done"]["deployed"] is True

    uri = "globus://beamline/scan-2"
    (scan,) = house.get(f"/api/v1/records?uri={uri}", ada).json()["records"]
    house.store.invalidate(scan["id"], cause="the detector was misaligned")
    third = train(town, ada, "scan-3", flow).output
    assert third["Start"]["details"]["best"]["version"] == 0
    assert (version_of(third), third["Done"]["deployed"]) == (1, True)

    again = train(town, ada, "scan-2", flow).output
    assert again["Holds"]["details"]["invalid"][0]["root"] == scan["id"]
    assert again["Done"]["deployed"] is False


def version_of(output: dict[str, Any]) -> int:
    """The number of the version that was trained."""
    version: int = output["Recorded"]["details"]["models"][0]["version"]
    return version


def test_a_flow_that_gets_no_answer_goes_on(town: Town, house: House, ada: Person) -> None:
    definition = at(house.url, example("definition.json"))
    asking = definition["States"]["Ask for a start"]
    asking["ActionUrl"] = "http://127.0.0.1:9/query"
    asking["ActionScope"] = town.scope
    output = train(town, ada, "scan-1", definition).output
    assert "NoAnswer" in output
    assert (output["Trained"]["how"], output["Done"]["deployed"]) == ("trained", True)


def test_what_another_person_trained_is_no_start(town: Town, house: House, ada: Person) -> None:
    flow = at(house.url, example("definition.json"))
    train(town, ada, "scan-1", flow)
    output = train(town, town.person("bob"), "scan-2", flow).output
    assert output["Start"]["details"]["found"] is False
