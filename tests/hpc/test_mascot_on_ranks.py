"""`braid mascot` under mpiexec: the work is shared, what is stored is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provenance_store import Store, open_store
from tests.support.command_line import Braid, caller
from tests.support.mpi import ROOT, braid_on_ranks, need_mpi
from tests.support.postgres import PostgresServer

SIZE = ("-C", 12, "-M", 10, "-N", 3, "-E", 20, "-U", 2, "--deps", 3)
COUNTS = {"record": 112, "version": 40, "uri": 144, "link": 820}


@pytest.fixture
def braid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Braid:
    monkeypatch.chdir(tmp_path)
    return caller(capsys)


def science(store: Store) -> tuple[object, ...]:
    """Records, URIs and links by kind, name and version: all that is no number of a store."""
    with store.sink.session.read() as connection:
        run = connection.exec_driver_sql
        named = {
            row[0]: tuple(row[1:])
            for row in run(
                "SELECT record.id, kind, name, coalesce(version.depth, 0) FROM record "
                "LEFT JOIN version ON version.id = record.id"
            )
        }
        uris = [(named[row[0]], row[1]) for row in run("SELECT record_id, uri FROM uri")]
        links = [
            (named[row[0]], named[row[1]], row[2])
            for row in run("SELECT to_id, from_id, role FROM link")
        ]
    return sorted(named.values()), sorted(uris), sorted(links)


def in_file(path: Path) -> tuple[object, ...]:
    with open_store(f"sqlite:///{path}", create=False) as store:
        assert store.check() == []
        return science(store)


@pytest.mark.parametrize("datasets", [(), ("--datasets",)], ids=["experiments", "datasets"])
def test_ranks_record_what_one_process_records(
    braid: Braid, tmp_path: Path, datasets: tuple[str, ...]
) -> None:
    alone = braid("mascot", *SIZE, *datasets, "--store", "alone.db", "--format", "json")
    job = braid_on_ranks(
        "mascot", *SIZE, *datasets, "--store", "job.db", "--format", "json", folder=tmp_path
    )
    assert job.code == 0, job.err
    answer = json.loads(job.out)
    assert answer["counts"] == json.loads(alone.out)["counts"]
    if not datasets:
        assert answer["counts"] == COUNTS
    assert in_file(tmp_path / "job.db") == in_file(tmp_path / "alone.db")
    assert not (tmp_path / "braid-spool").exists()


def test_shards_of_two_aggregators_merged_are_the_store_of_one(
    braid: Braid, tmp_path: Path
) -> None:
    one = braid_on_ranks("mascot", *SIZE, "--store", "one.db", folder=tmp_path)
    two = braid_on_ranks(
        "mascot",
        *SIZE,
        "--aggregators",
        2,
        "--store",
        "two.db",
        "--format",
        "json",
        folder=tmp_path,
        ranks=4,
    )
    assert (one.code, two.code) == (0, 0), one.err + two.err
    answer = json.loads(two.out)
    assert answer["counts"] == COUNTS
    assert answer["stores"] == ["sqlite:///two-0.db", "sqlite:///two-1.db"]
    for _ in range(2):
        merged = braid("merge", "two-1.db", "two-0.db", "--store", "merged.db")
        assert merged.code == 0, merged.err
    assert in_file(tmp_path / "merged.db") == in_file(tmp_path / "one.db")


def test_aggregators_share_a_postgresql_and_the_counts_are_the_difference(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.new_database()
    for _ in range(2):
        job = braid_on_ranks(
            "mascot",
            *SIZE,
            "--aggregators",
            2,
            "--store",
            url,
            "--format",
            "json",
            folder=tmp_path,
            ranks=4,
        )
        assert job.code == 0, job.err
        assert json.loads(job.out)["counts"] == COUNTS
        assert "stores" not in json.loads(job.out)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("-M", 400), "larger -C"),
        (("--aggregators", 2), "1 to 1 aggregators"),
        (("--commit", "each"), "--commit"),
        (("--store", "no/folder/run.db"), "no/folder does not exist"),
    ],
)
def test_what_is_wrong_is_said_once_and_nobody_waits(
    tmp_path: Path, wrong: tuple[object, ...], said: str
) -> None:
    job = braid_on_ranks("mascot", *SIZE, *wrong, folder=tmp_path)
    assert job.code == 2
    (line,) = job.err.splitlines()
    assert said in line


def test_a_job_of_one_rank_needs_no_mpi(tmp_path: Path) -> None:
    job = braid_on_ranks(
        "mascot", *SIZE, "--commit", "batch", "--format", "json", folder=tmp_path, ranks=1
    )
    assert job.code == 0, job.err
    assert json.loads(job.out)["counts"] == COUNTS


def test_alone_there_are_no_aggregators(braid: Braid) -> None:
    answer = braid("mascot", *SIZE, "--aggregators", 1)
    assert answer.code == 2
    assert "mpiexec" in answer.err


def test_a_launcher_of_another_mpi_library_is_told_apart(tmp_path: Path) -> None:
    """As under Open MPI's launcher with MPICH's library: every process sees itself alone."""
    need_mpi()
    names = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4"}
    ran = subprocess.run(
        [sys.executable, "-m", "braid", "mascot", *map(str, SIZE)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **names},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 2
    assert "another MPI library" in ran.stderr
    assert not (tmp_path / "braid.db").exists()
