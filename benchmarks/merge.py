"""Merging a slice of two million rows, beside what SQL alone takes for the same rows.

Run `python benchmarks/merge.py`. A SQLite store with a Mascot of about two million rows is merged
with `store.merge` into a new store, as shards of a job are, and into one with a history of its
own. The floor copies the same rows from the attached file by INSERT ... SELECT, ids shifted, into
the same tables with the same indexes, one durable transaction, and checks nothing: no identities,
no conflicts. The two take turns, `--rounds` times; the budget is 1.5 times the floor's median.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _results import Result, tell

from hpc.mascot import Size, play
from provenance_store import open_store
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.sql.insert import ID_COLUMNS
from provenance_store.sql.merge import MERGED
from provenance_store.sql.tables import TABLE

BUDGET = 1.5
SLICE = Size(420, 420, 3, 1600)
HISTORY = Size(100, 100, 5, 400)


def made(file: Path, size: Size | None) -> Path:
    with open_store(f"sqlite:///{file}") as store:
        if size is not None:
            with store.bulk_load() as recorder:
                play(recorder, size)
    return file


def braid(target: Path, other: Path) -> tuple[float, int]:
    with open_store(f"sqlite:///{target}") as store:
        started = time.perf_counter()
        merged = store.merge(other)
        seconds = time.perf_counter() - started
    return seconds, sum(merged.rows.values())


def raw(target: Path, other: Path) -> tuple[float, int]:
    database = sqlite3.connect(target, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
        database.execute(f"PRAGMA {pragma}")
    shift = database.execute("SELECT max(no) FROM origin").fetchone()[0] or 0
    started = time.perf_counter()
    database.execute("ATTACH ? AS other", (str(other),))
    database.execute("BEGIN IMMEDIATE")
    count = sum(database.execute(copy(name, shift << SEQUENCE_BITS)).rowcount for name in MERGED)
    database.execute("COMMIT")
    seconds = time.perf_counter() - started
    database.close()
    return seconds, count


def copy(name: str, shift: int) -> str:
    columns = [c.name for c in TABLE[name].columns]
    mapped = [f"{c} + {shift}" if c in ID_COLUMNS[name] else c for c in columns]
    passing = "" if ID_COLUMNS[name] else "OR IGNORE"  # named by content, and perhaps here already
    return f"INSERT {passing} INTO {name} SELECT {', '.join(mapped)} FROM other.{name}"  # noqa: S608


def compare(into: str, target: Path, other: Path, rounds: int) -> Result:
    found: dict[str, list[float]] = {"raw": [], "braid": []}
    counts = set()
    sides = [("raw", raw), ("braid", braid)]
    for turn in range(rounds):
        for side, merge in reversed(sides) if turn % 2 else sides:
            with tempfile.TemporaryDirectory() as folder:
                seconds, count = merge(Path(shutil.copy(target, folder)), other)
            found[side].append(seconds)
            counts.add(count)
    if len(counts) != 1:
        raise SystemExit(f"the sides do not merge the same rows: {counts}")
    return Result(
        what=f"merge of a slice of {counts.pop():,} rows into {into}",
        ours=statistics.median(found["braid"]),
        unit="s",
        floor=statistics.median(found["raw"]),
        floor_is="INSERT ... SELECT from the attached file, nothing checked",
        budget=BUDGET,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        other = made(folder / "slice.db", SLICE)
        empty, history = made(folder / "empty.db", None), made(folder / "history.db", HISTORY)
        raw(Path(shutil.copy(empty, folder / "warm-up.db")), other)
        tell(
            "merge",
            [
                compare("a new store", empty, other, options.rounds),
                compare("a store with 216,200 rows", history, other, options.rounds),
            ],
        )


if __name__ == "__main__":
    main()
