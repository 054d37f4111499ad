"""Recording from a shell and asking about it afterwards, on a store."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from braid.commands.run import show
from provenance_store import open_store
from provenance_store.enums import Role
from provenance_store.ids import now
from provenance_store.times import format_time
from tests.support.command_line import Braid


@pytest.fixture
def names(braid: Braid, tmp_path: Path) -> dict[str, str]:
    """A small history, recorded by the commands of docs/query-history.md; URNs by name."""
    (tmp_path / "scan-17.h5").write_bytes(b"scan")
    (tmp_path / "weights.h5").write_bytes(b"weights")

    def made(*args: str) -> str:
        answer = braid("record", *args)
        assert answer.code == 0, answer.err
        assert answer.err == ""
        return answer.out.strip()

    config = made("fact", "setup.cfg", "--uri", "globus://c/setup.cfg")
    scan = made(
        *("data", "scan-17", "--file", "scan-17.h5", "--depends-on", config),
        *("--tag", "temperature_K=293.5", "--tag", "sample=Ni", "--tag", 'run="007"'),
    )
    model = made("model", "braggnn", "--depends-on", config, "--hyperparameters", '{"rate": 0.01}')
    version = made(
        *("model", "braggnn", "--update", "--trained-on", scan, "--score", "accuracy=0.93"),
        *("--metrics", '[{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.3}]'),
    )
    step = made(
        *("step", "Train", "--input", scan, "--model", version, "--output-file", "weights.h5"),
        *("--output", "log=globus://c/log", "--run", "run-1", "--parameters", '{"epochs": 2}'),
    )
    return {"config": config, "scan": scan, "model": model, "version": version, "step": step}


def as_json(braid: Braid, *args: object) -> Any:
    answer = braid(*args, "--format", "json")
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_json_is_the_document_of_the_store(braid: Braid, names: dict[str, str]) -> None:
    with open_store("sqlite:///braid.db") as store:
        reader = store.documents()
        assert as_json(braid, "runs") == reader.runs()
        run = reader.run("run-1")
        page = {name: run.pop(name) for name in ("limit", "has_next_page", "marker")}
        assert page == {"limit": 100, "has_next_page": False, "marker": None}
        assert as_json(braid, "run", "show", "run-1") == run
        assert as_json(braid, "records", "--kind", "data") == reader.records(kind="data")
        assert as_json(braid, "models") == reader.models()
        assert as_json(braid, "models", "braggnn") == reader.model("braggnn", limit=25)
        assert as_json(braid, "lineage", names["step"]) == reader.lineage(names["step"])
        down = as_json(braid, "lineage", names["config"], "--down", "--depth", 1)
        assert down == reader.lineage(names["config"], direction="down", depth=1)


def test_a_run_is_shown_with_the_steps_of_all_its_pages(
    braid: Braid, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "STEPS_ON_A_PAGE", 1)
    with open_store("sqlite:///braid.db") as store:
        steps = store.recorder(run_id="run-1")
        for number in range(3):
            steps.step(f"Later {number}")
        listed = store.documents().run("run-1")["steps"]
    assert len(listed) > 3
    assert as_json(braid, "run", "show", "run-1")["steps"] == listed


def test_a_recorded_file_has_its_size_and_digest(braid: Braid, names: dict[str, str]) -> None:
    (record,) = as_json(braid, "records", "--name", "scan-17")["records"]
    assert record["id"] == names["scan"]
    assert record["tags"] == {"temperature_K": 293.5, "sample": "Ni", "run": "007"}
    digest = hashlib.sha256(b"scan").hexdigest()
    assert [(uri["size"], uri["digest"]) for uri in record["uris"]] == [(4, f"sha256:{digest}")]


def test_records_are_found_by_tag_and_by_time(braid: Braid, names: dict[str, str]) -> None:
    assert len(as_json(braid, "records", "--tag", "temperature_K>290")["records"]) == 1
    assert as_json(braid, "records", "--tag", "temperature_K>300")["records"] == []
    assert len(as_json(braid, "records", "--since", "1h")["records"]) == 7
    assert as_json(braid, "records", "--until", "1h")["records"] == []


def test_pages_follow_each_other(braid: Braid, names: dict[str, str]) -> None:
    first = braid("records", "--limit", 4, "--format", "csv")
    assert first.code == 0
    page = as_json(braid, "records", "--limit", 4)
    rest = as_json(braid, "records", "--limit", 4, "--marker", page["marker"])
    assert len(page["records"]) + len(rest["records"]) == 7
    assert f"--marker {page['marker']}" in braid("records", "--limit", 4).err


def test_a_run_shows_its_steps(braid: Braid, names: dict[str, str]) -> None:
    text = braid("run", "show", "run-1").out
    assert "run-1" in text
    (line,) = [line for line in text.splitlines() if "Train" in line]
    assert "scan-17" in line
    assert "braggnn v1" in line
    assert "weights.h5" in line
    (step,) = as_json(braid, "run", "show", "run-1")["steps"]
    assert step["parameters"] == {"epochs": 2}


def test_eighty_columns_show_what_each_step_of_a_run_used_and_made(
    braid: Braid, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with open_store("sqlite:///braid.db") as store:
        recorder = store.recorder(run_id="run-9")
        recorder.run("run-9")
        scans = [recorder.data(f"scan-{number}") for number in range(10)]
        with recorder.step("Fit and then compare", inputs=scans, models=["braggnn@v1"]) as step:
            step.output("fitted peaks of all the scans of the day.h5")
            recorder.used(step, "braggnn@v1", Role.DEPLOYED)
    answer = braid("run", "show", "run-9")
    _, _, text = answer.out.partition("Fit and then compare")
    assert [line.strip() for line in text.splitlines()[1:]] == [
        "used      scan-0, scan-1, scan-2, scan-3, scan-4, scan-5, scan-6, scan-7",
        "and 3 more",
        "deployed  braggnn v1",
        "made      fitted peaks of all the scans of the day.h5",
    ]
    assert (answer.err, max(map(len, answer.out.splitlines())) <= 80) == ("", True)
    (line,) = [x for x in braid("run", "show", "run-9", "--wide").out.splitlines() if "Fit " in x]
    assert "scan-9" in line
    assert "of the day.h5" in line


def test_a_run_tells_why_an_action_failed_that_raised_nothing(
    braid: Braid, names: dict[str, str]
) -> None:
    result = {"status": "FAILED", "details": {"code": "GONE", "description": "It is gone."}}
    with open_store("sqlite:///braid.db") as store:
        recorder = store.recorder(run_id="run-9")
        recorder.run("run-9")
        recorder.finish(recorder.step("Delete"), "FAILED", result=result)
    assert braid("run", "show", "run-9").out.splitlines()[-1].endswith("Delete failed: It is gone.")


def test_a_run_that_went_silent_is_listed_so(braid: Braid, names: dict[str, str]) -> None:
    then = now() - 3 * 86_400_000_000
    with open_store("sqlite:///braid.db") as store:
        store.run("run-8", at=then, start_time=then, status="ACTIVE")
        store.run("run-9", status="ACTIVE")
    said = "ACTIVE, last heard of 3 days ago"
    assert said in braid("run", "show", "run-8").out
    assert braid("runs").out.count("last heard of") == 1
    rows = csv.DictReader(braid("runs", "--format", "csv").out.splitlines())
    listed = {row["run_id"]: row for row in rows}
    assert listed["run-8"]["status"] == listed["run-9"]["status"] == "ACTIVE"
    assert listed["run-8"]["last_heard_at"] == format_time(then)


def test_a_run_tells_what_went_wrong_in_its_steps(braid: Braid, names: dict[str, str]) -> None:
    error = {"Error": "ActionFailedException", "Cause": "The endpoint is offline. " * 40}
    with open_store("sqlite:///braid.db") as store:
        recorder = store.recorder(run_id="run-9")
        recorder.run("run-9")
        recorder.finish(recorder.step("Transfer"), "FAILED", error=error)
        recorder.finish(recorder.step("Publish"), "FAILED", error="no answer\x1b[31m")
        status = {"status": "FAILED", "details": {"code": "GONE", "description": "It is gone."}}
        action = {"Error": "ActionFailedException", "Cause": {"action_id": "7", **status}}
        recorder.finish(recorder.step("Delete"), "FAILED", error=action)
    first, second, third = braid("run", "show", "run-9").out.splitlines()[-3:]
    assert third.endswith("Delete failed: ActionFailedException: It is gone.")
    assert "Transfer failed: ActionFailedException: The endpoint is offline. The" in first
    assert first.endswith("...")
    assert len(first) < 450
    assert second.endswith(r"Publish failed: no answer\x1b[31m")
    (whole, _, _) = as_json(braid, "run", "show", "run-9")["steps"]
    assert whole["error"] == error


def test_a_run_is_shown_by_the_beginning_of_its_id(braid: Braid, names: dict[str, str]) -> None:
    assert as_json(braid, "run", "show", "run-") == as_json(braid, "run", "show", "run-1")
    with open_store("sqlite:///braid.db") as store:
        store.run("run-2")
    several = braid("run", "show", "run-")
    assert (several.code, several.out) == (1, "")
    assert several.err == (
        "braid: 2 runs have an id that begins with run-. It may be: run-1, run-2.\n"
    )


def test_the_tree_names_what_a_step_came_from(braid: Braid, names: dict[str, str]) -> None:
    tree = braid("lineage", names["step"]).out
    for name in ("Train", "scan-17", "braggnn v1", "braggnn v0", "setup.cfg"):
        assert name in tree
    assert "weights.h5" not in tree
    assert "weights.h5" in braid("lineage", names["scan"], "--down").out


def test_dot_and_csv_of_a_lineage(braid: Braid, names: dict[str, str]) -> None:
    dot = braid("lineage", names["step"], "--format", "dot").out
    assert dot.startswith("digraph lineage {")
    assert dot.count(" -> ") == len(as_json(braid, "lineage", names["step"])["links"])
    rows = list(csv.DictReader(braid("lineage", names["step"], "--format", "csv").out.splitlines()))
    assert {row["id"] for row in rows} == set(names.values())


def test_a_model_has_versions(braid: Braid, names: dict[str, str]) -> None:
    rows = list(csv.DictReader(braid("models", "braggnn", "--format", "csv").out.splitlines()))
    assert [row["version"] for row in rows] == ["0", "1"]
    assert rows[1]["urn"] == names["version"]
    assert rows[1]["scores"] == "accuracy=0.93"


def test_a_version_is_linked_to_the_step_that_made_it(braid: Braid, names: dict[str, str]) -> None:
    made = braid("record", "model", "braggnn", "--update", "--made-by", names["step"])
    assert made.code == 0, made.err
    assert "made by: Train" in braid("lineage", made.out.strip()).out
    refused = braid("record", "data", "log", "--made-by", names["scan"])
    assert refused.code == 2
    assert "--made-by takes a step" in refused.err


def test_live_data_is_promoted_once(braid: Braid, names: dict[str, str]) -> None:
    live = braid("record", "data", "scan-18", "--live").out.strip()
    promoted = braid("record", "promote", live, "--note", "the scan is over")
    assert (promoted.code, promoted.out.strip()) == (0, live)
    (scan,) = as_json(braid, "records", "--name", "scan-18")["records"]
    assert not scan["live"]
    for static in (live, names["scan"], names["step"]):
        refused = braid("record", "promote", static)
        assert (refused.code, refused.out) == (1, "")
        assert "is static already" in refused.err
    assert braid("record", "promote", "9.9").code == 1
    assert braid("record", "promote", "scan-18").code == 1


def test_a_run_shows_how_each_model_took_part(braid: Braid, names: dict[str, str]) -> None:
    assert "used braggnn v1" in braid("run", "show", "run-1").out


def test_two_newest_versions_are_ambiguous_by_name(braid: Braid, names: dict[str, str]) -> None:
    assert braid("record", "model", names["model"], "--update").code == 0
    answer = braid("record", "model", "braggnn", "--update")
    assert answer.code == 1
    _, *choices = answer.err.splitlines()
    found = [as_json(braid, "show", line.split()[0])["id"] for line in choices]
    assert len(found) == 2
    assert names["version"] in found


def test_a_store_describes_and_checks_itself(braid: Braid, names: dict[str, str]) -> None:
    info = as_json(braid, "store", "info")
    assert info["records"] == {"fact": 1, "data": 3, "model": 2, "dataset": 0, "step": 1}
    assert braid("store", "check").code == 0
    assert braid("store", "upgrade").code == 0
    assert as_json(braid, "store", "info")["records"] == info["records"]


def test_a_path_names_a_store_too(braid: Braid, tmp_path: Path) -> None:
    assert braid("record", "fact", "a", "--store", "other.db").code == 0
    assert (tmp_path / "other.db").is_file()
    assert len(as_json(braid, "records", "--store", "sqlite:///other.db")["records"]) == 1


def test_the_environment_names_the_store(braid: Braid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAID_STORE_URL", "sqlite:///named.db")
    assert braid("store", "init").code == 0
    assert Path("named.db").is_file()
    assert braid("runs").code == 0


def test_a_password_is_not_shown(braid: Braid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAID_STORE_URL", "postgresql://me:secret@127.0.0.1:1/none")
    answer = braid("store", "info")
    assert answer.code == 1
    assert "secret" not in answer.err


def test_every_kind_of_store_takes_the_same_commands(braid: Braid, store_url: str) -> None:
    assert braid("store", "init", "--store", store_url).code == 0
    made = braid("record", "data", "scan", "--tag", "energy=7.1", "--store", store_url)
    assert made.code == 0, made.err
    (found,) = as_json(braid, "records", "--tag", "energy>7", "--store", store_url)["records"]
    assert found["id"] == made.out.strip()
    assert "scan" in braid("lineage", found["id"], "--store", store_url).out
    assert braid("store", "check", "--store", store_url).code == 0
    assert braid("store", "upgrade", "--store", store_url).code == 0
