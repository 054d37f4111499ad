"""An MPI job records through aggregators."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from provenance_store import Store, open_store
from tests.support.mpi import ROOT, run_mpi
from tests.support.postgres import PostgresServer

JOB = """
import sys
from mpi4py import MPI
import hpc

comm = MPI.COMM_WORLD
with hpc.aggregated(sys.argv[1], comm=comm, aggregators=1) as recorder:
    if recorder is not None:
        scans = [recorder.data(f"scan-{comm.rank}-{n}", tags={"n": n}) for n in range(1500)]
        if comm.rank == 1:
            comm.send(recorder.model("net", trained_on=scans[:2]), dest=2)
        else:
            model = recorder.update(comm.recv(source=1), scans[:3], metrics=[{"epoch": 1, "l": .5}])
            print(model.urn, model.version)
"""


def test_workers_record_through_one_aggregator(store_url: str, tmp_path: Path) -> None:
    ended = run_mpi(JOB, tmp_path, arguments=[store_url])
    assert ended.code == 0, ended.err
    urn, version = ended.out.split()
    assert version == "1"
    with open_store(store_url, create=False) as store:
        assert store.check() == []
        info = store.info()
        assert info["records"]["data"] == 3000
        assert info["tables"]["tag"] == 3000
        assert info["origins"] == 2
        lineage = store.documents().lineage(urn, direction="up")
        assert sorted(node["name"] for node in lineage["nodes"]) == sorted(
            ["net", "net", *(f"scan-1-{n}" for n in (0, 1)), *(f"scan-2-{n}" for n in (0, 1, 2))]
        )
    assert not (tmp_path / "braid-spool").exists()


WORKLOAD = """
import sys
from mpi4py import MPI
import hpc

