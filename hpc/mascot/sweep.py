"""The published figure measured again: rows a second for more and more entries."""

from __future__ import annotations

import csv
import math
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from hpc.mascot.workload import Progress, Size, play
from provenance_store.errors import InvalidInput
from provenance_store.opening import open_store

__all__ = ["COMMITS", "UP_TO", "Point", "measure", "sizes", "write_csv"]

COMMITS = ("none", "each")
"""One transaction in all, or a durable commit for each record with its URIs and links."""
PATIENCE = 30.0
"""Seconds that a point may be expected to take, unless it was asked for."""
UP_TO = 6_000_000
WARM_UP = Size(10, 10, 1, 10)
SCALES = (10, 20, 50, 100, 200, 500, 1000, 2000)
EXPERIMENTS = 4


class Point(NamedTuple):
    """One load of a new store, its size as the paper counts entries, and how long it took."""

    commit: str
    entries: int
    commits: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        return self.entries / self.seconds

    def document(self) -> dict[str, Any]:
        """As JSON, and as a line of the CSV file."""
        return {
            **self._asdict(),
            "seconds": round(self.seconds, 4),
            "rows_per_second": round(self.rows_per_second),
        }


def sizes(up_to: int, like: Size) -> list[Size]:
    """Sizes with C = M = n and E = 4n for rising n, of at most so many entries, the rest alike.

    n = 1000 is the published size of 20,146,000 entries. Raises InvalidInput when there is none.
    """
    scaled = [
        replace(like, configurations=n, models=n, experiments=EXPERIMENTS * n) for n in SCALES
    ]
    found = [size for size in scaled if sum(size.published().values()) <= up_to]
    if not found:
        least = sum(scaled[0].published().values())
        raise InvalidInput(f"The smallest point has {least:,} entries; give a larger --up-to.")
    return found


def measure(
    folder: Path, like: Size, *, up_to: int | None = None, progress: Progress = lambda rows: None
) -> Iterator[Point]:
    """Load rising sizes without and with commits into new SQLite stores, removed afterwards.

    Sizes are those of `sizes`. Without `up_to` they end at six million entries, and a series ends
    before a point that would take more than about half a minute.
    """
    longest = PATIENCE if up_to is None else math.inf
    rates = dict.fromkeys(COMMITS, math.inf)
    _timed(folder, WARM_UP, "none", lambda rows: None)
    for size in sizes(up_to or UP_TO, like):
        entries = sum(size.published().values())
        for commit in COMMITS:
            if entries / rates[commit] < longest:
                seconds = _timed(folder, size, commit, progress)
                rates[commit] = entries / seconds
                commits = size.rows()["record"] if commit == "each" else 1
                yield Point(commit, entries, commits, seconds)
            else:
                progress(sum(size.rows().values()))


def write_csv(path: Path, points: Iterable[Point]) -> None:
    """A line for each point."""
    with path.open("w", newline="") as file:
        documents = [point.document() for point in points]
        writer = csv.DictWriter(file, list(documents[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(documents)


def _timed(folder: Path, size: Size, commit: str, progress: Progress) -> float:
    with (
        tempfile.TemporaryDirectory(prefix="mascot-", dir=folder) as place,
        open_store(f"sqlite:///{place}/store.db") as store,
    ):
        started = time.perf_counter()
        if commit == "each":
            play(store.recorder(environment=None), size, each=True, progress=progress)
        else:
            with store.bulk_load() as recorder:
                play(recorder, size, progress=progress)
        return time.perf_counter() - started
