"""What goes wrong in an MPI job: the run ends, and nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

import hpc
from provenance_store import open_store
from tests.support.mpi import mpi_job, run_mpi
from tests.support.postgres import PostgresServer

IMPATIENT = {
    "BRAID_RANK_WAIT_SECONDS": "2",
    "BRAID_AGGREGATOR_RETRY_SECONDS": "1",
    "BRAID_BUSY_TIMEOUT_MS": "200",
    "BRAID_BATCH_RECORDS": "100",
}

JOB = """
import os, signal, sys, time
from pathlib import Path
from mpi4py import MPI
import hpc

comm = MPI.COMM_WORLD
url, fault = sys.argv[1], sys.argv[2]

def say(what):
    Path(f"{what}-{comm.rank}").write_text(str(os.getpid()))

def wait_for(name):
    until = time.monotonic() + 60
    while not Path(name).exists() and time.monotonic() < until:
        time.sleep(0.02)

say("up")
if fault == "full" and comm.rank == 0:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with hpc.aggregated(url, comm=comm) as recorder:
    if recorder is not None:
        for n in range(500):
            recorder.data(f"first-{comm.rank}-{n}")
        if fault != "full":
            recorder.flush()
        say("flushed")
        wait_for("go-on")
        for n in range(2500):
            recorder.data(f"then-{comm.rank}-{n}", uris=[f"file:///scratch/{comm.rank}/{n}"])
        say("recorded")
        if fault == "hold":
            wait_for("end")
        if fault == "kill" and comm.rank == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        begun = time.monotonic()
        recorder.flush()
        say("safe")
