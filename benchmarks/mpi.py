"""Recording from MPI ranks into a durable store, beside one process that knows all the rows.

Run `python benchmarks/mpi.py`. Three ranks record through one aggregator into SQLite: Mascot
spread over the ranks, and records with two dependencies, a URI and a tag each. The floor is
sqlite3's executemany of the same rows in one process and one transaction, into tables with their
indexes, as the store keeps them for those who read meanwhile; the job has to reach half its
rows/s. The two take turns, `--rounds` times; medians count. Measured too is what recording costs
a rank that has a core of its own. Four processes want four cores: with fewer, the launcher's
ranks share them, and the ratio is lower.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _mpi import ROOT, run_job
from _results import Result, tell

BUDGET = 0.5
WORKERS = 3
RAW = Path(__file__).with_name("_mpi_raw.py")
WHAT = {
    "mascot": "Mascot from 3 ranks through 1 aggregator",
    "records": "records with 2 links, URI and tag from 3 ranks through 1 aggregator",
}


def by_ranks(kind: str, count: int, *, ranks: int = WORKERS + 1) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/run.db"
        found: dict[str, Any] = run_job(
            "_mpi_job.py", kind, url, count, ranks=ranks, folder=Path(name)
        )
        if (Path(name) / "braid-spool").exists():
            raise SystemExit("the aggregator did not keep up, and ranks wrote to their spool")
    return found


def raw(kind: str, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(RAW), kind, f"sqlite:///{folder}/raw.db", str(count)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environ)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compare(kind: str, count: int, rounds: int) -> Result:
    rates: dict[str, list[float]] = {"raw": [], "ranks": []}
    for _ in range(rounds):
        for side, measure in (("raw", raw), ("ranks", by_ranks)):
            found = measure(kind, count)
            rates[side].append(found["rows"] / found["seconds"])
    return Result(
        what=WHAT[kind],
        ours=statistics.median(rates["ranks"]),
        unit="rows/s",
        floor=statistics.median(rates["raw"]),
        floor_is="raw sqlite3 executemany of the same rows by one process, indexes kept",
        budget=BUDGET,
        at_least=True,
    )


def cost(count: int, rounds: int) -> Result:
    """What recording one record takes on the rank, one worker beside one aggregator."""
    found = [by_ranks("records", count, ranks=2) for _ in range(rounds)]
    elapsed = statistics.median(each["elapsed_us"] for each in found)
    return Result(
        what="cost on the rank of a record with 2 links, URI and tag",
        ours=statistics.median(each["processor_us"] for each in found),
        unit="µs",
        note=f"processor time; {elapsed:.0f} µs elapsed, sending included",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=int, default=250, help="models of Mascot")
    parser.add_argument("--records", type=int, default=50_000, help="records of a rank")
    options = parser.parse_args()
    tell(
        "mpi",
        [
            compare("mascot", options.models, options.rounds),
            compare("records", options.records, options.rounds),
            cost(options.records, options.rounds),
        ],
    )


if __name__ == "__main__":
    main()
