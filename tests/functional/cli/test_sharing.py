"""Invalidating, slicing, merging and reducing as two teams would, by the command line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import globus_sdk
import pytest

from braid.cli.trigger import PLACEHOLDERS, filled
from braid.commands import merge, slice
from flows.sandbox import Sandbox
from provenance_store import open_store
from provenance_store.errors import InvalidInput
from provenance_store.transfer.merge import TAGS
from provenance_store.transfer.slices import LEFT_OUT, RULES
from tests.support.command_line import Braid


@pytest.fixture
def names(braid: Braid) -> dict[str, str]:
    """A scan, a model trained on it, and what a step in a run inferred with that."""

    def made(*args: str) -> str:
        answer = braid("record", *args)
        assert answer.code == 0, answer.err
        return answer.out.strip()

    scan = made("data", "scan-7", "--tag", "sample=Ni", "--uri", "globus://a/scan-7")
    model = made("model", "braggnn", "--trained-on", scan)
    step = made("step", "Infer", "--model", model, "--run", "run-1", "--output", "peaks=file:///p")
    return {"scan": scan, "model": model, "step": step}


def test_what_is_invalid_is_seen_in_every_list(braid: Braid, names: dict[str, str]) -> None:
    assert "INVALID" not in braid("records").out
    told = braid("invalidate", names["scan"], "--cause", "misaligned", "--dry-run")
    assert told.code == 0
    assert "Derived from it: 3 records: 1 data record, 1 model version, 1 step" in told.out
    assert "INVALID" not in braid("records").out
    done = braid("invalidate", names["scan"], "--cause", "misaligned", "--yes")
    assert done.out.splitlines()[:-1] == told.out.splitlines()[:-1]
    listed = json.loads(braid("records", "--format", "json").out)["records"]
    today = listed[0]["invalidated"]["at"][:10]
    assert braid("records").out.count(f"INVALID since {today}: misaligned") == 4
    for command in ("show", "statement"):
        assert f"INVALID since {today}" in braid(command, names["step"]).out, command
    assert f"INVALID since {today}: misaligned" in braid("models").out
    assert f"INVALID since {today}: misaligned" in braid("models", "braggnn").out
    assert f"INVALID since {today}: misaligned" in braid("lineage", names["step"]).out
    shown = braid("run", "show", "run-1").out
    assert f"braggnn v0 (INVALID since {today}: misaligned)" in shown
    assert f"peaks (INVALID since {today}: misaligned)" in shown
    undone = braid("invalidate", names["scan"], "--undo", "--yes", "--format", "json")
    assert json.loads(undone.out)["affected"]["count"] == 3
    assert "INVALID" not in braid("records").out


def test_nothing_is_invalidated_without_being_asked(braid: Braid, names: dict[str, str]) -> None:
    asked = braid("invalidate", names["scan"], "--cause", "misaligned")
    assert asked.code == 2
    assert "scan-7" in asked.out
    assert "--yes" in asked.err
    assert "INVALID" not in braid("records").out
    assert braid("invalidate", names["scan"], "--yes").code == 2
    assert braid("invalidate", names["model"], "--undo", "--yes").code == 1


def test_two_teams_share_a_history(braid: Braid, names: dict[str, str], tmp_path: Path) -> None:
    sliced = braid("slice", names["model"], "--no-training", "-o", "team.db", "--format", "json")
    assert json.loads(sliced.out)["records"] == {"model": 1}
    assert json.loads(sliced.out)["stubs"] == 1
    assert braid("slice", names["model"], "-o", "team.db").code == 2
    told = braid("merge", "team.db", "--store", "b.db", "--dry-run")
    assert braid("merge", "team.db", "--store", "b.db").out == told.out
    again = braid("merge", "team.db", "--store", "b.db", "--tags", "refuse", "--format", "json")
    assert json.loads(again.out)["merged"][0]["rows"] == {}
    made = braid("record", "data", "ours", "--depends-on", names["model"], "--store", "b.db")
    braid("invalidate", names["scan"], "--cause", "misaligned", "--yes")
    braid("slice", names["model"], "--no-training", "-o", "team.db", "--force")
    assert "Newly invalid" in braid("merge", "team.db", "--store", "b.db").out
    lineage = braid("lineage", made.out.strip(), "--store", "b.db").out
    assert "scan-7" in lineage
    assert lineage.count(": misaligned") == lineage.count("INVALID since 2") == 3
    assert braid("store", "check", "--store", "b.db").code == 0


def test_old_records_are_reduced(braid: Braid, names: dict[str, str]) -> None:
    told = braid("store", "reduce", "--older-than", "0s", "--dry-run")
    assert told.out.startswith("Records: ")
    assert "sample=Ni" in braid("records").out
    assert braid("store", "reduce", "--older-than", "0s").out == told.out
    assert "sample=Ni" not in braid("records").out
    assert "globus://a/scan-7" in braid("records").out


def test_the_options_are_what_the_store_offers() -> None:
    assert list(slice.RULES) == list(RULES)
    assert list(slice.PARTS) == list(LEFT_OUT)
    assert list(merge.POLICIES) == list(TAGS)


FLOW: dict[str, Any] = {
    "StartAt": "Tell",
    "States": {"Tell": {"Type": "Pass", "ResultPath": "$.told", "Parameters": {}, "End": True}},
}
TEMPLATE = {
    "text": "{record} is invalid: {cause}. {affected} records derive from it.",
    "count": "{affected}",
    "all": ["{affected_ids}"],
    "brace": 3,
}


def test_a_named_flow_is_started_with_what_was_said(
    braid: Braid, names: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    (tmp_path / "input.json").write_text(json.dumps(TEMPLATE))
    (tmp_path / "bad.json").write_text('{"a": "because {nonsense}"}')
    with Sandbox() as sandbox:
        client = sandbox.add_client("command line")
        for name, value in sandbox.environ().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("BRAID_LOGIN_CLIENT_ID", client.client_id)
        monkeypatch.setenv("BRAID_LOGIN_CLIENT_SECRET", client.client_secret)
        flow_id = braid("flow", "deploy", "flow.json", "--title", "Tell").out.strip()
        call = ("invalidate", names["scan"], "--cause", "misaligned", "--yes", "--start-flow")
        bad = braid(*call, flow_id, "--flow-input", "bad.json")
        assert bad.code == 2
        assert "{nonsense} in the flow's input is unknown" in bad.err
        assert "INVALID" not in braid("records").out
        done = braid(*call, flow_id, "--flow-input", "input.json", "--format", "json")
        assert done.code == 0, done.err
        run_id = json.loads(done.out)["run_id"]
        app = globus_sdk.ClientApp(
            "test", client_id=client.client_id, client_secret=client.client_secret
        )
        flows = globus_sdk.FlowsClient(
            app=app, app_scopes=[globus_sdk.Scope(globus_sdk.FlowsClient.scopes.all)]
        )
        run = ended(flows, run_id)
    given = run["details"]["output"]
    assert given["text"] == f"{names['scan']} is invalid: misaligned. 3 records derive from it."
    assert given["count"] == 3
    assert names["model"] in given["all"][0]


def ended(flows: globus_sdk.FlowsClient, run_id: str) -> Any:
    deadline = time.monotonic() + 30
    while True:
        run = flows.get_run(run_id)
        if run["status"] != "ACTIVE" or time.monotonic() > deadline:
            assert run["status"] == "SUCCEEDED", run
            return run
        time.sleep(0.05)


def test_placeholders_are_filled_in_where_they_stand() -> None:
    said = {
        "record": {"id": "urn:braid:x:1"},
        "cause": "it {affected} us",
        "affected": {"count": 2, "first": [{"id": "a"}, {"id": "b"}]},
    }
    every = {name: f"{{{name}}}" for name in PLACEHOLDERS}
    assert filled(every, said) == {
        "record": "urn:braid:x:1",
        "cause": "it {affected} us",
        "affected": 2,
        "affected_ids": ["a", "b"],
    }
    assert filled(["n: {affected} {affected_ids}", {"$": None}], said) == ["n: 2 a, b", {"$": None}]
    with pytest.raises(InvalidInput, match="is unknown"):
        filled("{unknown}", said)


@pytest.mark.parametrize("command", ["slice", "export"])
def test_a_run_to_be_passed_on_is_named_by_the_beginning_of_its_id(
    braid: Braid, command: str
) -> None:
    with open_store("sqlite:///braid.db") as store:
        store.recorder(run_id="8c1f2d3e-0a51").data("scan")
        store.run("8c1f2d3e-0a51")
    assert braid(command, "--run", "8c1f", "-o", "part").code == 0
    answer = braid(command, "--run", "typo", "-o", "other")
    assert (answer.code, answer.err) == (1, "braid: There is no run typo in this store.\n")


def test_the_slice_on_the_page_about_sharing_is_of_models_and_their_steps_only(
    braid: Braid,
) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "share-history.md").read_text()
    (line,) = (line for line in page.splitlines() if line.endswith("-o model-only.db"))
    with open_store("sqlite:///braid.db") as store:
        scans = [store.data(f"scan-{number}", uris=[f"s3://b/{number}"]) for number in (1, 2)]
        pair = store.dataset("pair", scans)
        base = model = store.model("base", trained_on=[scans[0]])
        for name in ("Train", "Train more"):
            with store.step(name, inputs=[pair, *scans]) as step:
                model = step.updated(model, [pair])
        step = store.step("Compress", inputs=[scans[1]], models=[model])
        with store.transaction():
            small = store.model("small", depends_on=[model])
            store.generated(step, [small])
        store.finish(step)
    answer = braid("slice", small.urn, *line.split()[3:], "--format", "json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["records"] == {"model": 4, "step": 3}
    shown = braid("records", "--store", "model-only.db").out
    assert "scan" not in shown
    assert "s3://" not in shown
    assert base.urn in braid("records", "--store", "model-only.db", "--format", "json").out
