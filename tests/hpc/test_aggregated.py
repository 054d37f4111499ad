"""An MPI job records through aggregators."""

from __future__ import annotations

from pathlib import Path

from provenance_store import open_store
from tests.support.mpi import run_mpi

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
        lineage = store.reader().lineage(urn, direction="up")
        assert sorted(node["name"] for node in lineage["nodes"]) == sorted(
            ["net", "net", *(f"scan-1-{n}" for n in (0, 1)), *(f"scan-2-{n}" for n in (0, 1, 2))]
        )
    assert not (tmp_path / "braid-spool").exists()
