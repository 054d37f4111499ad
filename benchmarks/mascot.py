"""Loading Mascot through the public Python API, beside what the database itself can do.

Run `python benchmarks/mascot.py`, or with `--full` for the published size, 20,146,000 entries
(several minutes). Each side is a process of its own, the two in turn, `--rounds` times; printed
are the medians, rows a second, peak memory and the ratio of the medians, whose budget is 1.5.
PostgreSQL is measured on a server that is started for it, where one is installed, or on the
server of `--postgresql URL`, on which databases may be created; `--no-postgresql` leaves it out,
`--no-sqlite` the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from _postgres import BenchmarkServer  # noqa: E402
from _results import Result, tell  # noqa: E402

from hpc.mascot import Size  # noqa: E402

SIDES = Path(__file__).with_name("_mascot_sides.py")
BUDGET = 1.5
MEMORY_BUDGET = 1024
SMALL, FULL = (300, 300, 3, 1200), (1000, 1000, 5, 4000)
FLOORS = {
    "SQLite": "raw sqlite3 executemany, indexes after the load",
    "PostgreSQL": "psycopg binary COPY, keys and indexes after the load",
}


def run(side: str, url: str, size: tuple[int, int, int, int]) -> dict[str, float]:
    command = [sys.executable, str(SIDES), side, url, *map(str, size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=1800)
    result: dict[str, float] = json.loads(done.stdout)
    return result


@contextlib.contextmanager
def new_file() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/mascot.db"


def measure(
    database: str,
    new_store: Callable[[], contextlib.AbstractContextManager[str]],
    size: tuple[int, int, int, int],
    rounds: int,
) -> list[Result]:
    found: dict[str, list[dict[str, float]]] = {"raw": [], "braid": []}
    for _ in range(rounds):
        for side in found:
            with new_store() as url:
                found[side].append(run(side, url, size))
    rows = sum(Size(*size, 3, 3).rows().values())
    entries = sum(Size(*size, 3, 3).published().values())
    seconds = {side: statistics.median(r["seconds"] for r in found[side]) for side in found}
    memory = {side: max(r["megabytes"] for r in found[side]) for side in found}
    for side in found:
        print(f"  {side:6}{seconds[side]:8.2f} s{rows / seconds[side]:12,.0f} rows/s")
    about = f"Mascot, {entries:,} entries, {database}"
    return [
        Result(
            what=about,
            ours=seconds["braid"],
            unit="s",
            floor=seconds["raw"],
            floor_is=FLOORS[database],
            budget=BUDGET,
            note=f"{entries / seconds['braid']:,.0f} entries/s",
        ),
        Result(
            what=f"{about}: peak memory of the process",
            ours=memory["braid"],
            unit="MB",
            note=f"at most {MEMORY_BUDGET} MB",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the published 20,146,000 entries")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgresql", metavar="URL", default=None)
    parser.add_argument("--no-postgresql", action="store_true")
    parser.add_argument("--no-sqlite", action="store_true")
    options = parser.parse_args()
    size = FULL if options.full else SMALL
    results = []
    if not options.no_sqlite:
        results += measure("SQLite", new_file, size, options.rounds)
    server = None if options.no_postgresql else BenchmarkServer.at(options.postgresql)
    if server is not None:
        with server:
            results += measure("PostgreSQL", server.passing_database, size, options.rounds)
    tell("mascot", results)


if __name__ == "__main__":
    main()