say("left")
"""


def wait_for(process: subprocess.Popen[str], *files: Path, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not all(file.exists() for file in files):
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            pytest.fail(f"{process.poll()}: {process.communicate()}")
        time.sleep(0.02)


def workers(folder: Path, what: str) -> list[Path]:
    return [folder / f"{what}-1", folder / f"{what}-2"]


def end(process: subprocess.Popen[str], seconds: float = 60) -> tuple[str, str]:
    return process.communicate(timeout=seconds)


def counted(url: str) -> tuple[int, int]:
    """How many records of the first and of the second kind the store holds; it is in order."""
    with open_store(url) as store:
        assert store.check() == []
        with store.sink.session.read() as connection:
            names = connection.exec_driver_sql("SELECT name FROM record").scalars().all()
        assert len(set(names)) == len(names)
        return (
            sum(name.startswith("first") for name in names),
            sum(name.startswith("then") for name in names),
        )


def load(url: str, folder: Path) -> None:
    with open_store(url) as store:
        assert hpc.load_spool(store, folder / "braid-spool").bad == []


def test_an_aggregator_that_stops_answering_does_not_hold_the_ranks(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    with mpi_job(JOB, tmp_path, arguments=[url, "none"], environ=IMPATIENT) as process:
        wait_for(process, *workers(tmp_path, "flushed"))
        aggregator = int((tmp_path / "up-0").read_text())
        os.kill(aggregator, signal.SIGSTOP)
        (tmp_path / "go-on").touch()
        wait_for(process, *workers(tmp_path, "left"))
        os.kill(aggregator, signal.SIGKILL)
        end(process)
        assert process.returncode != 0
    assert counted(url) == (1000, 0)
    load(url, tmp_path)
    assert counted(url) == (1000, 5000)


def test_an_aggregator_that_was_only_away_takes_up_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    with mpi_job(JOB, tmp_path, arguments=[url, "none"], environ=IMPATIENT) as process:
        wait_for(process, *workers(tmp_path, "flushed"))
        aggregator = int((tmp_path / "up-0").read_text())
        os.kill(aggregator, signal.SIGSTOP)
        (tmp_path / "go-on").touch()
        wait_for(process, *workers(tmp_path, "left"))
        os.kill(aggregator, signal.SIGCONT)
        end(process)
        assert process.returncode == 0
    load(url, tmp_path)  # much of it is there already
    assert counted(url) == (1000, 5000)


def test_an_aggregator_killed_at_once_has_kept_what_it_acknowledged(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    with mpi_job(JOB, tmp_path, arguments=[url, "none"], environ=IMPATIENT) as process:
        wait_for(process, *workers(tmp_path, "flushed"))
        os.kill(int((tmp_path / "up-0").read_text()), signal.SIGKILL)
        end(process)
        assert process.returncode != 0
    assert counted(url) == (1000, 0)


def test_a_killed_rank_ends_the_job_and_acknowledged_records_are_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    (tmp_path / "go-on").touch()
    ended = run_mpi(JOB, tmp_path, arguments=[url, "kill"], environ=IMPATIENT)
    assert ended.code != 0
    first, _ = counted(url)
    assert first == 1000


@pytest.mark.parametrize("whom", ["workers", "all"])
def test_sigterm_at_the_end_of_the_jobs_time_saves_everything(tmp_path: Path, whom: str) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    with mpi_job(JOB, tmp_path, arguments=[url, "hold"], environ=IMPATIENT) as process:
        wait_for(process, *workers(tmp_path, "flushed"))
        (tmp_path / "go-on").touch()
        wait_for(process, *workers(tmp_path, "recorded"))
        ranks = (1, 2) if whom == "workers" else (0, 1, 2)
        for rank in ranks:
            os.kill(int((tmp_path / f"up-{rank}").read_text()), signal.SIGTERM)
        end(process)
        assert process.returncode != 0
    load(url, tmp_path)
    assert counted(url) == (1000, 5000)


def test_a_full_disk_under_the_store_sends_records_to_the_spool(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    (tmp_path / "go-on").touch()
    ended = run_mpi(JOB, tmp_path, arguments=[url, "full"], environ=IMPATIENT)
    assert ended.code == 0, ended.err
    assert "told to spool" in ended.err
    assert "braid spool load" in ended.err
    assert sum(counted(url)) < 6000
    load(url, tmp_path)
    assert counted(url) == (1000, 5000)


@pytest.mark.parametrize("when", ["beginning", "middle"])
def test_a_locked_database_sends_records_to_the_spool(tmp_path: Path, when: str) -> None:
    file = tmp_path / "run.db"
    url = f"sqlite:///{file}"
    open_store(url).close()
    other = sqlite3.connect(file, isolation_level=None)
    if when == "beginning":
        other.execute("BEGIN IMMEDIATE")
    with mpi_job(JOB, tmp_path, arguments=[url, "none"], environ=IMPATIENT) as process:
        wait_for(process, *workers(tmp_path, "flushed"))
        if when == "middle":
            other.execute("BEGIN IMMEDIATE")
        (tmp_path / "go-on").touch()
        _, err = end(process)
        assert process.returncode == 0, err
    other.execute("ROLLBACK")
    other.close()
    assert "locked" in err
    assert counted(url) == ((0, 0) if when == "beginning" else (1000, 0))
    load(url, tmp_path)
    assert counted(url) == (1000, 5000)


def test_a_database_lock_that_ends_in_time_costs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "run.db"
    url = f"sqlite:///{file}"
    open_store(url).close()
    other = sqlite3.connect(file, isolation_level=None)
    patient = {**IMPATIENT, "BRAID_AGGREGATOR_RETRY_SECONDS": "60", "BRAID_RANK_WAIT_SECONDS": "60"}
    with mpi_job(JOB, tmp_path, arguments=[url, "none"], environ=patient) as process:
        wait_for(process, *workers(tmp_path, "flushed"))
        other.execute("BEGIN IMMEDIATE")
        (tmp_path / "go-on").touch()
        wait_for(process, *workers(tmp_path, "recorded"))
        other.execute("ROLLBACK")
        _, err = end(process)
        assert process.returncode == 0, err
    other.close()
    assert counted(url) == (1000, 5000)
    assert not (tmp_path / "braid-spool").exists()


def test_a_database_server_that_goes_away_sends_records_to_the_spool(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    with own_postgres as server:
        url = server.new_database()
        with mpi_job(JOB, tmp_path, arguments=[url, "none"], environ=IMPATIENT) as process:
            wait_for(process, *workers(tmp_path, "flushed"))
            server.stop()
            (tmp_path / "go-on").touch()
            _, err = end(process)
            assert process.returncode == 0, err
        server.start()
        assert counted(url) == (1000, 0)
        load(url, tmp_path)
        assert counted(url) == (1000, 5000)


def test_neither_store_nor_spool_is_said_and_the_job_still_ends(tmp_path: Path) -> None:
    file = tmp_path / "run.db"
    url = f"sqlite:///{file}"
    open_store(url).close()
    (tmp_path / "go-on").touch()
    (tmp_path / "braid-spool").write_text("not a folder")
    script = JOB.replace("recorder.flush()", "pass")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ended = run_mpi(script, tmp_path, arguments=[url, "none"], environ=IMPATIENT)
    other.close()
    assert ended.code == 0, ended.err
    assert "cannot be written" in ended.err


def test_sigterm_ends_a_rank_that_waits_for_its_aggregator(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    patient = {**IMPATIENT, "BRAID_RANK_WAIT_SECONDS": "3600"}
    with mpi_job(JOB, tmp_path, arguments=[url, "none"], environ=patient) as process:
        wait_for(process, *workers(tmp_path, "flushed"))
        os.kill(int((tmp_path / "up-0").read_text()), signal.SIGSTOP)
        (tmp_path / "go-on").touch()
        wait_for(process, *workers(tmp_path, "recorded"))
        for rank in (1, 2):
            os.kill(int((tmp_path / f"up-{rank}").read_text()), signal.SIGTERM)
        end(process)
        assert process.returncode != 0
    load(url, tmp_path)
    assert counted(url) == (1000, 5000)


def test_a_full_buffer_is_spooled_and_recording_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    small = {**IMPATIENT, "BRAID_RANK_BUFFER_MB": "1"}
    job = JOB.replace('f"file:///scratch/', '"x" * 2000 + f"file:///scratch/')
    with mpi_job(job, tmp_path, arguments=[url, "hold"], environ=small) as process:
        wait_for(process, *workers(tmp_path, "flushed"))
        aggregator = int((tmp_path / "up-0").read_text())
        os.kill(aggregator, signal.SIGSTOP)
        (tmp_path / "go-on").touch()
        wait_for(process, *workers(tmp_path, "recorded"))
        assert list((tmp_path / "braid-spool" / "tmp").iterdir())
        os.kill(aggregator, signal.SIGCONT)
        (tmp_path / "end").touch()
        _, err = end(process)
        assert process.returncode == 0, err
    load(url, tmp_path)
    assert counted(url) == (1000, 5000)


FLUSHING = """
import os, sys
from pathlib import Path
from mpi4py import MPI
import hpc

