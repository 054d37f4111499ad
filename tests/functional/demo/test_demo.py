"""`braid demo` as a user runs it: in an empty folder, with an empty home."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from flows.definition import instrument, strip, validate
from flows.examples.bragg import example, functions
from provenance_store import open_store
from provenance_store.exchange.crate.export import write_crate
from provenance_store.queries.document_reader import DocumentReader
from provenance_store.statement.page import page
from tests.support.crate import broken_rules, graph
from tests.support.needs import need_module

need_module("rocrate.rocrate")

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 110
pytestmark = pytest.mark.timeout(240)

Document = dict[str, Any]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `braid demo` with the home and the current folder empty; ends it afterwards.

    As from a terminal: what a shell starts in the background ignores SIGINT, children included.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    started = []

    def demo(*options: str, **environ: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "braid", "demo", *options],
            cwd=here,
            env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield demo
    signal.signal(signal.SIGINT, before)
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """What the demo has said up to and with the first line that fits."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if re.search(pattern, line):
            return said
    raise AssertionError(f"The demo ended without saying {pattern!r}: {said}")


def addresses(said: str) -> list[tuple[str, int]]:
    """Where the demo's servers listen, or did."""
    found = [urlsplit(url) for url in re.findall(r"http://127\.0\.0\.1:\d+", said)]
    assert found
    return [(str(url.hostname), int(url.port or 0)) for url in found]


def listens(address: tuple[str, int]) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(address) == 0


def assert_nobody_listens(said: str) -> None:
    deadline = time.monotonic() + 10
    for address in addresses(said):
        while listens(address):
            assert time.monotonic() < deadline, f"Somebody still listens at {address}."
            time.sleep(0.05)


def sha256(file: Path) -> str:
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


class Outcome:
    """What a run of the demo left: its folder, its store, its log."""

    def __init__(self, folder: Path, reader: DocumentReader) -> None:
        self.folder = folder
        self.reader = reader
        self.log: list[Document] = json.loads((folder / "log.json").read_text())["entries"]
        self.input: Document = self.log[0]["details"]["input"]
        self.run = reader.run(reader.runs()["runs"][0]["run_id"])

    def results(self, state: str, path: str) -> list[Document]:
        """What the Compute function of a state returned, visit by visit, by the run's own log."""
        ended = [e["details"] for e in self.log if e["code"] == "ActionCompleted"]
        return [
            d["output"][path]["details"]["result"][0] for d in ended if d["state_name"] == state
        ]

    def steps(self, name: str) -> list[Document]:
        return [step for step in self.run["steps"] if step["name"] == name]

    def file(self, uri: str) -> Path:
        """The real file of a globus:// URI."""
        collection, _, path = uri.removeprefix("globus://").partition("/")
        sites = ("beamline", "cluster", "edge")
        name = next(site for site in sites if self.input[site]["collection"] == collection)
        return self.folder / name / path

    def upstream(self, record_id: str) -> Document:
        return self.reader.lineage(record_id, direction="up")


