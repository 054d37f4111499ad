"""Lists are light, and the steps of a run come a page at a time."""

from __future__ import annotations

from typing import Any

import pytest

from provenance_store import Audience, Store
from provenance_store.errors import InvalidInput
from provenance_store.queries import runs

ADA, BOB = "urn:globus:auth:identity:ada", "urn:globus:auth:identity:bob"
HEAVY = {"metrics", "hyperparameters", "parameters", "result", "error"}


def test_lists_carry_no_curves_and_no_documents_and_a_single_record_has_all(store: Store) -> None:
    rec = store.recorder(run_id="r")
    model = rec.model(
        "peaks",
        metrics=[{"epoch": 1, "loss": 0.5}],
        scores={"f1": 0.9},
        hyperparameters={"lr": 0.1},
        uris=["file:///w.h5"],
        tags={"sample": "Ni"},
    )
    step = rec.step("Train", parameters={"a": 1})
    step.finish("FAILED", error={"why": "no beam"})
    read = store.documents()
    listed = {record["name"]: record for record in read.records()["records"]}
    (line,) = read.models()["models"]
    for document in (*listed.values(), line["latest"]):
        assert not HEAVY & document.keys()
    for document in (listed["peaks"], line["latest"]):
        assert document["scores"] == {"f1": 0.9}
        assert document["tags"] == {"sample": "Ni"}
        assert [uri["uri"] for uri in document["uris"]] == ["file:///w.h5"]
    whole = read.record(model.urn)
    assert (whole["metrics"], whole["hyperparameters"]) == (
        [{"epoch": 1, "loss": 0.5}],
        {"lr": 0.1},
    )
    assert read.record(step.urn)["error"] == {"why": "no beam"}


def test_the_steps_of_a_run_come_in_pages_in_the_order_in_which_they_began(store: Store) -> None:
    rec = store.recorder(run_id="r")
    rec.run("r")
    with rec.transaction():
        for number in range(7):
            rec.step(f"S{number}", started_at=number // 3)
    read = store.documents()
    names: list[str] = []
    marker, pages = None, 0
    while pages == 0 or marker is not None:
        page = read.run("r", limit=2, marker=marker)
        names += [step["name"] for step in page["steps"]]
        marker, pages = page["marker"], pages + 1
        assert page["has_next_page"] is (marker is not None)
    assert (names, pages) == ([f"S{number}" for number in range(7)], 4)
    whole = read.run("r")
    assert (len(whole["steps"]), whole["limit"], whole["marker"]) == (7, 100, None)
    with pytest.raises(InvalidInput, match="limit"):
        read.run("r", limit=1001)


def test_a_run_shows_parameters_and_errors_as_far_as_there_is_room_and_says_what_it_leaves_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAYLOAD_BUDGET", 1_000)
    rec = store.recorder(run_id="r")
    rec.run("r")
    for number in range(3):
        step = rec.step(f"S{number}", parameters={"text": "x" * 400}, started_at=number)
        step.finish("FAILED", result={"status": "FAILED"}, error={"why": number})
    steps: list[dict[str, Any]] = store.documents().run("r")["steps"]
    assert all("result" not in step for step in steps)
    assert [step["left_out"] for step in steps] == [
        ["result"],
        ["result"],
        ["result", "error", "parameters"],
    ]
    assert [step["error"] for step in steps] == [{"why": 0}, {"why": 1}, None]
    assert steps[2]["parameters"] is None
    assert store.documents().record(steps[2]["id"])["parameters"] == {"text": "x" * 400}


def test_an_action_that_failed_without_an_error_comes_with_its_result(store: Store) -> None:
    rec = store.recorder(run_id="r")
    rec.run("r")
    rec.step("Fails", started_at=1).finish("FAILED", result={"details": {"description": "why"}})
    rec.step("Works", started_at=2).finish("SUCCEEDED", result={"details": "much"})
    failed, worked = store.documents().run("r")["steps"]
    assert failed["result"] == {"details": {"description": "why"}}
    assert (failed["error"], failed["left_out"]) == (None, [])
    assert "result" not in worked
    assert worked["left_out"] == ["result"]


def test_a_run_that_goes_on_tells_when_it_was_last_heard_of(store: Store) -> None:
    """The last of its records counts, be it long after the last word on the run itself."""
    for run_id, status in (("goes on", "ACTIVE"), ("waits", "INACTIVE"), ("over", "SUCCEEDED")):
        store.run(run_id, at=1_000_000, start_time=1_000_000, status=status)
    rec = store.recorder(run_id="goes on", clock=lambda: 5_000_000)
    rec.step("S", started_at=4_000_000)
    heard = {run["run_id"]: run["last_heard_at"] for run in store.documents().runs()["runs"]}
    assert heard == {
        "goes on": "1970-01-01T00:00:05.000000+00:00",
        "waits": "1970-01-01T00:00:01.000000+00:00",
        "over": None,
    }
    assert store.documents().run("goes on")["last_heard_at"] == heard["goes on"]


def test_a_run_tells_who_recorded_it_beside_whom_it_names_as_its_owner(store: Store) -> None:
    audience = Audience(ADA)
    store.recorder(run_id="r", audience=audience).run("r", run_owner=BOB, audience=audience)
    read = store.documents()
    for run in (read.run("r"), *read.runs()["runs"]):
        assert (run["run_owner"], run["recorded_by"]) == (BOB, ADA)


def test_versions_of_a_model_come_in_pages_without_their_curves(store: Store) -> None:
    version = store.model("net", hyperparameters={"rate": 0.1})
    branches = [version.update(metrics=[{"epoch": 1, "loss": 0.5}]) for _ in range(4)]
    ends = [branch.update(scores={"mae": 0.1}) for branch in branches[:2]]
    expected = [version.urn, *(v.urn for v in branches), *(v.urn for v in ends)]
    heads = {v.urn for v in (*branches[2:], *ends)}
    whole = store.documents().model("net")
    assert [v["id"] for v in whole["versions"]] == expected
    assert (whole["limit"], whole["has_next_page"], whole["marker"]) == (100, False, None)
    found, marker = [], None
    while True:
        page = store.documents().model("net", limit=2, marker=marker)
        assert (page["id"], page["name"]) == (version.urn, "net")
        found += page["versions"]
        marker = page["marker"]
        if not page["has_next_page"]:
            break
    assert found == whole["versions"]
    assert {v["id"] for v in found if v["head"]} == heads
    assert not any("metrics" in v for v in found)
    assert found[0]["hyperparameters"] == {"rate": 0.1}
