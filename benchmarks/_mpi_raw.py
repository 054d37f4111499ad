"""The floor of mpi.py: `KIND URL COUNT` hands the rows of the job to sqlite3 in one process.

The rows are made by bare arithmetic and go in by executemany, table by table in the order of the
key, in one durable transaction, into tables with all their indexes, as a store that is in use has
them. Prints JSON.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from typing import Any

from _mascot_sides import ORIGIN, TABLES, Raw, ddl

from hpc.mascot import Size
from provenance_store.enums import Kind, Role
from provenance_store.sql.tables import TABLE

Rows = Iterator[tuple[Any, ...]]
RANKS = 3


class Records:
    """The rows of the `records` job: of each rank so many records, in the order of their ids."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.first = [ORIGIN * (rank + 1) + 1 for rank in range(RANKS)]

    def record(self) -> Rows:
        at = time.time_ns() // 1000
        for first in self.first:
            for n in range(self.count):
                yield (first + 2 * n, int(Kind.DATA), f"scan-{n}", at, 0, *(None,) * 4)

    def uri(self) -> Rows:
        for rank, first in enumerate(self.first):
            for n in range(self.count):
                uri = f"file:///scratch/{rank}/{n}.h5"
                yield (first + 2 * n, uri, None, None, None, uri)

    def tag(self) -> Rows:
        at = time.time_ns() // 1000
        for first in self.first:
            for n in range(self.count):
                yield (first + 2 * n, "n", first + 2 * n + 1, 2, str(n), float(n), at)

    def link(self) -> Rows:
        derived = int(Role.DERIVED_FROM)
        for first in self.first:
            for n in range(self.count):
                for back in (1, 2):
                    yield (first + 2 * (n - back), first + 2 * n, derived)


def load(url: str, rows: Any, names: tuple[str, ...]) -> dict[str, float]:
    tables, indexes = ddl(url, names)
    database = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
        database.execute(f"PRAGMA {pragma}")
    for statement in tables + indexes:
        database.execute(statement)
    started = time.perf_counter()
    database.execute("BEGIN")
    count = 0
    for name in names:
        marks = ", ".join("?" * len(TABLE[name].columns))
        insert = f"INSERT INTO {name} VALUES ({marks})"  # noqa: S608
        count += database.executemany(insert, getattr(rows, name)()).rowcount
    database.execute("COMMIT")
    return {"seconds": time.perf_counter() - started, "rows": count}


def main() -> None:
    kind, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if kind == "records":
        found = load(url, Records(count), ("record", "uri", "tag", "link"))
    else:
        found = load(url, Raw(Size(count, count, 5, 4 * count, 3, 3)), TABLES)
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
