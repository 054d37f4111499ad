"""The examples of the documentation, taken from it and run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

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
            version = store.reader().record(f"braggnn@v{number}")
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
        version = store.reader().record("braggnn@v1")
        assert (len(version["metrics"]), version["uris"]) == (3, [])
        assert version["hyperparameters"] == {"lr": 1e-3}
