"""MPI ranks record whatever value they have, and no rank loses anything by another's."""

from __future__ import annotations

import json
from pathlib import Path

from provenance_store import open_store
from tests.support.entrances import kept_of
from tests.support.mpi import run_mpi
from tests.support.values import CASES

JOB = """
import json
import sys
from mpi4py import MPI
import hpc
from tests.support.entrances import record
from tests.support.values import CASES

comm = MPI.COMM_WORLD
urns = []
with hpc.aggregated(sys.argv[1], comm=comm, environment=None) as recorder:
    if recorder is not None:
        urns = [record(recorder, case).urn for case in CASES]
print(json.dumps(urns))
"""


def test_ranks_record_whatever_value_they_have(store_url: str, tmp_path: Path) -> None:
    ended = run_mpi(JOB, tmp_path, arguments=[store_url])
    assert ended.code == 0, ended.err
    by_rank = [json.loads(line) for line in ended.out.splitlines()]
    assert sorted(map(len, by_rank)) == [0, len(CASES), len(CASES)]
    with open_store(store_url, create=False) as store:
        for urns in filter(None, by_rank):
            wrong = [
                f"{case.field} {case.name}"
                for case, urn in zip(CASES, urns, strict=True)
                if not case.matches(kept_of(store, urn, case.field))
            ]
            assert wrong == []
        assert store.check() == []
    assert not (tmp_path / "braid-spool").exists()
