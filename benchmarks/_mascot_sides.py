"""The sides that mascot.py compares, each a process of its own: `SIDE URL C M N E` prints JSON.

``braid`` plays the workload through the public Python API. ``raw`` makes the same rows by bare
arithmetic and hands them to the driver, in the order of the key, indexes after the load: what
the database itself can do.
"""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hpc.mascot import Size, play  # noqa: E402
from provenance_store import open_store  # noqa: E402
from provenance_store.enums import Kind, Role  # noqa: E402
from provenance_store.sql.tables import METADATA, TABLE, fit_postgresql  # noqa: E402

Rows = Iterator[tuple[Any, ...]]
ORIGIN = 1 << 32


def braid(url: str, size: Size) -> float:
    with open_store(url) as store:
        started = time.perf_counter()
        with store.bulk_load() as recorder:
            play(recorder, size)
        return time.perf_counter() - started


class Raw:
    """The rows of the workload, table by table, each in the order of its primary key."""

    def __init__(self, size: Size) -> None:
        self.size = size
        ids = iter(range(ORIGIN + 1, ORIGIN + 1 + sum(size.rows().values())))
        self.configurations = [next(ids) for _ in range(size.configurations)]
        self.versions = [[next(ids) for _ in range(size.models)]]
        self.experiments = []
        for _ in range(size.cycles):
            self.experiments.append([next(ids) for _ in range(size.experiments)])
            self.versions.append([next(ids) for _ in range(size.models)])

    def record(self) -> Rows:
        at = time.time_ns() // 1000
        none = (None,) * 4
        for n, i in enumerate(self.configurations):
            yield (i, int(Kind.FACT), f"configuration-{n}", at, 0, *none)
        for cycle, line in enumerate(self.versions):
            for n, i in enumerate(line):
                yield (i, int(Kind.MODEL), f"model-{n}", at, 0, *none)
            for n, i in enumerate(self.experiments[cycle] if cycle < self.size.cycles else ()):
                yield (i, int(Kind.DATA), f"experiment-{cycle}-{n}", at, 0, *none)

    def version(self) -> Rows:
        for depth, line in enumerate(self.versions):
            for n, i in enumerate(line):
                parent = self.versions[depth - 1][n] if depth else None
                yield (i, self.versions[0][n], parent, depth)

    def uri(self) -> Rows:
        for n, i in enumerate(self.configurations):
            for u in range(self.size.uris):
                yield _at(i, f"mascot://configuration/{n}/{u}")
        for cycle, made in enumerate(self.experiments):
            for n, i in enumerate(made):
                for u in range(self.size.uris):
                    yield _at(i, f"mascot://experiment/{cycle}/{n}/{u}")

    def link(self) -> Rows:
        derived, trained, revision = (
            int(r) for r in (Role.DERIVED_FROM, Role.TRAINED_ON, Role.REVISION_OF)
        )
        on: dict[int, list[int]] = {i: [] for i in self.configurations}
        for n, i in enumerate(self.versions[0]):
            on[self.configurations[n]].append(i)
        drawn = random.Random(1)
        for made in self.experiments:
            for i in made:
                for chosen in drawn.sample(self.configurations, self.size.dependencies):
                    on[chosen].append(i)
        for to, dependents in on.items():
            yield from ((to, i, derived) for i in sorted(dependents))
        for cycle, made in enumerate(self.experiments):
            after = self.versions[cycle + 1]
            yield from (
                (to, i, revision) for to, i in zip(self.versions[cycle], after, strict=True)
            )
            for to in made:
                yield from [(to, i, trained) for i in after]


def _at(record_id: int, uri: str) -> tuple[Any, ...]:
    """A row of `uri`; these URIs are their own normal form."""
    return (record_id, uri, None, None, None, None)


def raw(url: str, size: Size) -> float:
    rows = Raw(size)
    load = _postgresql if url.startswith("postgresql") else _sqlite
    return load(url, lambda name: getattr(rows, name)())


TABLES = ("record", "version", "uri", "link")


def ddl(url: str, names: Sequence[str] = TABLES) -> tuple[list[str], list[str]]:
    """What makes the tables, and what makes their indexes, in a database of this kind."""
    made: dict[type[Any], list[str]] = {CreateTable: [], CreateIndex: []}

    def collect(statement: Any, *_: object) -> None:
        made[type(statement)].append(str(statement.compile(dialect=engine.dialect)))

    if url.startswith("postgresql"):
        fit_postgresql()
    engine = sa.create_mock_engine(url.partition(":")[0] + "://", collect)
    METADATA.create_all(engine, tables=[TABLE[name] for name in names], checkfirst=False)
    return made[CreateTable], made[CreateIndex]


def _sqlite(url: str, rows: Callable[[str], Rows]) -> float:
    tables, indexes = ddl(url)
    database = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
        database.execute(f"PRAGMA {pragma}")
    for statement in tables:
        database.execute(statement)
    started = time.perf_counter()
    database.execute("BEGIN")
    for name in TABLES:
        marks = ", ".join("?" * len(TABLE[name].columns))
        database.executemany(f"INSERT INTO {name} VALUES ({marks})", rows(name))  # noqa: S608
    for statement in indexes:
        database.execute(statement)
    database.execute("COMMIT")
    return time.perf_counter() - started


def _postgresql(url: str, rows: Callable[[str], Rows]) -> float:
    import psycopg
    from sqlalchemy.dialects import postgresql

    types = {"BigInteger": "int8", "Integer": "int4", "SmallInteger": "int2", "Text": "text"}
    keys = [AddConstraint(TABLE[n].primary_key, isolate_from_table=False) for n in TABLES]
    later = [str(key.compile(dialect=postgresql.dialect())) for key in keys] + ddl(url)[1]
    with psycopg.connect(url) as database, database.cursor() as cursor:
        for name in TABLES:
            columns = [f"{c.name} {types[type(c.type).__name__]}" for c in TABLE[name].columns]
            cursor.execute(f"CREATE TABLE {name} ({', '.join(columns)})")  # type: ignore[arg-type]
        database.commit()
        started = time.perf_counter()
        for name in TABLES:
            with cursor.copy(f"COPY {name} FROM STDIN (FORMAT BINARY)") as copy:  # type: ignore[arg-type]
                copy.set_types([types[type(c.type).__name__] for c in TABLE[name].columns])
                for row in rows(name):
                    copy.write_row(row)
        for statement in later:
            cursor.execute(statement)  # type: ignore[arg-type]
        database.commit()
        return time.perf_counter() - started


def main() -> None:
    side, url, *numbers = sys.argv[1:]
    c, m, n, e = map(int, numbers)
    seconds = {"braid": braid, "raw": raw}[side](url, Size(c, m, n, e, 3, 3))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": memory}))


if __name__ == "__main__":
    main()
