"""A recorder that was opened in one process and is used in others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hpc
from provenance_store import Store, open_store
from tests.functional.provider.house import House, Person
from tests.support.mpi import ROOT
from tests.support.recording_job import TASKS

SCRIPT = ROOT / "tests" / "support" / "recording_job.py"
IN_ORDER, KILLED = ("process", "executor", "loader"), ("pool",)
WAYS = {
    method: [f"{way} {method}" for way in (*IN_ORDER, *KILLED)]
    for method in ("fork", "forkserver", "spawn")
} | {"os.fork": ["os.fork"], "joblib": ["joblib"]}


def names(hows: list[str]) -> list[str]:
    """What is recorded in all."""
    every = [[how, f"{how}-after", *(f"{how}-{n}" for n in range(TASKS))] for how in hows]
    return sorted(name for some in every for name in some)


def run(folder: Path, *args: str, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JOBLIB_TEMP_FOLDER": str(folder)},
        capture_output=True,
        text=True,
        timeout=110,
    )


def recorded(folder: Path, where: dict[str, str], hows: list[str]) -> dict[str, str]:
    """The URNs of what the parent recorded, after a job that went well."""
    ran = run(folder, json.dumps(where), *hows)
    assert ran.returncode == 0, ran.stderr
    urns: dict[str, str] = json.loads((folder / "urns.json").read_text())
    return urns


def holds_all(store: Store, urns: dict[str, str], hows: list[str]) -> None:
    """Everything is there once, linked; the parent is one origin that no child is."""
    assert store.check() == []
    records = store.documents().records(limit=1000)["records"]
    assert sorted(record["name"] for record in records) == names(hows)
    by_name = {record["name"]: record["id"] for record in records}
    assert {name: by_name[name] for name in urns} == urns
    for how in hows:
        down = store.documents().lineage(urns[how], direction="down")
        assert sorted(node["name"] for node in down["nodes"]) == names([how])
    origins = [urn.rpartition(":")[0] for urn in by_name.values()]
    parents = {urn.rpartition(":")[0] for urn in urns.values()}
    assert [origins.count(parent) for parent in parents] == [len(urns)]
    assert len(set(origins)) > len(hows)


@pytest.mark.parametrize("method", WAYS)
def test_a_store_is_recorded_into_by_children(store_url: str, tmp_path: Path, method: str) -> None:
    urns = recorded(tmp_path, {"kind": "store", "url": store_url}, WAYS[method])
    with open_store(store_url, create=False) as store:
        holds_all(store, urns, WAYS[method])


@pytest.mark.parametrize("method", WAYS)
def test_a_spool_is_recorded_into_by_children(tmp_path: Path, method: str) -> None:
    spool = tmp_path / "spool"
    urns = recorded(tmp_path, {"kind": "spool", "spool": str(spool)}, WAYS[method])
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        assert list((spool / "tmp").iterdir()) == []
        loaded = hpc.load_spool(store, spool)
        assert (loaded.bad, loaded.records) == ([], len(names(WAYS[method])))
        holds_all(store, urns, WAYS[method])
        runs = store.documents().records(run_id="run-1", limit=1000)["records"]
        assert len(runs) == loaded.records


@pytest.mark.parametrize("method", WAYS)
def test_a_server_is_recorded_to_by_children(
    house: House, ada: Person, tmp_path: Path, method: str
) -> None:
    spool = tmp_path / "spool"
    where = {"kind": "remote", "url": house.url, "token": ada.token, "spool": str(spool)}
    urns = recorded(tmp_path, where, WAYS[method])
    there = {record["name"] for record in house.store.documents().records(limit=1000)["records"]}
    late = set(names(WAYS[method])) - there
    assert {name.partition(" ")[0] for name in late} <= set(KILLED)
    if late:  # by SIGTERM, as Pool ends its workers: what was gathered is in the spool
        assert hpc.load_spool(house.store, spool).bad == []
    holds_all(house.store, urns, WAYS[method])