comm = MPI.COMM_WORLD
url, kind = sys.argv[1], sys.argv[2]
aggregators = kind if kind == "node" else int(kind)
working = hpc.workers(comm, aggregators=aggregators)
with hpc.aggregated(url, comm=comm, aggregators=aggregators, run_id="job-1") as recorder:
    if recorder is not None:
        config = recorder.fact(f"config of {working.rank}") if working.rank == 0 else None
        config = working.bcast(config)
        scans = [
            recorder.data(f"scan {working.rank} {n}", depends_on=[config], uris=[f"file:///{n}"])
            for n in range(WORK // working.size)
        ]
        everyones = working.allgather(scans[0])
        model = recorder.model(f"net {working.rank}", trained_on=everyones)
        model = working.bcast(model)
        with recorder.step(f"step {working.rank}", models=[model]) as step:
            step.output(f"out {working.rank}")
        following = recorder.update(model, scans[:2])
"""


def graph(store: Store) -> tuple[object, ...]:
    """Records and links without what differs from run to run, for the same number of workers."""
    with store.sink.session.read() as connection:
        run = connection.exec_driver_sql
        named = dict(run("SELECT id, kind || ' ' || name FROM record").all())  # type: ignore[arg-type]
        links = [
            (named[row[0]], named[row[1]], row[2])
            for row in run("SELECT to_id, from_id, role FROM link")
        ]
        uris = [(named[row[0]], row[1]) for row in run("SELECT record_id, uri FROM uri")]
    return sorted(named.values()), sorted(links), sorted(uris)


def test_two_shards_merged_equal_one_aggregator(tmp_path: Path) -> None:
    job = WORKLOAD.replace("WORK", "240")
    for folder, kind, ranks in (("one", "1", 3), ("two", "2", 4)):
        (tmp_path / folder).mkdir()
        ended = run_mpi(
            job,
            tmp_path / folder,
            ranks=ranks,
            arguments=["sqlite:///run.db", kind],
            environ={"BRAID_BATCH_RECORDS": "50"},
        )
        assert ended.code == 0, ended.err
        assert not (tmp_path / folder / "braid-spool").exists()
    assert not (tmp_path / "two" / "run.db").exists()
    shards = [tmp_path / "two" / f"run-{n}.db" for n in (0, 1)]
    with (
        open_store(f"sqlite:///{tmp_path / 'one' / 'run.db'}", create=False) as one,
        open_store(f"sqlite:///{tmp_path / 'merged.db'}") as merged,
    ):
        for shard in reversed(shards):
            merged.merge(shard)
        assert merged.check() == one.check() == []
        assert graph(merged) == graph(one)
        assert merged.info()["tables"] == one.info()["tables"]
        with merged.sink.session.read() as connection:
            blank = "SELECT count(*) FROM origin WHERE who = ''"
            assert connection.exec_driver_sql(blank).scalar() == 0


def test_several_aggregators_share_one_postgresql(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.new_database()
    ended = run_mpi(WORKLOAD.replace("WORK", "240"), tmp_path, ranks=4, arguments=[url, "2"])
    assert ended.code == 0, ended.err
    with open_store(url, create=False) as store:
        assert store.check() == []
        assert store.info()["records"]["data"] == 242
        assert store.info()["origins"] == 2


def test_one_aggregator_for_every_node(tmp_path: Path) -> None:
    ended = run_mpi(
        WORKLOAD.replace("WORK", "240"), tmp_path, arguments=["sqlite:///run.db", "node"]
    )
    assert ended.code == 0, ended.err
    with open_store(f"sqlite:///{tmp_path / 'run.db'}", create=False) as store:
        assert store.check() == []
        assert store.info()["records"]["data"] == 242


def test_a_job_of_one_rank_writes_straight_to_the_store(tmp_path: Path) -> None:
    job = WORKLOAD.replace("WORK", "10")
    ended = run_mpi(job, tmp_path, ranks=1, arguments=["sqlite:///run.db", "1"])
    assert ended.code == 0, ended.err
    with open_store(f"sqlite:///{tmp_path / 'run.db'}", create=False) as store:
        assert store.info()["records"]["data"] == 11


def test_what_is_wrong_is_said_on_every_rank_and_nobody_waits(tmp_path: Path) -> None:
    job = """
    import sys
    from mpi4py import MPI
    import hpc
    from provenance_store.errors import ConfigurationError
    wrong = (("sqlite:///no/folder/run.db", 1), ("nonsense://x", 1), ("sqlite:///run.db", 3))
    for url, aggregators in wrong:
        try:
            with hpc.aggregated(url, MPI.COMM_WORLD, aggregators=aggregators):
                pass
        except ConfigurationError as error:
            sys.stdout.write(f"{error}\\n")
    """
    ended = run_mpi(job, tmp_path)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert len(lines) == 9
    assert len(set(lines)) == 3


def test_an_error_on_one_rank_leaves_nobody_waiting(tmp_path: Path) -> None:
    job = """
    from mpi4py import MPI
    import hpc
    try:
        with hpc.aggregated("sqlite:///run.db") as recorder:
            if recorder is not None:
                recorder.data(f"scan-{MPI.COMM_WORLD.rank}")
                if MPI.COMM_WORLD.rank == 1:
                    raise ValueError("the science went wrong")
    except ValueError:
        pass
    """
    ended = run_mpi(job, tmp_path)
    assert ended.code == 0, ended.err
    with open_store(f"sqlite:///{tmp_path / 'run.db'}", create=False) as store:
        assert store.info()["records"]["data"] == 2


def test_ranks_add_to_a_live_dataset_of_another_rank_before_it_is_stored(tmp_path: Path) -> None:
    job = """
    from mpi4py import MPI
    import hpc
    comm = MPI.COMM_WORLD
    with hpc.aggregated("sqlite:///run.db") as recorder:
        if comm.rank == 1:
            everything = recorder.dataset("everything", live=True)
            comm.send(everything, dest=2)
            comm.recv(source=2)
        elif comm.rank == 2:
            everything = comm.recv(source=1)
            recorder.add(everything, members=[recorder.data(f"scan-{n}") for n in range(2000)])
            comm.send(None, dest=1)
    """
    ended = run_mpi(job, tmp_path)
    assert ended.code == 0, ended.err
    assert not (tmp_path / "braid-spool").exists()
    with open_store(f"sqlite:///{tmp_path / 'run.db'}", create=False) as store:
        assert store.check() == []
        assert store.info()["tables"]["link"] == 2000


def test_several_threads_of_a_rank_record(tmp_path: Path) -> None:
    job = """
    from concurrent.futures import ThreadPoolExecutor
    import hpc
    with hpc.aggregated("sqlite:///run.db") as recorder:
        if recorder is not None:
            with ThreadPoolExecutor(4) as pool:
                for done in [pool.submit(recorder.data, f"scan-{n}") for n in range(4000)]:
                    done.result()
                pool.submit(recorder.flush).result()
    """
    ended = run_mpi(job, tmp_path, ranks=2)
    assert ended.code == 0, ended.err
    with open_store(f"sqlite:///{tmp_path / 'run.db'}", create=False) as store:
        assert store.check() == []
        assert store.info()["records"]["data"] == 4000


def test_flush_means_that_another_process_can_read_it(tmp_path: Path) -> None:
    job = """
    import hpc
    from provenance_store import open_store
    with hpc.aggregated("sqlite:///run.db") as recorder:
        if recorder is not None:
            for n in range(5):
                made = recorder.data(f"scan-{n}")
                recorder.flush()
                with open_store("sqlite:///run.db", create=False) as store:
                    assert store.documents().record(made.urn)["name"] == f"scan-{n}"
    """
    ended = run_mpi(job, tmp_path, ranks=2)
    assert ended.code == 0, ended.err


def test_without_mpi_it_is_said_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['mpi4py'] = None\n"
        "import hpc\nfrom provenance_store.errors import ConfigurationError\n"
        "try:\n    hpc.aggregated('sqlite:///x.db').__enter__()\n"
        "except ConfigurationError as error:\n    sys.stdout.write(str(error))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("hpc.aggregated needs mpi4py")
    assert "braid-provenance[hpc]" in ran.stdout
