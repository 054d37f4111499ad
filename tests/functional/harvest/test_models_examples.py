"""The four example flows, run twice and harvested with their TOML files: models and lineage."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.examples.harvest import example
from flows.examples.harvest.example import CLUSTER, EDGE, INSTRUMENT, NAMES, Site
from flows.harvest import read_conventions
from flows.sandbox import Sandbox
from flows.sandbox.runner import RunOutcome
from provenance_store import Store, open_store
from tests.support.command_line import Braid

Runs = dict[str, list[RunOutcome]]
Harvest = Callable[[str], Store]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Two runs of each flow."""
    with Sandbox(time_scale=0.001) as sandbox:
        site = Site(sandbox, tmp_path_factory.mktemp("site"))
        found = {name: [site.run(name, number) for number in (1, 2)] for name in NAMES}
    for name, outcomes in found.items():
        for outcome in outcomes:
            assert outcome.status == "SUCCEEDED", (name, outcome.run["details"])
    return found


@pytest.fixture
def harvested(runs: Runs, braid: Braid, tmp_path: Path) -> Iterator[Harvest]:
    """The store after both runs of an example were harvested on the command line."""
    stores: list[Store] = []

    def harvest(name: str) -> Store:
        for number, outcome in enumerate(runs[name]):
            told = braid(*command(name, number, outcome, tmp_path))
            assert told.code == 0, told.err
            assert "known" in told.out
            assert told.err.startswith("See it"), told.err  # nothing else is to be told
        stores.append(open_store(f"sqlite:///{tmp_path / 'braid.db'}"))
        assert stores[-1].check() == []
        return stores[-1]

    yield harvest
    for store in stores:
        store.close()


def command(name: str, number: int, outcome: RunOutcome, folder: Path) -> list[str]:
    """What a user writes to harvest a run from files."""
    documents = {"log": outcome.log, "run": outcome.run, "definition": example.definition(name)}
    arguments = ["flow", "harvest", "--models", str(example.conventions(name))]
    for what, document in documents.items():
        file = folder / f"{name}-{number}-{what}.json"
        file.write_text(json.dumps(document))
        arguments += [f"--{what}", str(file)]
    return arguments


def cluster(path: str) -> str:
    return f"globus://{CLUSTER}{path}"


def versions(store: Store, name: str) -> list[dict[str, Any]]:
    """The versions of a model, oldest first, each with its metrics, URIs and links."""
    reader = store.documents()
    return [reader.record(each["id"]) for each in reader.model(name)["versions"]]


def uris(record: dict[str, Any]) -> list[str]:
    return [uri["uri"] for uri in record["uris"]]


