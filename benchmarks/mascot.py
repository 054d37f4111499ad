"""Loading Mascot through the public Python API, beside what the database itself can do.

Run `python benchmarks/mascot.py`, or with `--full` for the published size, 20,146,000 entries
(several minutes). Each side is a process of its own, the two in turn, `--rounds` times; printed
are the medians, rows a second, peak memory and the ratio of the medians, whose budget is 1.5.
`--postgresql URL` names a server on which databases may be created; without it only SQLite is
measured.
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

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hpc.mascot import Size  # noqa: E402

SIDES = Path(__file__).with_name("_mascot_sides.py")
BUDGET = 1.5
SMALL, FULL = (300, 300, 3, 1200), (1000, 1000, 5, 4000)


def run(side: str, url: str, size: tuple[int, int, int, int]) -> dict[str, float]:
    command = [sys.executable, str(SIDES), side, url, *map(str, size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=1800)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def new_database(server: str | None, folder: str, name: str) -> str:
    if server is None:
        return f"sqlite:///{folder}/{name}.db"
    import psycopg

    database = f"mascot_{os.getpid()}_{name}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")  # type: ignore[arg-type]
    return f"{server}/{database}"


def measure(server: str | None, size: tuple[int, int, int, int], rounds: int) -> None:
    results: dict[str, list[dict[str, float]]] = {"raw": [], "braid": []}
    for number in range(rounds):
        for side, found in results.items():
            with tempfile.TemporaryDirectory() as folder:
                url = new_database(server, folder, f"{side}_{number}")
                found.append(run(side, url, size))
    rows = sum(Size(*size, 3, 3).rows().values())
    medians = {}
    for side, found in results.items():
        seconds = medians[side] = statistics.median(r["seconds"] for r in found)
        memory = max(r["megabytes"] for r in found)
        print(f"  {side:6} {seconds:8.2f} s  {rows / seconds:10,.0f} rows/s  {memory:6.0f} MB peak")
    ratio = medians["braid"] / medians["raw"]
    print(f"  ratio {ratio:.2f}  (budget {BUDGET}: {'met' if ratio <= BUDGET else 'MISSED'})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the published 20,146,000 entries")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgresql", metavar="URL", default=None)
    options = parser.parse_args()
    size = FULL if options.full else SMALL
    entries = sum(Size(*size, 3, 3).published().values())
    for name, server in (("SQLite", None), ("PostgreSQL", options.postgresql)):
        if name == "SQLite" or server:
            print(f"Mascot, {entries:,} entries, {name}")
            measure(server, size, options.rounds)


if __name__ == "__main__":
    main()
