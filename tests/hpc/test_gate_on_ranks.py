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
sys.stdout.write(json.dumps(urns) + "\\n")
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


OLDER = """
import sys
from mpi4py import MPI
import hpc
from provenance_store import sink
from provenance_store.rows import TagRow

comm = MPI.COMM_WORLD
if comm.rank == 1:
    sink.VERSION = "0.0.9"
with hpc.aggregated(sys.argv[1], comm=comm, environment=None) as recorder:
    if recorder is not None:
        with recorder.transaction() as batch:
            record = recorder.data(f"of rank {comm.rank}")
            new = recorder.sink.new_id()
            at = 1_700_000_000_000_000
            row = (record.id, "how", new, 1, "curl -u me:hunter2secret", None, at)
            batch.tag.append(TagRow(*row))
"""


def test_what_a_rank_of_another_version_sends_goes_through_the_gate_again(
    store_url: str, tmp_path: Path
) -> None:
    ended = run_mpi(OLDER, tmp_path, arguments=[store_url])
    assert ended.code == 0, ended.err
    with open_store(store_url, create=False) as store:
        assert store.documents().record("of rank 1")["tags"] == {"how": "curl -u me:[redacted]"}
        # One of this version has done so itself.
        assert "hunter2secret" in store.documents().record("of rank 2")["tags"]["how"]