def linked(store: Store, record: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """The records that one depends on in that role, in the order of their URIs."""
    found = [store.documents().record(x["id"]) for x in record["links"] if x["role"] == role]
    return sorted(found, key=uris)


def steps(store: Store, outcome: RunOutcome) -> dict[str, dict[str, Any]]:
    found = store.documents().run(outcome.run["run_id"])["steps"]
    return {step["name"]: step for step in found}


def upstream(store: Store, record: dict[str, Any]) -> set[str]:
    return {node["name"] for node in store.documents().lineage(record["id"])["nodes"]}


def taking_part(step: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(model["name"], model["version"], model["how"]) for model in step["models"]]


def test_dnn_training(harvested: Harvest, runs: Runs) -> None:
    store = harvested("training")
    first, second = versions(store, "dose")
    assert [v["version"] for v in (first, second)] == [0, 1]
    assert uris(second) == [cluster("/models/dose-11.json")]
    assert second["hyperparameters"] == {"epochs": 5, "rate": 0.05}
    returned = steps(store, runs["training"][1])["TrainModel"]
    assert {name for point in second["metrics"] for name in point} == {"epoch", "loss", "val_loss"}
    assert [point["epoch"] for point in second["metrics"]] == [1, 2, 3, 4, 5]
    assert second["metrics"][0]["loss"] > second["metrics"][-1]["loss"]
    assert second["scores"].keys() == {"mae", "rows"}
    (data,) = linked(store, second, "trained_on")
    assert uris(data) == [cluster("/scans/2.csv")]
    assert {"TransferData", "TrainModel", "2.csv"} <= upstream(store, second)
    assert ("dose", 1, "updated") in taking_part(returned)  # a line goes on

    sent = steps(store, runs["training"][0])["TransferModel"]
    assert taking_part(sent) == [("dose", 0, "used"), ("dose", 0, "deployed")]
    assert [uri["uri"] for out in sent["outputs"] for uri in out["uris"]] == [
        f"globus://{EDGE}/deployed.json"
    ]
    origin = {node["name"] for node in store.documents().lineage(sent["outputs"][0]["id"])["nodes"]}
    assert {"dose", "TrainModel", "TransferData"} <= origin


def test_braggnn(harvested: Harvest, runs: Runs) -> None:
    store = harvested("braggnn")
    first, second = versions(store, "BraggNN")
    assert [v["tags"]["version"] for v in (first, second)] == ["v1", "v2"]
    assert [uris(v) for v in (first, second)] == [
        [cluster("/braggnn/BraggNN-v1.json")],
        [cluster("/braggnn/BraggNN-v2.json")],
    ]
    assert [point["epoch"] for point in second["metrics"]] == [0, 1, 2]
    assert all(point["loss"] > 0 for point in second["metrics"])
    assert second["scores"].keys() == {"mae_px"}
    labelled = linked(store, second, "trained_on")
    assert [uris(data) for data in labelled] == [
        [cluster("/scans/1.peaks.csv")],
        [cluster("/scans/2.peaks.csv")],
    ]
    assert {link["id"] for link in second["links"] if link["role"] == "derived_from"} == {
        first["id"]
    }
    assert {"Collect", "Label", "Retrain", "1.csv", "2.csv"} <= upstream(store, second)

    inferring = steps(store, runs["braggnn"][1])["Infer"]
    assert taking_part(inferring) == [
        ("BraggNN", 0, "used")
    ]  # as its argument says, not the newest
    found = next(out for out in inferring["outputs"] if "peaks found" in out["name"])
    assert uris(found) == [cluster("/scans/3.inferred.csv")]
    assert {"Infer", "BraggNN", "Label", "3.csv", "1.csv"} <= upstream(store, found)


def test_serial_crystallography(harvested: Harvest, runs: Runs) -> None:
    store = harvested("ssx")
    assert {m["name"] for m in store.documents().models()["models"]} == {
        "chip-7/lysozyme",
        "chip-7/nsp15",
    }
    for name in ("lysozyme", "nsp15"):
        first, second = versions(store, f"chip-7/{name}")
        assert uris(second) == [cluster(f"/chip-7/{name}.json")]
        assert second["scores"].keys() == {"r_work", "r_free"}
        assert [point["epoch"] for point in second["metrics"]] == [1, 2, 3, 4]
        assert len(linked(store, first, "trained_on")) == 2
        used = linked(store, second, "trained_on")
        assert [uris(data) for data in used] == [
            [cluster(f"/scans/{n}.int.csv")] for n in (1, 2, 3)
        ]
        assert {"Stills", "CreatePhil", "process.phil", "3.csv"} <= upstream(store, second)
    published = steps(store, runs["ssx"][1])["Publish"]
    assert taking_part(published) == [
        ("chip-7/lysozyme", 1, "deployed"),
        ("chip-7/nsp15", 1, "deployed"),
    ]
    (phil,) = store.documents().records(kind="fact", uri=cluster("/chip-7/process.phil"), limit=1)[
        "records"
    ]
    assert phil["kind"] == "fact"


def test_photon_correlation(harvested: Harvest, runs: Runs) -> None:
    store = harvested("xpcs")
    known, first, second = versions(store, "xpcs-encoder")
    assert known["tags"] == {"first_seen_in": "Correlate"}  # there was one before the first run
    assert [uris(v) for v in (known, first, second)] == [
        [cluster(f"/encoders/{n}.json")] for n in range(3)
    ]
    assert second["tags"] == {"sample": "silica", "facility": "beamline 8"}
    assert [point["step"] for point in second["metrics"]] == [50, 100, 150, 200]
    assert all({"loss", "kl"} <= point.keys() for point in second["metrics"])
    assert [uris(data) for data in linked(store, second, "trained_on")] == [
        [cluster("/scans/2.g2.csv")]
    ]
    assert {"SourceTransfer", "Correlate", "Encode", "g2 of silica"} <= upstream(store, second)

    one, two = (steps(store, outcome) for outcome in runs["xpcs"])
    assert taking_part(one["Correlate"]) == [("xpcs-encoder", 0, "used")]
    assert taking_part(two["Correlate"]) == [("xpcs-encoder", 1, "used")]
    assert ("ResultTransfer" in one, "SkipTransfer" in two) == (True, True)
    (back,) = one["ResultTransfer"]["outputs"]
    assert uris(back) == [f"globus://{INSTRUMENT}/scans/1.g2.csv"]
    assert {"Correlate", "xpcs-encoder", "1.csv"} <= upstream(store, back)


@pytest.mark.parametrize("name", NAMES)
def test_harvesting_an_example_again_changes_nothing(
    name: str, harvested: Harvest, runs: Runs, braid: Braid, tmp_path: Path
) -> None:
    store = harvested(name)
    before = store.info()
    for number, outcome in enumerate(runs[name]):
        told = braid(*command(name, number, outcome, tmp_path), "--again")
        assert ": 0 added" in told.out
    assert store.info() == before


@pytest.mark.parametrize("name", NAMES)
def test_each_rule_of_an_example_speaks_of_a_state_of_its_flow(name: str) -> None:
    states = example.definition(name)["States"]
    found = read_conventions(example.conventions(name))
    for rule in (*found.rules, *found.files):
        assert any(rule.fits(state, ()) for state in states), rule


def test_what_the_documentation_shows_is_a_file_of_rules(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "harvest.md"
    shown = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(shown) == 2
    for text in shown:
        file = tmp_path / "shown.toml"
        file.write_text(text)
        assert read_conventions(file).rules or read_conventions(file).files


def test_help_shows_how_a_rule_is_written(braid: Braid, tmp_path: Path) -> None:
    told = braid("flow", "harvest", "--help").out
    rule = told[told.index("[[model]]") : told.index("scores.mae")]
    (tmp_path / "shown.toml").write_text(rule)
    assert len(read_conventions(tmp_path / "shown.toml").rules) == 1


def test_a_rule_for_a_state_that_is_not_there_is_told(
    braid: Braid, runs: Runs, tmp_path: Path
) -> None:
    arguments = command("training", 0, runs["training"][0], tmp_path)
    file = tmp_path / "models.toml"
    file.write_text('[[model]]\nstate = ["Train*", "TrainModl"]\nname = "m"\nhow = "trained"\n')
    arguments[arguments.index("--models") + 1] = str(file)
    told = braid(*arguments)
    assert told.code == 0
    (line,) = [line for line in told.err.splitlines() if not line.startswith("See it")]
    assert "no state of what was harvested is named 'TrainModl'" in line


def test_a_wrong_file_is_told_in_one_line(braid: Braid, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('# mine\n[[model]]\nstate = "Train"\nname = "m"\nhow = "maid"\n')
    told = braid("flow", "harvest", "--models", file, "some-run")
    assert told.code == 1
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "models.toml: line 2: $.model[0].how: must be one of used, trained" in told.err
