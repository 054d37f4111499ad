"""The job of soak.py, under mpiexec: `URL NAME`.

Ranks record and flush until there is a file `end-NAME`. After each flush a worker notes in its
ledger how many records of its own are acknowledged; every rank says first which process it is.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from mpi4py import MPI

import hpc

TOGETHER, FLUSH_EVERY, PAUSE = 50, 10, 0.03


def work(recorder: Any, name: str) -> None:
    rank, end = MPI.COMM_WORLD.rank, Path(f"end-{name}")
    count = rounds = 0
    with Path(f"ledger-{name}-{rank}").open("a") as ledger:
        while not end.exists():
            scan = recorder.fact(f"setup {rounds}")
            for _ in range(TOGETHER):
                uri = f"file:///scratch/{name}/{rank}/{count}.h5"
                recorder.data(f"{name} {rank} {count}", depends_on=[scan], uris=[uri])
                count += 1
            rounds += 1
            if rounds % FLUSH_EVERY == 0:
                recorder.flush()
                ledger.write(f"{count}\n")
                ledger.flush()
            time.sleep(PAUSE)
        recorder.flush()
        ledger.write(f"{count}\n")


def main() -> None:
    url, name = sys.argv[1:]
    Path(f"process-{name}-{MPI.COMM_WORLD.rank}").write_text(str(os.getpid()))
    with hpc.aggregated(url) as recorder:
        if recorder is not None:
            work(recorder, name)


if __name__ == "__main__":
    main()