def test_the_demo_records_what_really_happened(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start()
    said, complaint = process.communicate(timeout=SECONDS)
    assert (process.returncode, complaint) == (0, ""), said
    assert_nobody_listens(said)
    assert max(map(len, said.partition("Look for yourself")[0].splitlines())) <= 100
    folder = tmp_path / "here" / "braid-demo"
    with open_store(f"sqlite:///{folder / 'braid.db'}", create=False) as store:
        assert store.check() == []
        outcome = Outcome(folder, store.documents())
        assert_every_visit_of_a_step_is_recorded_once(outcome)
        assert_versions_are_as_the_functions_said(outcome)
        assert_digests_are_those_of_the_files(outcome)
        assert_the_deployed_model_gives_the_recorded_result(outcome)
        assert_the_lineage_is_complete(outcome)
        assert_the_report_shows_it(outcome, said)
        assert_its_crate_is_true_of_the_files(outcome, tmp_path / "crate")
        assert_the_statement_is_a_page_without_what_could_be_known(outcome)


def assert_every_visit_of_a_step_is_recorded_once(outcome: Outcome) -> None:
    states = example.definition()["States"]
    authors = {
        name
        for name, state in states.items()
        if state["Type"] == "Action" and state["ActionUrl"] != example.RECORDER
    }
    ended = [e["details"] for e in outcome.log if e["code"] == "ActionCompleted"]
    visited = [d["state_name"] for d in ended if d["state_name"] in authors]
    assert [step["name"] for step in outcome.run["steps"]] == visited
    places = [states[name]["ResultPath"].removeprefix("$.") for name in visited]
    visits = [d for d in ended if d["state_name"] in authors]
    actions = [d["output"][place]["action_id"] for d, place in zip(visits, places, strict=True)]
    assert [step["action_id"] for step in outcome.run["steps"]] == actions
    assert {step["status"] for step in outcome.run["steps"]} == {"SUCCEEDED"}
    assert outcome.run["status"] == "SUCCEEDED"


def assert_versions_are_as_the_functions_said(outcome: Outcome) -> None:
    returned = [*outcome.results("Pre-train", "Pretrained"), *outcome.results("Train", "Trained")]
    versions = outcome.reader.model("bragg-peaks")["versions"]
    assert [version["version"] for version in versions] == [0, 1, 2, 3]
    for version, result in zip(versions, returned, strict=True):
        whole = outcome.reader.record(version["id"])
        for part in ("metrics", "scores", "hyperparameters"):
            assert whole[part] == result[part]
        assert version["uris"] == [result["file"]]
    errors = [version["scores"]["median_px"] for version in versions[1:]]
    assert errors == sorted(errors, reverse=True)
    small = outcome.reader.model("bragg-edge")["versions"]
    compressed = outcome.results("Compress", "Compressed")
    assert [v["scores"] for v in small] == [result["scores"] for result in compressed]


def assert_digests_are_those_of_the_files(outcome: Outcome) -> None:
    records = outcome.reader.records(run_id=outcome.run["run_id"], limit=1000)["records"]
    described = [uri for record in records for uri in record["uris"] if uri["digest"]]
    newest = {uri["uri"]: uri for uri in reversed(described)}
    assert len(newest) >= 13
    for uri in newest.values():
        file = outcome.file(uri["uri"])
        assert (uri["digest"], uri["size"]) == (sha256(file), file.stat().st_size), uri


def assert_the_deployed_model_gives_the_recorded_result(outcome: Outcome) -> None:
    site = {"collection": "again", "folder": str(outcome.folder / "edge")}
    (applied,) = outcome.steps("Apply")
    (result,) = applied["outputs"]
    (uri,) = result["uris"]
    frame = f"/scans/{outcome.input['new_scan']}.npy"
    files = {"instrument": "/instrument.json", "weights": "/model.npz", "frame": frame}
    again = functions.apply(site, **files, peaks="/again.csv")
    assert again["file"]["digest"] == uri["digest"]
    with outcome.file(uri["uri"]).open(newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) == result["tags"]["peaks"]
    deployed = outcome.steps("Deploy")[-1]
    (model,) = [model for model in deployed["models"] if model["how"] == "deployed"]
    assert model["uris"][0]["digest"] == sha256(outcome.folder / "edge" / "model.npz")
    with np.load(outcome.folder / "edge" / "model.npz") as weights:
        assert weights["w0"].dtype == np.int8


def assert_its_crate_is_true_of_the_files(outcome: Outcome, folder: Path) -> None:
    """What lies at an address has the digest of the entity of that name, and of no earlier one."""
    run_id = outcome.run["run_id"]
    extract = outcome.reader.extract(run_ids=[run_id], directions=())
    write_crate(extract, folder, run_id=run_id, published="2026-11-22")
    assert broken_rules(folder) == []
    entities = graph(folder)
    files = {i: e for i, e in entities.items() if "sha256" in e}
    now = {i: e for i, e in files.items() if "isReplacedBy" not in e}
    assert len(now) >= 13
    for address, entity in now.items():
        assert f"sha256:{entity['sha256']}" == sha256(outcome.file(address)), address
    weights = [e for e in files.values() if e.get("contentUrl", e["@id"]).endswith("/model.npz")]
    before = [e for e in weights if "isReplacedBy" in e]
    assert before
    for entity in before:
        assert entity["sha256"] != entities[entity["contentUrl"]]["sha256"]


def assert_the_lineage_is_complete(outcome: Outcome) -> None:
    (result,) = outcome.steps("Apply")[0]["outputs"]
    lineage = outcome.upstream(result["id"])
    nodes = {node["id"]: node for node in lineage["nodes"]}

    def label(node_id: str) -> str:
        node = nodes[node_id]
        return node["name"] + (f" v{node['version']}" if "version" in node else "")

    links = {(label(k["from"]), k["role"], label(k["to"])) for k in lineage["links"]}
    assert not lineage["truncated"]
    assert links >= {
        ("peaks of scan-4", "generated_by", "Apply"),
        ("Apply", "used", "scan-4.npy"),
        ("Apply", "used", "bragg-edge v2"),
        ("scan-4.npy", "generated_by", "Collect new scan"),
        ("scan-4.npy", "derived_from", "scan-4.npy"),
        ("bragg-edge v2", "derived_from", "bragg-peaks v3"),
        ("bragg-peaks v0", "trained_on", "simulated peaks"),
        ("Simulate", "used", "instrument configuration"),
        ("instrument configuration", "derived_from", "instrument.json"),
    }
    for number in (1, 2, 3):
        pair = f"training pair scan-{number}"
        assert links >= {
            (f"bragg-peaks v{number}", "revision_of", f"bragg-peaks v{number - 1}"),
            (f"bragg-peaks v{number}", "trained_on", pair),
            (pair, "has_member", f"scan-{number}.npy"),
            (pair, "has_member", f"fitted peaks of scan-{number}"),
            (f"fitted peaks of scan-{number}", "generated_by", "Analyse"),
            ("Analyse", "used", f"scan-{number}.npy"),
            ("Analyse", "used", "instrument configuration"),
            (f"scan-{number}.npy", "generated_by", "Collect scan"),
        }
    facts = {node["name"] for node in nodes.values() if node["kind"] == "fact"}
    assert facts == {"instrument configuration"}


def assert_the_statement_is_a_page_without_what_could_be_known(outcome: Outcome) -> None:
    statement = outcome.reader.statement(outcome.steps("Apply")[0]["outputs"][0]["id"])
    gaps = {gap["what"] for gap in statement["predicate"]["not_supported"]}
    assert gaps == {"unconnected_steps", "origin_unknown", "same_things"}
    counts = statement["predicate"]["counts"]
    assert counts["uris"] == counts["uris_with_digest"] >= 25
    assert len(page(statement).splitlines()) < 84


def assert_the_report_shows_it(outcome: Outcome, said: str) -> None:
    assert outcome.run["run_id"] in said
    for step in outcome.run["steps"]:
        assert step["name"] in said
    assert "trained on training pair scan-3" in said
    assert "revision of bragg-peaks v2" in said
    assert [line for line in said.splitlines() if line.endswith(" ")] == []
    before = said.partition("Look for yourself")[0]  # commands below are of any length
    assert max(map(len, before.splitlines())) <= 100
    assert "0.0 s" not in before
    for version in outcome.reader.model("bragg-peaks")["versions"]:
        assert f"→ {version['scores']['median_px']:.3f} px" in said
    assert "--store braid-demo/braid.db" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_that_the_demo_started(
    start: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = start(PYTHONIOENCODING="ascii")
    said = read_until(process, "Simulate")
    process.send_signal(number)
    rest, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint.strip()) == (130, "braid: stopped."), rest
    assert_nobody_listens(said)


def test_a_run_that_fails_is_told_in_one_sentence(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start("--folder", "work", HTTP_PROXY="http://127.0.0.1:9")
    said = read_until(process, "Pre-train")
    (tmp_path / "here" / "work" / "beamline" / "scans" / "scan-3.npy").unlink()
    rest, complaint = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, rest
    assert complaint == (
        "braid: The run ended FAILED: in Collect scan, "
        "There is no '/scans/scan-3.npy' in the source.\n"
    )
    assert_nobody_listens(said)


def test_a_folder_in_use_is_left_alone(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    (tmp_path / "here" / "mine").mkdir()
    (tmp_path / "here" / "mine" / "notes.txt").write_text("important")
    process = start("--folder", "mine")
    said, complaint = process.communicate(timeout=60)
    assert (process.returncode, said) == (2, "")
    assert complaint == "braid: mine is not empty; give a folder that is empty or not there yet.\n"
    assert [file.name for file in (tmp_path / "here" / "mine").iterdir()] == ["notes.txt"]


def test_the_definition_is_valid_and_comes_back_when_stripped() -> None:
    assert validate(example.definition()) == []
    url, scope = (
        "https://provider.example.org/record",
        "https://auth.globus.org/scopes/x/action_all",
    )
    made = example.instrumented(url, scope)
    assert [p for p in validate(made) if p.severity.value == "error"] == []
    original = example.definition()
    for state in original["States"].values():
        if state.get("ActionUrl") == example.RECORDER:
            state.update(ActionUrl=url, ActionScope=scope)
    assert strip(made) == original


def test_each_step_has_one_record_state_by_its_author_or_by_the_command() -> None:
    url, scope = (
        "https://provider.example.org/record",
        "https://auth.globus.org/scopes/x/action_all",
    )
    states = example.instrumented(url, scope)["States"].values()
    records = [s for s in states if s.get("ActionUrl") == url]
    bodies = [state["Parameters"] for state in records]
    recorded = [body["step"]["name"] for body in bodies if "step" in body]
    assert len(recorded) == len(bodies) - 1  # the one that records whichever step failed
    steps = [
        name
        for name, state in example.definition()["States"].items()
        if state["Type"] == "Action" and state["ActionUrl"] != example.RECORDER
    ]
    assert sorted(recorded) == sorted(steps)
    plain = instrument(example.definition(), provider_url=example.RECORDER).definition
    assert len(plain["States"]) > len(example.definition()["States"])