rank = MPI.COMM_WORLD.rank
Path(f"up-{rank}").write_text(str(os.getpid()))
with hpc.aggregated(sys.argv[1]) as recorder:
    if recorder is not None:
        groups = 0
        while not Path("stop").exists() and groups < 5000:
            for n in range(20):
                recorder.data(f"scan-{rank}-{groups}-{n}")
            recorder.flush()
            groups += 1
            Path(f"groups-{rank}").write_text(str(groups))
"""


def groups(folder: Path) -> list[int]:
    """How many groups of 20 records each worker has flushed."""
    files = workers(folder, "groups")
    return [int(file.read_text() or 0) if file.exists() else 0 for file in files]


def test_a_frozen_aggregator_leads_to_few_large_spool_files(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    with mpi_job(FLUSHING, tmp_path, arguments=[url], environ=IMPATIENT) as process:
        wait_for(process, *workers(tmp_path, "groups"))
        os.kill(int((tmp_path / "up-0").read_text()), signal.SIGSTOP)
        begun, until = groups(tmp_path), time.monotonic() + 60
        while min(now - then for now, then in zip(groups(tmp_path), begun, strict=True)) < 100:
            assert time.monotonic() < until, groups(tmp_path)
            time.sleep(0.05)
        os.kill(int((tmp_path / "up-0").read_text()), signal.SIGCONT)
        (tmp_path / "stop").touch()
        _, err = end(process)
        assert process.returncode == 0, err
    assert len(list((tmp_path / "braid-spool" / "new").iterdir())) <= 4
    assert list((tmp_path / "braid-spool" / "tmp").iterdir()) == []
    load(url, tmp_path)
    with open_store(url) as store:
        assert store.check() == []
        assert store.info()["records"]["data"] == 20 * sum(groups(tmp_path))
