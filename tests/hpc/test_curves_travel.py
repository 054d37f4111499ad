"""Curves that are logged while a model trains, and names of models, over every carrier."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import hpc
from provenance_store import Store, open_store
from provenance_store.errors import InvalidInput
from provenance_store.recording.recorder import Recorder
from tests.functional.provider.house import House, Person
from tests.support.mpi import ROOT, run_mpi

TRAINED = "sha256:" + hashlib.sha256(b"trained").hexdigest()

TRAINING = """
import sys, time
{opened}
step = recorder.step("Train")
version = step.updated(recorder.model("net"))
for epoch in range(2):
    version.log(epoch=epoch, loss=1.0 / (epoch + 1))
    time.sleep(1.01)
version.log(epoch=2, loss=0.0)
print("trained", flush=True)
time.sleep(600)
"""


def killed(opened: str, folder: Path) -> None:
    """A training that is killed while it waits for the next epoch."""
    code = TRAINING.format(opened=opened)
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as training:
        assert training.stdout is not None
        assert training.stdout.readline() == "trained\n"
        os.kill(training.pid, signal.SIGKILL)


def epochs(store: Store) -> list[int]:
    return [point["epoch"] for point in store.documents().record("net@v1")["metrics"]]


def test_of_a_training_that_is_killed_the_spool_has_the_curve(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    killed(f"import hpc; recorder = hpc.spool({str(folder)!r})", tmp_path)
    assert hpc.load_spool(store, folder, unfinished=True).bad == []
    assert epochs(store) == [0, 1, 2]
    assert store.check() == []


def test_of_a_training_that_is_killed_the_server_has_the_curve(
    house: House, ada: Person, tmp_path: Path
) -> None:
    about = f"{house.url!r}, {ada.token!r}, spool={str(tmp_path / 'spool')!r}"
    killed(f"import hpc; recorder = hpc.remote({about})", tmp_path)
    assert epochs(house.store) == [0, 1, 2]


JOB = """
import os, signal, sys, time
from mpi4py import MPI
import hpc

comm = MPI.COMM_WORLD
with hpc.aggregated(sys.argv[1], comm=comm, aggregators=1) as recorder:
    if recorder is not None and comm.rank == 1:
        version = recorder.step("Train").updated(recorder.model("net"))
        for epoch in range(3):
            version.log(epoch=epoch, loss=0.5)
            time.sleep(1.01)
        os.kill(os.getpid(), signal.SIGKILL)
"""
COMPLETED = """
import sys
from pathlib import Path
from mpi4py import MPI
import hpc

comm = MPI.COMM_WORLD
with hpc.aggregated(sys.argv[1], comm=comm, aggregators=1) as recorder:
    if recorder is not None and comm.rank == 1:
        with recorder.step("Train") as step:
            version = step.updated(recorder.model("net"))
            recorder.flush()
            version.log(epoch=0, loss=0.5)
            Path("weights.bin").write_bytes(b"trained")
            version.add(file="weights.bin", scores={"accuracy": 0.9})
"""


def test_of_a_rank_that_is_killed_the_aggregator_has_the_curve(
    store_url: str, tmp_path: Path
) -> None:
    run_mpi(JOB, tmp_path, arguments=[store_url])
    with open_store(store_url, create=False) as store:
        if not store.documents().records(name="net")["records"]:
            hpc.load_spool(store, tmp_path / "braid-spool", unfinished=True)
        assert epochs(store) == [0, 1, 2]
        assert store.check() == []


def completed(recorder: Recorder, folder: Path) -> None:
    """A training whose version is durable before it is completed."""
    with recorder.step("Train") as step:
        version = step.updated(recorder.model("net"))
        recorder.flush()
        version.log(epoch=0, loss=0.5)
        (folder / "weights.bin").write_bytes(b"trained")
        version.add(file=folder / "weights.bin", scores={"accuracy": 0.9})


def check_completed(store: Store) -> None:
    found = store.documents().record("net@v1")
    assert [(uri["size"], uri["digest"]) for uri in found["uris"]] == [(7, TRAINED)]
    assert (found["scores"], found["metrics"]) == ({"accuracy": 0.9}, [{"epoch": 0, "loss": 0.5}])
    assert store.check() == []


def test_a_version_that_was_completed_comes_through_a_spool(store: Store, tmp_path: Path) -> None:
    with hpc.spool(tmp_path / "spool") as recorder:
        completed(recorder, tmp_path)
    for _ in range(2):
        assert hpc.load_spool(store, tmp_path / "spool").bad == []
        check_completed(store)


def test_a_version_that_was_completed_comes_through_a_server(
    house: House, ada: Person, tmp_path: Path
) -> None:
    with hpc.remote(house.url, ada.token, spool=tmp_path / "spool") as recorder:
        completed(recorder, tmp_path)
    assert not (tmp_path / "spool").exists()
    check_completed(house.store)


def test_a_version_that_was_completed_comes_through_an_aggregator(
    store_url: str, tmp_path: Path
) -> None:
    run_mpi(COMPLETED, tmp_path, arguments=[store_url])
    with open_store(store_url, create=False) as store:
        check_completed(store)


def test_a_remote_recorder_knows_names(house: House, ada: Person, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    for number in (1, 2):
        with hpc.remote(house.url, ada.token, spool=spool) as recorder:
            scan = recorder.data("scan", uris=[f"file:///scan-{number}.h5"])
            model = recorder.model("net", resume=True)
            version = model.update(f"file:///scan-{number}.h5")
            assert version.version == number
            recorder.alias("net", "champion")
            recorder.tag("net@champion", {"number": number})
            recorder.untag(scan, "nothing")
            with pytest.raises(InvalidInput):
                recorder.alias(version, "v1")
    line = house.store.documents().model("net")
    assert [v["aliases"] for v in line["versions"]] == [[], [], ["champion"]]
    assert [v["tags"].get("number") for v in line["versions"]] == [None, 1, 2]
    assert house.store.check() == []
    assert not spool.exists()


def test_aliases_and_removed_tags_come_through_a_spool(store: Store, tmp_path: Path) -> None:
    with hpc.spool(tmp_path) as recorder:
        version = recorder.model("net", tags={"a": 1}).update(tags={"a": 1})
        version.alias("champion").untag("a").log([{"step": 1, "loss": 0.5}])
    assert hpc.load_spool(store, tmp_path).bad == []
    found = store.documents().record("net@champion")
    assert (found["version"], found["tags"]) == (1, {})
    assert found["metrics"] == [{"step": 1, "loss": 0.5}]
