"""The lineage of a model version, beside what the database itself can do.

Run `python benchmarks/lineage.py`. The question is what one model came from in a Mascot of 1000
configurations, 5 cycles and 4000 experiments: 21,006 nodes over 80,006 links. The floor is one
recursive query with UNION over a copy of the links, two columns with a covering index, on the bare
driver; it returns the ids alone, as tuples. Braid's side is `store.reader().lineage(...)` and then
the name and the kind of every node; distances and links come with it. Both are warm, asked in turn
`--rounds` times in the same process; compared are the fastest of each, which other work on the
machine disturbs least. The budget is twice the floor.

Then one hop is asked for in a store of a million links, or with `--full` in the 20 million of the
published Mascot. PostgreSQL is measured where it is installed, on a server of its own, or at
`--postgresql URL`, a server on which databases may be created.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from _postgres import BenchmarkServer  # noqa: E402
from _results import Result, tell  # noqa: E402

from hpc.mascot import Size, play  # noqa: E402
from provenance_store import Store, open_store  # noqa: E402
from provenance_store.queries.lineage import Direction  # noqa: E402

BUDGET = 2.0
HOP_BUDGET = "instant means less than 5 ms for some hundred nodes"
LIMIT = 100_000
ONE_MODEL = Size(1000, 1, 5, 4000, 3, 3)
SMALL, FULL = Size(1000, 100, 5, 2000, 3, 3), Size(1000, 1000, 5, 4000, 3, 3)

FLOOR_IS = "one recursive query on a covering index, bare driver, ids alone"
COPY = (
    "CREATE TABLE floor_link (dependent BIGINT, on_id BIGINT)",
    "INSERT INTO floor_link SELECT from_id, to_id FROM link",
    "CREATE INDEX floor_covering ON floor_link (dependent, on_id)",
)
FLOOR = (
    "WITH RECURSIVE reached(id) AS (SELECT {start} UNION SELECT floor_link.on_id "
    "FROM floor_link JOIN reached ON floor_link.dependent = reached.id) SELECT id FROM reached"
)


@contextlib.contextmanager
def new_file() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/lineage.db"


@contextlib.contextmanager
def floor_on(url: str, start: int) -> Iterator[Callable[[], int]]:
    """Asks the bare recursive query; answers how many nodes there are."""
    query = FLOOR.format(start=start)
    connection: Any
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA cache_size=-65536")
        analyze = "ANALYZE floor_link"
    else:
        import psycopg

        connection = psycopg.connect(url, autocommit=True)
        analyze = "VACUUM ANALYZE"
    for statement in (*COPY, analyze):
        connection.execute(statement)
    try:
        yield lambda: len(connection.execute(query).fetchall())
    finally:
        connection.close()


def load(url: str, size: Size) -> None:
    with open_store(url) as store, store.bulk_load() as recorder:
        play(recorder, size)


def last_version(store: Store) -> str:
    newest: str = store.documents().model("model-0")["versions"][-1]["id"]
    return newest


def whole(database: str, url: str, rounds: int) -> list[Result]:
    """The whole lineage, floor and Braid in turn."""
    load(url, ONE_MODEL)
    with open_store(url) as store:
        urn = last_version(store)

        def braid() -> int:
            found = store.reader().lineage(urn, limit=LIMIT)
            return len([(node.name, node.kind) for node in found.nodes])

        with floor_on(url, store.sink.resolve(urn)) as floor:
            assert floor() == braid() == 21_006
            times = [(timed(floor), timed(braid)) for _ in range(rounds)]
        documents = [
            timed(lambda: store.reader().lineage(urn, limit=LIMIT).to_dict()) for _ in range(5)
        ]
    about = f"Upstream lineage of a model, 21,006 nodes over 80,006 links, {database}"
    floors, ours = (1000 * min(column) for column in zip(*times, strict=True))
    return [
        Result(what=about, ours=ours, unit="ms", floor=floors, floor_is=FLOOR_IS, budget=BUDGET),
        Result(
            what=f"{about}: as the JSON-ready document",
            ours=1000 * min(documents),
            unit="ms",
        ),
    ]


def one_hop(database: str, url: str, size: Size, rounds: int) -> list[Result]:
    """One hop, up and down, in a large store."""
    load(url, size)
    with open_store(url) as store:
        page = store.documents().records(kind="data", name="experiment-*", limit=1)
        experiment = page["records"][0]["id"]
        asked: list[tuple[str, Direction]] = [
            (experiment, "up"),
            (experiment, "down"),
            (last_version(store), "up"),
        ]
        return [hop(database, store, urn, way, size, rounds) for urn, way in asked]


def hop(database: str, store: Store, urn: str, way: Direction, size: Size, rounds: int) -> Result:
    def ask() -> int:
        return len(store.reader().lineage(urn, way, depth=1).nodes)

    nodes = ask()
    times = [timed(ask) for _ in range(rounds)]
    return Result(
        what=f"One hop {way} to {nodes - 1:,} nodes in {size.rows()['link']:,} links, {database}",
        ours=1000 * min(times),
        unit="ms",
        note=HOP_BUDGET,
    )


def timed(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def measure(
    database: str,
    new_store: Callable[[], contextlib.AbstractContextManager[str]],
    size: Size,
    rounds: int,
) -> list[Result]:
    with new_store() as small:
        results = whole(database, small, rounds)
    with new_store() as large:
        return results + one_hop(database, large, size, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="one hop in 20 million links")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--postgresql", metavar="URL", default=None)
    parser.add_argument("--no-postgresql", action="store_true")
    options = parser.parse_args()
    size = FULL if options.full else SMALL
    results = measure("SQLite", new_file, size, options.rounds)
    server = None if options.no_postgresql else BenchmarkServer.at(options.postgresql)
    if server is not None:
        with server:
            results += measure("PostgreSQL", server.passing_database, size, options.rounds)
    tell("lineage", results)


if __name__ == "__main__":
    main()
