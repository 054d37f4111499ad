"""Convergence curves: where their points are, how they grow while training, how versions rank."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provenance_store import open_store
from provenance_store.errors import InvalidInput
from provenance_store.recording.recorder import NOTE_TAG
from provenance_store.sink import MemorySink
from provenance_store.store import Store
from tests.support.processes import ROOT

TRAINER: list[dict[str, Any]] = [
    {"epoch": 0.16, "grad_norm": 4.2, "learning_rate": 4.9e-05, "loss": 1.53, "step": 500},
    {"epoch": 0.16, "eval_loss": 1.41, "eval_runtime": 12.3, "step": 500},
    {
        "epoch": 0.32,
        "grad_norm": math.nan,
        "learning_rate": 4.8e-05,
        "loss": math.nan,
        "step": 1000,
    },
    {"epoch": 1.0, "loss": 0.9, "step": 3125},
]


def curve(store: Store, version: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.documents().record(version)["metrics"]
    return found


# ---- places ------------------------------------------------------------------------------


def test_a_point_is_at_its_step_and_its_epoch_is_a_value(store: Store) -> None:
    version = store.model("hf", metrics=TRAINER)
    assert curve(store, version) == [
        {
            "step": 500,
            "epoch": 0.16,
            "eval_loss": 1.41,
            "eval_runtime": 12.3,
            "grad_norm": 4.2,
            "learning_rate": 4.9e-05,
            "loss": 1.53,
        },
        {"step": 1000, "epoch": 0.32, "grad_norm": "NaN", "learning_rate": 4.8e-05, "loss": "NaN"},
        {"step": 3125, "epoch": 1.0, "loss": 0.9},
    ]
    assert store.documents().record(version)["tags"] == {}
    assert store.check() == []


def test_several_steps_within_one_epoch_do_not_collide(store: Store) -> None:
    points = [
        {"epoch": 0, "step": 49, "train_loss_step": 0.9},
        {"epoch": 0, "step": 99, "train_loss_step": 0.7},
        {"epoch": 0, "step": 99, "val_loss": 0.65},
    ]
    version = store.model("lightning", metrics=points)
    assert curve(store, version) == [
        {"step": 49, "epoch": 0.0, "train_loss_step": 0.9},
        {"step": 99, "epoch": 0.0, "train_loss_step": 0.7, "val_loss": 0.65},
    ]


def test_an_epoch_alone_is_the_place(store: Store) -> None:
    version = store.model("net", metrics=[{"epoch": 1.0, "loss": 0.5}, {"epoch": 1.5, "loss": 0.4}])
    assert curve(store, version) == [{"epoch": 1, "loss": 0.5}, {"epoch": 1.5, "loss": 0.4}]


def test_two_values_at_one_place_are_told(store: Store) -> None:
    points = [{"epoch": 1, "loss": loss} for loss in (0.9, 0.7, 0.6, 0.5, 0.4)]
    version = store.model("net", metrics=points)
    assert curve(store, version) == [{"epoch": 1, "loss": 0.4}]
    note = store.documents().record(version)["tags"][NOTE_TAG]
    assert "loss at epoch 1 is given as 0.9 and as 0.7" in note
    assert "and 1 more: the last is kept" in note


# ---- logging -----------------------------------------------------------------------------


def test_points_are_appended_while_a_version_trains(store: Store) -> None:
    version = store.model("net").update()
    for epoch in range(5):
        version.log(epoch=epoch, loss=1 / (epoch + 1))
    assert [point["loss"] for point in curve(store, version)] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    version.log([{"epoch": 5, "loss": 0.1}, {"epoch": 6, "loss": "NaN"}])
    assert curve(store, version)[5:] == [{"epoch": 5, "loss": 0.1}, {"epoch": 6, "loss": "NaN"}]


def test_a_curve_goes_on_under_any_name_of_its_version(store: Store) -> None:
    version = store.model("net")
    for epoch, name in enumerate((version, version.urn, version.short_id, "net", "net@v0")):
        store.log(name, {"epoch": epoch, "loss": epoch})
    assert len(curve(store, version)) == 5


def test_what_the_curve_has_stays_and_that_is_noted(store: Store) -> None:
    version = store.model("net", metrics=[{"epoch": 1, "loss": 0.5}])
    version.log(epoch=1, loss=0.5)
    assert NOTE_TAG not in store.documents().record(version)["tags"]
    version.log([{"epoch": 1, "loss": 0.4}, {"epoch": 2, "loss": 0.3}])
    assert curve(store, version) == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.3}]
    note = store.documents().record(version)["tags"][NOTE_TAG]
    assert "loss at 1 was logged as 0.5 before and stays so; 0.4 is left out" in note


def test_two_stores_that_log_the_same_place_lose_no_other_point(store_url: str) -> None:
    with open_store(store_url) as one, open_store(store_url) as other:
        version = one.model("net")
        one.log(version, {"epoch": 0, "loss": 1})
        other.log(version.urn, {"epoch": 0, "acc": 1})
        one.log(version, {"epoch": 1, "loss": 0.5})  # waits
        other.log(version.urn, [{"epoch": 1, "loss": 0.4}, {"epoch": 2, "loss": 0.3}])
        one.flush()
        other.flush()
        found = curve(other, version.urn)
        assert [point.get("loss") for point in found] == [1, 0.5, 0.3]


def test_only_a_model_has_a_curve(store: Store) -> None:
    scan = store.data("scan")
    store.log(scan, {"epoch": 1, "loss": 0.5})
    assert (
        "Only a model has a curve, not a data" in store.documents().record(scan)["tags"][NOTE_TAG]
    )
    assert store.check() == []


def test_in_a_batch_the_points_are_written_with_it() -> None:
    from provenance_store.recording.recorder import Recorder

    sink = MemorySink()
    recorder = Recorder(sink, environment=None)
    with recorder.transaction():
        version = recorder.model("net")
        version.log(step=1, loss=0.5)
    (batch,) = sink.batches
    assert (len(batch.record), len(batch.metric)) == (1, 1)


TRAINING = """
import sys, time
from provenance_store import open_store
store = open_store(sys.argv[1])
version = store.model("net").update()
for epoch in range(3):
    version.log(epoch=epoch, loss=1.0 / (epoch + 1))
    time.sleep(1.01)
