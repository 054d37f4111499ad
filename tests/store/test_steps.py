"""Steps recorded into a real store are found again: by runs, by lineage, by the next step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.steps import MemoryLookup, Receipt, StoreLookup, read_body, record_step
from provenance_store import Audience, Store, Viewer
from provenance_store.errors import InvalidInput

TRANSFER = "https://transfer.actions.globus.org/transfer"
ADA, BOB = "urn:globus:auth:identity:ada", "urn:globus:auth:identity:bob"


def record(store: Store, name: str, *, who: str = ADA, run_id: str = "r1", **body: Any) -> Receipt:
    """Record as the action provider does: the caller owns, and sees what is theirs."""
    step = {"name": name, **body.pop("step", {})}
    read = read_body({"run": {"run_id": run_id}, "step": step, **body})
    recorder = store.recorder(run_id=run_id, audience=Audience(who))
    viewer = Viewer(principals=frozenset({who}))
    return record_step(recorder, StoreLookup(store.documents(viewer)), read)


def transfer(source: str, destination: str) -> dict[str, Any]:
    (source_id, source_path), (to_id, to_path) = source.split(":"), destination.split(":")
    item = {"source_path": source_path, "destination_path": to_path}
    return {"source_endpoint": source_id, "destination_endpoint": to_id, "DATA": [item]}


def status(receipt: Receipt) -> dict[str, Any]:
    return {"action_id": "a", "status": "SUCCEEDED", "details": receipt.document()}


def names(lineage: dict[str, Any]) -> set[str]:
    return {node["name"] for node in lineage["nodes"]}


def test_a_run_is_read_back_as_it_was_recorded(store: Store) -> None:
    record(
        store,
        "Train",
        inputs=["file:///scan.h5"],
        outputs=[{"name": "log", "uri": "file:///log"}],
        models=[{"name": "peaks", "how": "trained", "scores": {"f1": 0.9}}],
        parameters={"lr": 0.1, "password": "hush"},
        result={"action_id": "x", "status": "SUCCEEDED", "start_time": "2026-01-01T00:00:00Z"},
        tags={"sample": "Ni"},
    )
    (step,) = store.documents().run("r1")["steps"]
    assert (step["name"], step["status"], step["action_id"]) == ("Train", "SUCCEEDED", "x")
    assert step["start_time"] == "2026-01-01T00:00:00.000000+00:00"
    assert step["parameters"] == {"lr": 0.1, "password": "[redacted]"}
    assert [item["name"] for item in step["inputs"]] == ["scan.h5"]
    assert [item["name"] for item in step["outputs"]] == ["log"]
    assert [(item["name"], item["how"]) for item in step["models"]] == [("peaks", "trained")]
    assert step["tags"] == {"sample": "Ni"}


def begun(store: Store) -> str:
    started: str = store.documents().run("r1")["start_time"]
    return started[:19]


def test_a_run_begins_with_its_first_step_not_with_its_first_record(store: Store) -> None:
    record(store, "Train", result={"status": "SUCCEEDED", "start_time": "2026-01-01T00:00:05Z"})
    assert begun(store) == "2026-01-01T00:00:05"
    record(store, "Plot", result={"status": "SUCCEEDED", "start_time": "2026-01-01T00:00:09Z"})
    assert begun(store) == "2026-01-01T00:00:05"
    record(store, "Last")
    assert begun(store) == "2026-01-01T00:00:05"
    store.run("r1", start_time=1_767_225_601_000_000)
    assert begun(store) == "2026-01-01T00:00:01"


def test_a_run_of_a_step_without_a_start_begins_when_it_was_recorded(store: Store) -> None:
    record(store, "Train")
    first = store.documents().run("r1")
    record(store, "Plot", result={"status": "SUCCEEDED", "start_time": "2100-01-01T00:00:00Z"})
    assert store.documents().run("r1")["start_time"] == first["start_time"]
    (train, _) = store.documents().run("r1")["steps"]
    assert train["start_time"] >= first["start_time"]


def test_transfers_of_one_run_are_one_lineage(store: Store) -> None:
    step = {"action_url": TRANSFER}
    record(store, "There", step=step, parameters=transfer("a:/raw.h5", "b:/in.h5"))
    back = record(store, "Back", step=step, parameters=transfer("b:/in.h5", "c:/kept.h5"))
    up = store.documents().lineage(back.document()["outputs"][0], direction="up")
    assert names(up) == {"kept.h5", "in.h5", "raw.h5", "There", "Back"}


def test_receipts_connect_steps(store: Store) -> None:
    trained = record(store, "Train", inputs=["file:///a"], models=[{"name": "m", "how": "trained"}])
    used = record(
        store,
        "Predict",
        inputs=["file:///b"],
        outputs=[{"name": "peaks"}],
        models=[{"id": status(trained), "how": "used"}],
    )
    up = store.documents().lineage(used.document()["outputs"][0], direction="up")
    assert names(up) == {"peaks", "Predict", "b", "m", "Train", "a"}


def test_a_cut_receipt_means_all_its_outputs(store: Store) -> None:
    before = record(store, "Split", outputs=[{"name": f"part {n}"} for n in range(50)])
    after = record(store, "Join", inputs=[status(before)])
    assert sorted(after.inputs) == sorted(before.outputs)


def test_a_dataset_goes_back_to_what_its_members_came_from(store: Store) -> None:
    datum = record(store, "Measure", inputs=["file:///sample"], outputs=[{"name": "datum"}])
    fit = record(store, "Fit", inputs=[status(datum)], outputs=[{"name": "fit"}])
    pair = {"name": "pair", "kind": "dataset", "members": [status(datum), status(fit)]}
    model = {"name": "m", "how": "trained", "trained_on": [pair]}
    trained = record(store, "Train", models=[model])
    up = store.documents().lineage(trained.document()["models"][0]["id"], direction="up")
    assert names(up) == {"m", "Train", "pair", "datum", "fit", "Measure", "Fit", "sample"}


def test_a_run_ends_when_its_last_step_is_recorded(store: Store) -> None:
    record(store, "First", run={"run_id": "r1", "status": "ACTIVE"})
    assert store.documents().run("r1")["completion_time"] is None
    record(store, "Last", run={"run_id": "r1", "status": "SUCCEEDED"})
    assert store.documents().run("r1")["completion_time"] is not None


def test_a_model_line_grows_over_runs_and_by_id(store: Store) -> None:
    first = record(store, "Train", models=[{"name": "m", "how": "trained"}])
    second = record(store, "Train", run_id="r2", models=[{"name": "m", "how": "trained"}])
    by_id = {"id": first.document()["models"][0]["id"], "how": "updated"}
    branch = record(store, "Tune", run_id="r3", models=[by_id])
    assert [r.models[0].version for r in (first, second, branch)] == [0, 1, 1]
    assert len(store.documents().model("m")["versions"]) == 3
    with pytest.raises(InvalidInput, match="give the id of one"):
        record(store, "Tune", run_id="r4", models=[{"name": "m", "how": "updated"}])
    again = record(store, "Tune", run_id="r3", models=[{"name": "m", "how": "updated"}])
    assert again.models[0].version == 2


def test_what_others_own_cannot_be_referred_to_or_found(store: Store) -> None:
    theirs = record(store, "Theirs", who=BOB, outputs=["file:///secret"], models=[{"name": "m"}])
    for reference in (theirs.document()["outputs"][0], status(theirs)):
        with pytest.raises(InvalidInput, match=r"inputs\[0\]: There is no record"):
            record(store, "Mine", inputs=[reference])
    mine = record(store, "Mine", inputs=["file:///secret"], models=[{"name": "m"}])
    assert mine.inputs != theirs.outputs
    assert mine.models[0].line_id != theirs.models[0].line_id


def test_a_real_run_recorded_state_by_state(store: Store, shared_flows: Path) -> None:
    log = json.loads((shared_flows / "livepub-example-collection.run_log.json").read_text())
    flow = json.loads((shared_flows / "livepub-example-collection.json").read_text())
    started: dict[str, Any] = {}
    for entry in reversed(log):
        details = entry["details"]
        if entry["code"] == "ActionStarted":
            started = details["input"]
        elif entry["code"] == "ActionCompleted":
            state = flow["States"][details["state_name"]]
            result = details["output"][state["ResultPath"].removeprefix("$.")]
            url = state["ActionUrl"]
            step = {"action_url": url}
            record(store, details["state_name"], step=step, parameters=started, result=result)
    steps = store.documents().run("r1")["steps"]
    assert [step["status"] for step in steps] == ["SUCCEEDED"] * 6
    transfers = [step for step in steps if step["name"] == "TransferFromCompute"]
    (output,) = transfers[0]["outputs"]
    assert output["uris"][0]["size"] == 86091
    assert transfers[0]["completion_time"] == "2024-05-02T23:43:35.000000+00:00"


def test_steps_of_one_batch_find_each_other_and_what_is_stored(store: Store) -> None:
    stored = record(
        store, "Before", outputs=["file:///a"], models=[{"name": "m", "how": "trained"}]
    )
    recorder = store.recorder(run_id="r1", audience=Audience(ADA))
    viewer = Viewer(principals=frozenset({ADA}))
    lookup = MemoryLookup(StoreLookup(store.documents(viewer)))
    run = {"run_id": "r1"}
    update = [{"name": "m", "how": "updated"}]
    bodies = [
        {"inputs": ["file:///a", "file:///x"], "outputs": ["file:///b"], "models": update},
        {"inputs": ["file:///b", status(stored)], "models": update},
    ]
    with recorder.transaction():
        first, second = (
            record_step(
                recorder, lookup, read_body({"run": run, "step": {"name": f"S{n}"}, **body})
            )
            for n, body in enumerate(bodies)
        )
    assert first.inputs[:1] == stored.outputs
    assert second.inputs == (*first.outputs, *stored.outputs)
    assert [r.models[0].version for r in (first, second)] == [1, 2]
    assert len(store.documents().model("m")["versions"]) == 3


def test_odd_documents_are_kept_as_they_are(store: Store) -> None:
    odd = {"nul": "a\x00b", "big": 1 << 80, "text": "Ångström \U0001f9ea", "none": None}
    result = {"status": "SUCCEEDED", "label": "a\x00b", "action_id": "x\x00", "details": odd}
    record(store, "Odd", parameters=odd, result=result, error=None)
    (step,) = store.documents().run("r1")["steps"]
    assert step["left_out"] == ["result"]
    kept = store.documents().record(step["id"])
    assert (step["parameters"], kept["parameters"], kept["result"]) == (odd, odd, result)
    assert (step["action_id"], step["tags"]) == ("x", {"label": "ab"})


def test_what_a_step_made_is_found_within_a_bound_and_as_far_as_the_caller_may_see(
    store: Store,
) -> None:
    made = record(
        store,
        "Make",
        outputs=["file:///a", "file:///b"],
        models=[{"name": "peaks", "how": "trained"}],
    )
    ada = StoreLookup(store.documents(Viewer(principals=frozenset({ADA}))))
    bob = StoreLookup(store.documents(Viewer(principals=frozenset({BOB}))))
    found = ada.made_by(made.step)
    assert (found.outputs, found.models) == (made.outputs, (made.models[0].id,))
    assert bob.made_by(made.step) == ((), ())
    assert len(store.documents().made_by(made.step, limit=2)) == 2
