"""Real flows, instrumented and run: their log tells the same history as their record states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.definition.strip import injected
from flows.harvest import RunLog, harvest
from provenance_store import Store, open_store
from tests.functional.history.test_history_equals_log import REFUSED, run_instrumented
from tests.functional.provider.house import House, Person, Town
from tests.support.corpus import CORPUS, MENDED

NAMES = sorted(set(CORPUS) - (set(REFUSED) - set(MENDED)))


def steps(store: Store, run_id: str) -> list[dict[str, Any]]:
    """The steps of a run, actions with their results."""
    reader = store.documents()
    found: list[dict[str, Any]] = reader.run(run_id, limit=1000)["steps"]
    for step in found:
        if step["type"] == "Action":
            step["result"] = reader.record(step["id"])["result"]
    return found


def uris(step: dict[str, Any], how: str) -> dict[str, Any]:
    return {uri["uri"]: uri["size"] for record in step[how] for uri in record["uris"]}


def ids(step: dict[str, Any]) -> tuple[list[str], ...]:
    """What a step used and made, and its models."""
    return tuple([each["id"] for each in step[how]] for how in ("inputs", "outputs", "models"))


def agree(recorded: dict[str, Any], harvested: dict[str, Any]) -> None:
    """One step as its record state told it, and as the log does."""
    where = recorded["name"]
    for field in ("name", "type", "status", "action_url", "run_as"):
        assert recorded[field] == harvested[field], (where, field)
    # A record state tells it where a run begins.
    assert recorded["definition_digest"] in (None, harvested["definition_digest"]), where
    assert recorded["error"] == harvested["error"], where
    assert uris(recorded, "outputs") == uris(harvested, "outputs"), where
    assert uris(recorded, "inputs").items() <= uris(harvested, "inputs").items(), where
    assert [o["name"] for o in recorded["outputs"]] == [o["name"] for o in harvested["outputs"]]
    tags = {k: v for k, v in recorded["tags"].items() if k != "username"}
    assert tags == harvested["tags"], where
    for model, told in zip(recorded["models"], harvested["models"], strict=True):
        assert (model["name"], model["how"]) == (told["name"], told["how"]), where
    if recorded["type"] == "Action":
        assert recorded["action_id"] == harvested["action_id"], where
        assert recorded["parameters"] == harvested["parameters"], where
        assert recorded["result"] == harvested["result"], where
        for time in ("start_time", "completion_time"):
            assert recorded[time] == harvested[time], (where, time)


@pytest.mark.parametrize("name", NAMES)
def test_harvest_and_record_states_tell_the_same_history(
    name: str, town: Town, house: House, ada: Person, shared_flows: Path, tmp_path: Path
) -> None:
    definition, outcome = run_instrumented(name, town, house, ada, shared_flows, tmp_path)
    run_id, ours = outcome.run["run_id"], set(injected(definition["States"]))
    given = RunLog(outcome.log, definition, outcome.run)
    logged = [
        entry["details"]["state_name"]
        for entry in outcome.log
        if entry["code"].endswith("Started")
        and entry["details"].get("state_name", "") not in ours
        and entry["code"] != "FlowStarted"
    ]
    recorded = steps(house.store, run_id) if house.store.documents().run_steps(run_id) else []

    with open_store(f"sqlite:///{tmp_path / 'harvest.db'}") as store:
        told = harvest(store, given)
        assert (told.added, told.known, told.notes) == (len(logged) - told.waiting, 0, [])
        harvested = steps(store, run_id) if told.added else []
        assert [step["name"] for step in harvested] == logged[: told.added]
        assert store.check() == []
        called = [step["name"] for step in harvested if step["type"] == "Action"]
        assert [step["name"] for step in recorded if step["type"] == "Action"] == called
        matched = iter(harvested)
        assert not recorded or recorded[0]["definition_digest"]
        for step in recorded:
            agree(step, next(each for each in matched if each["name"] == step["name"]))

    before = house.counts()
    again = harvest(house.store, given)
    assert again.known == len(recorded)
    assert again.added == told.added - len(recorded)
    whole = house.store.documents().run(run_id, limit=1000)["steps"] if told.added else []
    assert sorted(step["name"] for step in whole) == sorted(logged[: told.added])
    assert {s["id"]: ids(s) for s in recorded}.items() <= {s["id"]: ids(s) for s in whole}.items()
    assert house.store.check() == []
    after = house.counts()
    assert after["step"] == before["step"] + again.added
    third = harvest(house.store, given)
    assert (third.added, third.completed, third.known) == (0, 0, told.added)
    assert house.counts() == after


def test_all_real_flows_are_run_none_is_left_out() -> None:
    assert set(NAMES) == set(CORPUS)