version.log(epoch=3, loss=0.0)
print("trained", flush=True)
{end}
"""


def test_of_a_training_that_is_killed_the_curve_so_far_is_there(store_url: str) -> None:
    code = TRAINING.format(end="time.sleep(600)")
    with subprocess.Popen(
        [sys.executable, "-c", code, store_url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as training:
        assert training.stdout is not None
        assert training.stdout.readline() == "trained\n"
        os.kill(training.pid, signal.SIGKILL)
    with open_store(store_url) as store:
        assert [point["epoch"] for point in curve(store, "net@v1")] == [0, 1, 2, 3]


def test_of_a_training_that_ends_without_closing_all_is_there(store_url: str) -> None:
    code = TRAINING.format(end="version.log([{'epoch': 4, 'loss': 0}]); sys.exit(3)")
    subprocess.run([sys.executable, "-c", code, store_url], cwd=ROOT, timeout=60)
    with open_store(store_url) as store:
        assert [point["epoch"] for point in curve(store, "net@v1")] == [0, 1, 2, 3, 4]


# ---- ranking -----------------------------------------------------------------------------

LOSSES = {
    "good": [0.3, 0.2],
    "worse": [0.1, 0.4],
    "nan": [0.1, math.nan],
    "inf": [0.2, math.inf],
    "minus": [0.2, -math.inf],
    "absurd": [0.1, 1e98],
}


@pytest.fixture
def trained(store: Store) -> Store:
    for name, losses in LOSSES.items():
        store.model(name, metrics=[{"epoch": n, "loss": loss} for n, loss in enumerate(losses)])
    store.model("scored", metrics=[{"epoch": 0, "loss": 0.01}], scores={"loss": math.nan})
    store.model("none", metrics=[{"epoch": 0, "acc": 1}])
    return store


@pytest.mark.parametrize("highest", [False, True])
def test_a_version_that_diverged_is_last_and_says_so(trained: Store, highest: bool) -> None:
    found = trained.documents().models(best="loss", highest=highest)["models"]
    order = [model["name"] for model in found]
    assert order[:2] == (["worse", "good"] if highest else ["good", "worse"])
    assert set(order[2:]) == {"nan", "inf", "minus", "absurd", "scored"}
    told = {model["name"]: (model["match"]["value"], model["match"]["diverged"]) for model in found}
    assert told["good"] == (0.2, False)
    assert all(told[name] == (None, True) for name in order[2:])


def test_pages_of_the_best_end_with_what_diverged(trained: Store) -> None:
    names, marker = [], None
    while True:
        page = trained.documents().models(best="loss", limit=1, marker=marker)
        names += [model["name"] for model in page["models"]]
        if (marker := page["marker"]) is None:
            break
    assert len(names) == len(set(names)) == 7
    assert names[:2] == ["good", "worse"]


def test_of_one_model_the_version_that_did_not_diverge_is_the_best(store: Store) -> None:
    first = store.model("net", scores={"loss": 0.5})
    first.update(scores={"loss": math.nan})
    (found,) = store.documents().models(best="loss")["models"]
    assert found["match"]["id"] == first.urn


def test_a_measure_that_nothing_has_is_refused_with_those_there_are(trained: Store) -> None:
    with pytest.raises(InvalidInput, match="There are: acc, loss; did you mean 'loss'"):
        trained.documents().models(best="los")
    assert trained.documents().models(best="loss", name="other")["models"] == []


def test_a_store_without_models_has_no_best(store: Store) -> None:
    assert store.documents().models(best="loss")["models"] == []


def test_the_logs_of_trainers_are_kept_whole(store: Store, tmp_path: Path) -> None:
    """The shape of a trainer's own file: `log_history` as JSON with NaN."""
    file = tmp_path / "trainer_state.json"
    file.write_text(json.dumps({"log_history": TRAINER}))
    version = store.model("hf", metrics=json.loads(file.read_text())["log_history"])
    assert [point["step"] for point in curve(store, version)] == [500, 1000, 3125]
