"""The log of a run of the production service, harvested, against values read in it by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flows.harvest import RunLog, harvest
from provenance_store import Store

pytestmark = pytest.mark.slow

NAME = "livepub-example-collection"
INSTRUMENT = "b782400e-3e59-412c-8f73-56cd0782301f"
CLUSTER = "8ee44381-114a-45de-b8f8-d105a90c200d"
SERVER = "4a420ad5-4113-4d7d-aba2-883f8208e897"
CRATES = "bef81ab4-3b89-4b36-a26a-e1b98a564ec8"
LS_TASK = "b2bb0cea-ce63-4a83-ba58-74df9b8bce71"
SCRIPT_TASK = "7a171870-b038-4174-84e1-29cdcc42f72c"
LS = "globus-compute://function/0944fd60-b64c-49f0-96fd-05c9c85d7360"
SCRIPT = "globus-compute://function/6dab532b-ff62-448d-b57a-7e1fa22a81b8"

ENDPOINT = "58fb6f2d-ff78-4f39-9669-38c12d01f566"
ASSUMED = (
    f"The files of Compute endpoint {ENDPOINT} are taken for those of collection {CLUSTER}: "
    "/input/test.txt."
)


class Told(NamedTuple):
    """What the log says of one step: URIs with sizes in bytes."""

    name: str
    action_id: str
    started: str
    ended: str
    inputs: dict[str, int | None]
    outputs: dict[str, int | None]
    task: dict[str, Any]


STEPS = (
    Told(
        "TransferToCompute",
        "LI1CcDCLpCxT",
        "2024-05-02T23:41:06.944747+00:00",
        "2024-05-02T23:41:37.000000+00:00",
        {f"globus://{INSTRUMENT}/output/test.txt": 0},
        {f"globus://{CLUSTER}/input/test.txt": 0},
        {"task_id": "7cbe0476-08dd-11ef-8aa4-993129235be9", "bytes_transferred": 0, "files": 1},
    ),
    Told(
        "Ls",
        "tg_b1b97c76-02af-466a-b2f9-c951bbfbeb89",
        "2024-05-02T23:41:51.667575+00:00",
        "2024-05-02T23:42:03.847899+00:00",
        {LS: None, f"globus://{CLUSTER}/input/test.txt": 0},
        {f"globus-compute://task/{LS_TASK}": None},
        {"endpoint_id": ENDPOINT, "assumed": ASSUMED},
    ),
    Told(
        "Transfer_provenance_ls",
        "lVM8twxW0SEp",
        "2024-05-02T23:42:06.827227+00:00",
        "2024-05-02T23:42:22.000000+00:00",
        {
            f"globus-compute://task/{LS_TASK}": None,
            f"globus://{CLUSTER}/~/{LS_TASK}.crate": None,
        },
        {f"globus://{SERVER}/~/{CRATES}/{LS_TASK}": None},
        {"task_id": "965e7f50-08dd-11ef-82c0-57b5c7e2fa2b", "bytes_transferred": 1073, "files": 1},
    ),
    Told(
        "Getscript",
        "tg_6d96f62f-01ae-4d92-bcfc-6eb32a3648d1",
        "2024-05-02T23:42:43.612068+00:00",
        "2024-05-02T23:42:46.448732+00:00",
        {SCRIPT: None, f"globus://{CLUSTER}/input/test.txt": 0},
        {
            f"globus-compute://task/{SCRIPT_TASK}": None,
            f"globus://{CLUSTER}/output/test.txt": 86091,
        },
        {"endpoint_id": ENDPOINT, "assumed": ASSUMED},
    ),
    Told(
        "Transfer_provenance_GetScript",
        "13V3D85zjczsN",
        "2024-05-02T23:42:57.646258+00:00",
        "2024-05-02T23:43:12.000000+00:00",
        {
            f"globus-compute://task/{SCRIPT_TASK}": None,
            f"globus://{CLUSTER}/~/{SCRIPT_TASK}.crate": None,
        },
        {f"globus://{SERVER}/~/{CRATES}/{SCRIPT_TASK}": None},
        {"task_id": "b4620986-08dd-11ef-82c0-57b5c7e2fa2b", "bytes_transferred": 1073, "files": 1},
    ),
    Told(
        "TransferFromCompute",
        "yXYVm68fZ2Eg",
        "2024-05-02T23:43:20.211803+00:00",
        "2024-05-02T23:43:35.000000+00:00",
        {f"globus://{CLUSTER}/output/test.txt": 86091},
        {f"globus://{INSTRUMENT}/input/test.txt": 86091},
        {"task_id": "c200ab06-08dd-11ef-82c0-57b5c7e2fa2b", "bytes_transferred": 86091, "files": 1},
    ),
)


@pytest.fixture
def given(shared_flows: Path) -> RunLog:
    log = json.loads((shared_flows / f"{NAME}.run_log.json").read_text())
    return RunLog(log, json.loads((shared_flows / f"{NAME}.json").read_text()), run_id="run-1")


def uris(records: list[dict[str, Any]]) -> dict[str, int | None]:
    return {uri["uri"]: uri["size"] for record in records for uri in record["uris"]}


def test_every_step_is_as_the_log_tells(store: Store, given: RunLog) -> None:
    told = harvest(store, given)
    assert (told.steps, told.added, told.status, told.notes) == (6, 6, "SUCCEEDED", [])
    run = store.documents().run("run-1")
    assert run["status"] == "SUCCEEDED"
    assert run["start_time"] == "2024-05-02T23:41:06.433000+00:00"
    assert run["completion_time"] == "2024-05-02T23:43:37.107000+00:00"
    for step, expected in zip(run["steps"], STEPS, strict=True):
        assert step["name"] == expected.name
        assert (step["type"], step["status"]) == ("Action", "SUCCEEDED")
        assert step["action_id"] == expected.action_id
        assert (step["start_time"], step["completion_time"]) == (expected.started, expected.ended)
        assert uris(step["inputs"]) == expected.inputs
        assert uris(step["outputs"]) == expected.outputs
        assert expected.task.items() <= step["tags"].items()
    assert store.check() == []


def test_compute_results_are_kept(store: Store, given: RunLog) -> None:
    harvest(store, given)
    reader = store.documents()
    steps = {step["name"]: step for step in reader.run("run-1")["steps"]}
    result = reader.record(steps["Ls"]["id"])["result"]
    assert result["display_status"] == "All tasks completed"
    listed = ["input", "output", "aca695cd-82ec-4442-86b7-e2254bdbbc1a.crate"]
    assert result["details"]["results"] == [{"output": listed, "task_id": LS_TASK}]


def test_expressions_that_the_log_leaves_are_evaluated(store: Store, given: RunLog) -> None:
    harvest(store, given)
    steps = {step["name"]: step for step in store.documents().run("run-1")["steps"]}
    assert steps["Transfer_provenance_ls"]["parameters"]["transfer_items"] == [
        {
            "recursive": True,
            "source_path": f"{LS_TASK}.crate",
            "destination_path": f"{CRATES}/{LS_TASK}",
        }
    ]


def test_a_value_taken_from_a_result_links_to_that_result(store: Store, given: RunLog) -> None:
    harvest(store, given)
    reader = store.documents()
    crate = reader.records(uri=f"globus://{SERVER}/~/{CRATES}/{LS_TASK}")["records"][0]
    lineage = reader.lineage(crate["id"], roles=("used", "generated_by", "derived_from"))
    names = {node["name"] for node in lineage["nodes"]}
    assert {"Transfer_provenance_ls", "Ls result", "Ls"} <= names
    assert "TransferToCompute" in names  # it brought the file whose path Ls was given
    assert "TransferFromCompute" not in names


def test_harvesting_again_writes_nothing(store: Store, given: RunLog) -> None:
    harvest(store, given)
    before = store.info()
    again = harvest(store, given)
    assert (again.added, again.known, again.completed) == (0, 6, 0)
    assert store.info() == before


@pytest.mark.parametrize("cut", range(15))
def test_a_log_that_grows_gives_the_same_history_as_the_whole(
    cut: int, store: Store, given: RunLog
) -> None:
    oldest_first = given.log[::-1]
    first = harvest(store, RunLog(oldest_first[:cut], given.definition, run_id="run-1"))
    assert first.added == max(0, (cut - 1) // 2)
    last = harvest(store, given)
    assert (first.added + last.added, last.known) == (6, first.added)
    run = store.documents().run("run-1")
    assert [step["name"] for step in run["steps"]] == [told.name for told in STEPS]
    assert [uris(step["inputs"]) for step in run["steps"]] == [told.inputs for told in STEPS]
    assert run["status"] == "SUCCEEDED"
    assert store.check() == []


def test_any_order_of_entries_is_read(store: Store, given: RunLog) -> None:
    pages = {"entries": given.log[7:]}, {"entries": given.log[:7]}
    told = harvest(store, RunLog(list(pages), given.definition, run_id="run-1"))
    assert told.added == 6
    run = store.documents().run("run-1")
    assert [step["name"] for step in run["steps"]] == [told.name for told in STEPS]
