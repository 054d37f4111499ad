"""The Bragg peaks flow without any record state: its model versions out of the log."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from flows.examples.bragg import example
from flows.harvest import RunLog, harvest, read_conventions
from flows.sandbox import Sandbox
from flows.sandbox.runner import RunOutcome, run_definition
from provenance_store import Store, open_store
from tests.support.needs import missing, need_module


def unrecorded(definition: dict[str, Any]) -> dict[str, Any]:
    """The flow without the states by which its author records."""
    states = definition["States"]
    ours = {n: s for n, s in states.items() if s.get("ActionUrl") == example.RECORDER}
    left = {}
    for name, state in states.items():
        if name not in ours:
            following = state.get("Next")
            more = {"Next": ours[following]["Next"]} if following in ours else {}
            left[name] = {**state, **more}
    return {**definition, "States": left}


@pytest.fixture(scope="module")
def bragg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], RunOutcome]]:
    need_module("numpy")
    definition = unrecorded(example.definition())
    with Sandbox(time_scale=0.001) as sandbox:
        given = example.furnish(sandbox, tmp_path_factory.mktemp("bragg"))
        given["epochs"] = {"simulated": 2, "scan": 2}
        outcome = run_definition(definition, given, sandbox, timeout=90)
        if outcome.status != "SUCCEEDED":
            missing(f"the example does not run here: {outcome.run['details']}")
        yield definition, outcome


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        yield store


def conventions() -> Any:
    return read_conventions(Path(str(files("flows.examples.bragg").joinpath("models.toml"))))


def check_models(store: Store) -> None:
    reader = store.documents()
    line = reader.model("bragg-peaks")
    assert [version["version"] for version in line["versions"]] == [0, 1, 2, 3]
    assert all(version["scores"] for version in line["versions"])
    last = reader.record(line["versions"][-1]["id"])
    assert last["metrics"]
    assert last["uris"][0]["digest"].startswith("sha256:")
    upstream = {node["name"] for node in reader.lineage(last["id"])["nodes"]}
    assert {"Train", "Pre-train"} <= upstream
    assert len(reader.model("bragg-edge")["versions"]) == 3
    assert store.check() == []


def test_conventions_give_a_harvested_history_its_model_versions(
    bragg: tuple[dict[str, Any], RunOutcome], store: Store
) -> None:
    definition, outcome = bragg
    given = RunLog(outcome.log, definition, outcome.run)
    told = harvest(store, given, conventions=conventions())
    assert told.notes == []
    check_models(store)
    steps = {step["name"]: step for step in store.documents().run(told.run_id)["steps"]}
    assert [model["how"] for model in steps["Deploy"]["models"]] == ["used", "deployed"]
    assert [model["how"] for model in steps["Apply"]["models"]] == ["used"]
    before = store.info()
    again = harvest(store, given, conventions=conventions())
    assert (again.added, again.completed) == (0, 0)
    assert store.info() == before


def test_conventions_that_come_later_add_the_versions_to_the_steps(
    bragg: tuple[dict[str, Any], RunOutcome], store: Store
) -> None:
    definition, outcome = bragg
    given = RunLog(outcome.log, definition, outcome.run)
    first = harvest(store, given)
    assert store.documents().models()["models"] == []
    later = harvest(store, given, conventions=conventions())
    assert (later.added, later.known, later.completed) == (0, first.added, 7)
    check_models(store)
    again = harvest(store, given, conventions=conventions())
    assert (again.added, again.completed) == (0, 0)
