"""A flow whose author records models by hand: its log adds nothing that is there already."""

from __future__ import annotations

from pathlib import Path

from flows.examples.bragg import example
from flows.harvest import RunLog, harvest
from flows.sandbox import Sandbox
from flows.sandbox.runner import run_definition
from provenance_store import open_store
from tests.functional.provider.house import Town, serving
from tests.support.needs import need_module


def test_steps_that_were_recorded_by_hand_are_found_again(tmp_path: Path) -> None:
    need_module("numpy")
    with Sandbox(time_scale=0.001) as sandbox:
        town = Town(sandbox)
        ada = town.person("ada")
        with serving(f"sqlite:///{tmp_path / 'store.db'}", town.environ()) as house:
            definition = example.instrumented(f"{house.url}/record", town.scope)
            given = example.furnish(sandbox, tmp_path / "sites")
            given["epochs"] = {"simulated": 2, "scan": 2}
            outcome = run_definition(definition, given, sandbox, user=ada.identity, timeout=90)
            assert outcome.status == "SUCCEEDED", outcome.run["details"]
            run_id = outcome.run["run_id"]
            recorded = house.store.documents().run_steps(run_id)
            before = house.counts()
            told = harvest(house.store, RunLog(outcome.log, definition, outcome.run))
            assert told.known == len(recorded)
            assert told.notes == []
            steps = house.store.documents().run_steps(run_id)
            added = [step for step in steps if step not in recorded and step.ordinal is not None]
            assert {step.type for step in added} == {"ExpressionEval", "Choice"}
            assert len(steps) == len(recorded) + told.added
            after = house.counts()
            assert after["version"] == before["version"]
            assert after["uri"] == before["uri"]
            assert house.store.check() == []
            harvest(house.store, RunLog(outcome.log, definition, outcome.run))
            assert house.counts() == after


def test_what_the_author_would_have_recorded_is_harvested_when_the_provider_was_away(
    tmp_path: Path,
) -> None:
    need_module("numpy")
    with Sandbox(time_scale=0.001) as sandbox, open_store(f"sqlite:///{tmp_path}/s.db") as store:
        definition = example.instrumented("http://127.0.0.1:9/record", Town(sandbox).scope)
        given = example.furnish(sandbox, tmp_path / "sites")
        given["epochs"] = {"simulated": 2, "scan": 2}
        outcome = run_definition(definition, given, sandbox, timeout=90)
        assert outcome.status == "SUCCEEDED", outcome.run["details"]
        told = harvest(store, RunLog(outcome.log, definition, outcome.run))
        assert told.notes == []
        reader = store.documents()
        versions = reader.model("bragg-peaks")["versions"]
        assert [version["version"] for version in versions] == [0, 1, 2, 3]
        assert len(reader.model("bragg-edge")["versions"]) == 3
        names = {node["name"] for node in reader.lineage(versions[-1]["id"])["nodes"]}
        assert {"simulated peaks", "Pre-train", "Collect scan"} <= names
        assert any(name.startswith("training pair") for name in names)
        assert store.check() == []
        before = store.info()
        again = harvest(store, RunLog(outcome.log, definition, outcome.run))
        assert (again.added, again.completed) == (0, 0)
        assert store.info() == before
