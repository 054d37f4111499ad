"""The examples of the documentation, taken from it and run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from provenance_store import open_store
from tests.support.command_line import Braid
from tests.support.processes import ROOT


def example(page: str, after: str, language: str = "python") -> str:
    """The first block of a language behind a heading, or some other words, of a page."""
    text = (ROOT / "docs" / page).read_text()
    assert text.count(after) == 1, after
    found = re.search(f"```{language}\n(.*?)```", text.partition(after)[2], re.DOTALL)
    assert found is not None
    return found[1]


class Killed(BaseException):
    """Stands for the end of a process in the midst of its training."""


def test_a_version_is_logged_and_completed(braid: Braid, tmp_path: Path) -> None:
    code = example("record-from-hpc.md", "## Models that train")
    weights = tmp_path / "checkpoints"
    losses: list[float] = []

    def train_one_epoch() -> float:
        losses.append(1 / (len(losses) + 1))
        weights.write_bytes(b"%d" % len(losses))
        return losses[-1]

    with open_store("sqlite:///braid.db") as store:
        given: dict[str, Any] = {"store": store, "scan": store.data("scan")}
        for _ in range(2):
            exec(code, given | {"train_one_epoch": train_one_epoch})
        for number in (1, 2):
            version = store.documents().record(f"braggnn@v{number}")
            assert version["scores"] == {"accuracy": 0.93}
            assert len(version["metrics"]) == 100
        assert store.check() == []
    answer = braid("verify", "braggnn@champion")
    assert (answer.code, "ok" in answer.out) == (0, True), answer


def test_of_a_training_that_is_cut_off_everything_so_far_is_there(
    braid: Braid, tmp_path: Path
) -> None:
    code = example("record-from-hpc.md", "## Models that train")

    def train_one_epoch() -> float:
        if len(losses) == 3:
            raise Killed
        losses.append(0.5)
        return 0.5

    losses: list[float] = []
    with open_store("sqlite:///braid.db") as store:
        given = {"store": store, "scan": store.data("scan"), "train_one_epoch": train_one_epoch}
        with pytest.raises(Killed):
            exec(code, given)
        version = store.documents().record("braggnn@v1")
        assert (len(version["metrics"]), version["uris"]) == (3, [])
        assert version["hyperparameters"] == {"lr": 1e-3}


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., str]:
    """Runs the script of docs/record-from-python.md, and gives the URN that it prints."""
    (tmp_path / "train.py").write_text(example("record-from-python.md", "## A training script"))
    x = np.linspace(-1, 1, 20)
    np.save("scan-17.npy", [x, 2 + 3 * x])

    def run(*arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, "train.py", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout.strip()

    return run


def test_a_script_is_recorded_from_start_to_end(braid: Braid, train: Callable[..., str]) -> None:
    for number in (1, 2):
        urn = train()
        with open_store("sqlite:///braid.db") as store:
            version = store.documents().record(urn)
            assert (version["name"], version["version"]) == ("line-fit", number)
            assert len(version["metrics"]) == 50
            assert 0 < version["scores"]["rmse"] < 0.5
            (step,) = store.documents().model_version(version["id"])["made_by"]
            inputs = store.documents().record(step["id"])["links"]
            assert {link["name"] for link in inputs} == {"scan-17", "train.py", "line-fit"}
            assert store.check() == []
        for name in ("line-fit", "fitted-17.npy", "./scan-17.npy"):
            answer = braid("verify", name)
            assert (answer.code, "ok" in answer.out) == (0, True), answer
    assert "line-fit" in braid("lineage", "./scan-17.npy", "--down").out


def test_the_script_goes_on_from_the_weights_of_the_version_that_is_named(
    braid: Braid, train: Callable[..., str]
) -> None:
    first, _ = train(), train()
    assert braid("alias", "line-fit@v1", "champion").code == 0
    branch = train("line-fit@champion")
    with open_store("sqlite:///braid.db") as store:
        began, went_on = (store.documents().model_version(urn) for urn in (first, branch))
        assert (went_on["version"], went_on["parent"]) == (2, first)
        losses = [[point["loss"] for point in each["metrics"]] for each in (began, went_on)]
    assert losses[1][0] < losses[0][-1]


def test_what_was_recorded_is_asked_for_in_the_same_script(braid: Braid) -> None:
    code = example("record-from-python.md", "What is recorded can be asked for")
    with open_store("sqlite:///braid.db") as store:
        scan = store.data("scan-17", tags={"sample": "Ni"})
        store.data("scan-18", tags={"sample": "Fe"})
        model = store.model("line-fit")
        best = model.update(scan, hyperparameters={"lr": 0.1}, scores={"rmse": 0.1})
        model.update(scan, scores={"rmse": 0.2})
        exec(code, {"store": store})
        (step,) = store.documents().records(kind="step")["records"]
        links = store.documents().record(step["id"])["links"]
        assert {(link["role"], link["id"]) for link in links} == {
            ("used", scan.urn),
            ("used", best.urn),
        }


def test_the_questions_from_python_are_answered(
    braid: Braid, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "query-history.md").read_text().partition("## From Python")[2]
    blocks = re.findall("```python\n(.*?)```", page, re.DOTALL)
    with open_store("sqlite:///braid.db") as store:
        scan = store.data("scan-17", uris=["file:///scan-17.h5"], tags={"sample": "Ni"})
        with store.step("Train", inputs=[scan]) as step:
            step.updated(store.model("net"), [scan], scores={"val_loss": 0.1})
        store.finish(store.step("Broken"), "FAILED")
        given: dict[str, Any] = {"store": store}
        for block in blocks:
            exec(block, given)
        assert "Broken" in capsys.readouterr().out
        assert given["version"].name == "net"
        assert {node.name for node in given["up"].nodes} == {"net", "scan-17"}
        assert list(given["frame"]["tags.sample"]) == ["Ni"]


def test_the_small_flow_runs_and_its_result_leads_to_the_scan(braid: Braid, tmp_path: Path) -> None:
    page, after = "add-provenance-to-a-flow.md", "## A small flow to copy"
    (tmp_path / "find-peaks.json").write_text(example(page, after, "json"))
    (tmp_path / "find_peaks.py").write_text(example(page, after))
    lines = example(page, after, "bash").replace("\\\n", " ").splitlines()
    said = []
    for line in lines:
        if not line.startswith("braid "):
            subprocess.run(line, shell=True, check=True)
            continue
        answer = braid(*shlex.split(line)[1:])
        assert answer.code == 0, answer
        said.append(answer)
    _, ran, lineage, statement = said
    assert Path("beamline/peaks-17.csv").read_text().splitlines()[0] == "9"
    assert ran.err.splitlines()[-1].startswith("Recorded: braid run show ")
    for name in ("peaks-17.csv", "Find peaks", "scan-17.csv"):
        assert name in lineage.out
        assert name in statement.out
    assert "instrumented" in braid("runs").out
