"""Real flows, instrumented and run: the history that was recorded equals the run's own log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.definition import Options, WholeState, instrument
from flows.definition.strip import injected
from flows.sandbox.runner import RunOutcome, run_definition
from provenance_store.redaction import redact
from tests.functional.provider.house import House, Person, Town
from tests.support.corpus import CORPUS, MENDED, mended, prepare

REFUSED = {
    "registered-api-tutorial": "Id is not a UUID",
    "cfde-deriva-ingest": "does not parse",
}
"""Definitions that are refused as their authors left them, and words of the reason."""


def run_instrumented(
    name: str, town: Town, house: House, who: Person, flows: Path, folder: Path
) -> tuple[dict[str, Any], RunOutcome]:
    """The original definition, and a run of it with record states."""
    case = CORPUS[name]
    prepare(town.sandbox, folder)
    original = mended(name, flows)
    made = instrument(
        original,
        provider_url=f"{house.url}/record",
        provider_scope=town.scope,
        options=Options(on_whole_state=WholeState.ACCEPT),
    )
    outcome = run_definition(
        made.definition, case.input, town.sandbox, user=who.identity, label=name, timeout=90
    )
    assert outcome.status == case.expected_status, outcome.run["details"]
    return made.definition, outcome


def visits(definition: dict[str, Any], log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the log says of each visit to an Action state that is the author's own, in order."""
    ours = set(injected(definition["States"]))
    found: list[dict[str, Any]] = []
    for entry in log:
        name = entry["details"].get("state_name")
        if name in ours or not entry["code"].startswith("Action"):
            continue
        if entry["code"] == "ActionStarted":
            found.append({"name": name, "input": entry["details"]["input"]})
        elif entry["code"] == "ActionCompleted":
            path = definition["States"][name]["ResultPath"].removeprefix("$.").split(".")
            result = entry["details"]["output"]
            for part in path:
                result = result[part]
            found[-1] |= {"result": result, "status": result["status"]}
        elif entry["code"] == "ActionFailed":
            found[-1] |= {"result": None, "status": "FAILED"}
    return found


def agrees(logged: Any, recorded: Any) -> bool:
    """Whether recorded parameters are what was logged; `.=` keys are logged unevaluated."""
    if isinstance(logged, dict) and isinstance(recorded, dict):
        keys = {key for key in logged if not key.endswith(".=")}
        computed = {key.removesuffix(".=") for key in logged if key.endswith(".=")}
        hidden = {k for k in recorded if recorded[k] == "[redacted]"}
        return set(recorded) - hidden <= keys | computed and all(
            agrees(logged[key], recorded.get(key)) or key in hidden or key not in recorded
            for key in keys
        )
    if isinstance(logged, list) and isinstance(recorded, list):
        return len(logged) == len(recorded) and all(map(agrees, logged, recorded))
    return bool(redact(logged) == recorded)


def moved(parameters: Any) -> tuple[list[str], list[str]] | None:
    """Source and destination URIs of a Transfer's parameters, in either dialect."""
    if not isinstance(parameters, dict):
        return None
    items = parameters.get("DATA") or parameters.get("transfer_items")
    source = parameters.get("source_endpoint") or parameters.get("source_endpoint_id")
    target = parameters.get("destination_endpoint") or parameters.get("destination_endpoint_id")
    if not items or not source or not target:
        return None

    def uri(collection: str, path: str) -> str:
        rooted = path if path.startswith("/") else f"/~/{path}"  # relative to the home folder
        return f"globus://{collection}{rooted.rstrip('/')}"

    return (
        sorted({uri(source, item["source_path"]) for item in items}),
        sorted({uri(target, item["destination_path"]) for item in items}),
    )


def uris(mentions: list[dict[str, Any]]) -> list[str]:
    return sorted({uri["uri"] for m in mentions for uri in m["uris"]})


@pytest.mark.parametrize("name", sorted(set(CORPUS) - (set(REFUSED) - set(MENDED))))
def test_the_history_of_a_real_flow_equals_its_log(
    name: str, town: Town, house: House, ada: Person, shared_flows: Path, tmp_path: Path
) -> None:
    definition, outcome = run_instrumented(name, town, house, ada, shared_flows, tmp_path)
    logged = visits(definition, outcome.log)
    if outcome.status == "INACTIVE":
        assert house.get(f"/api/v1/runs/{outcome.run['run_id']}", ada).status_code == 404
        return
    answer = house.get(f"/api/v1/runs/{outcome.run['run_id']}", ada)
    if not logged and answer.status_code == 404:
        assert not injected(definition["States"])
        return
    history = answer.json()
    steps = [step for step in history["steps"] if step["type"] == "Action"]

    assert [step["name"] for step in steps] == [visit["name"] for visit in logged]
    assert history["status"] == outcome.run["status"]
    assert history["flow_id"] == outcome.run["flow_id"]
    assert history["run_owner"] == outcome.run["run_owner"] == ada.urn
    for step, visit in zip(steps, logged, strict=True):
        where = step["name"]
        assert step["status"] == visit["status"], where
        if visit["result"] is None:
            assert step["error"], where
            continue
        assert step["action_id"] == visit["result"]["action_id"], where
        record = house.get(f"/api/v1/records/{step['id']}", ada).json()
        kept = record["result"] or {}
        assert kept.get("_truncated") or agrees(visit["result"], kept), where
        assert agrees(visit["input"], step["parameters"]), where
        if (ends := moved(step["parameters"])) is not None:
            assert (uris(step["inputs"]), uris(step["outputs"])) == ends, where
        details = visit["result"]["details"]
        if isinstance(details, dict) and isinstance(details.get("result"), list):
            assert len(step["outputs"]) == len(details["result"]), where
    assert house.store.check() == []


def test_what_is_refused_says_why(shared_flows: Path) -> None:
    from provenance_store.errors import InvalidInput

    for name, word in REFUSED.items():
        definition = CORPUS[name].definition(shared_flows)
        with pytest.raises(InvalidInput, match=word):
            instrument(definition, provider_url="https://braid.example.org/record")


def test_the_same_file_in_two_steps_is_one_record_so_that_lineage_connects(
    town: Town, house: House, ada: Person, shared_flows: Path, tmp_path: Path
) -> None:
    _, outcome = run_instrumented("ac-multi-transfer", town, house, ada, shared_flows, tmp_path)
    history = house.get(f"/api/v1/runs/{outcome.run['run_id']}", ada).json()
    first, second = (step for step in history["steps"] if step["type"] == "Action")
    assert [o["id"] for o in first["outputs"]] == [i["id"] for i in second["inputs"]]
    result = second["outputs"][0]["id"]
    lineage = house.get(f"/api/v1/records/{result}/lineage", ada).json()
    names = {node["name"] for node in lineage["nodes"]}
    assert {first["name"], second["name"]} <= names
