"""The job of mpi.py, under mpiexec: `KIND URL COUNT`; the first worker prints JSON.

``records``: every rank records so many data with two dependencies, a URI and a tag each.
``mascot``: the ranks share a Mascot with so many configurations and models.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mpi4py import MPI

import hpc
from hpc.mascot import Size
from hpc.mascot.ranks import play_on_ranks, wait_for_all

WARM_UP = 2_000


def records(url: str, count: int) -> dict[str, Any]:
    """Seconds until all is durable, and what the ranks spent on one record."""
    comm = MPI.COMM_WORLD
    working: Any = hpc.workers(comm)
    spent = elapsed = 0.0
    begun = None
    with hpc.aggregated(url, comm, environment=None) as recorder:
        if recorder is not None:
            last = [recorder.data(f"earlier-{n}") for n in range(WARM_UP)][-2:]
            recorder.flush()
            wait_for_all(working)
            begun, processor = time.perf_counter(), time.process_time()
            for n in range(count):
                uri = f"file:///scratch/{comm.rank}/{n}.h5"
                made = recorder.data(f"scan-{n}", depends_on=last, uris=[uri], tags={"n": n})
                last = [last[1], made]
            spent = (time.process_time() - processor) / count
            elapsed = (time.perf_counter() - begun) / count
            recorder.flush()
    wait_for_all(comm)
    took = time.perf_counter() - begun if begun else 0.0
    return {
        "seconds": comm.allreduce(took, MPI.MAX),
        "processor_us": comm.allreduce(spent, MPI.MAX) * 1e6,
        "elapsed_us": comm.allreduce(elapsed, MPI.MAX) * 1e6,
        "rows": 5 * count * (comm.size - 1),
        "ranks": comm.size,
    }


def mascot(url: str, count: int) -> dict[str, Any]:
    size = Size(count, count, 5, 4 * count)
    seconds = play_on_ranks(url, size)
    return {"seconds": seconds, "rows": sum(size.rows().values()), "ranks": MPI.COMM_WORLD.size}


def main() -> None:
    kind, url, count = sys.argv[1:]
    found = {"records": records, "mascot": mascot}[kind](url, int(count))
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
