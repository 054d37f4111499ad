"""What `braid mascot` does: alone, as one rank of an MPI job, or in sizes for the figure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from braid.cli.progress import rows_progress
from braid.cli.source import Source
from hpc.mascot import Progress, Size, play
from hpc.mpi.launch import Launched
from provenance_store.errors import BraidError

if TYPE_CHECKING:
    from provenance_store.store import Store

__all__ = ["alone", "on_ranks", "one_voice", "sweep"]

REPORT_EVERY = 10.0


def alone(source: Source, size: Size, commit: str) -> dict[str, Any]:
    """Record the workload in this process; returns the answer that is shown.

    Raises ClickException when the store does not hold what the formula says.
    """
    with source.open(create=True) as store:
        before = _counts(store)
        started = time.perf_counter()
        with rows_progress(sum(size.rows().values()), "Recording") as progress:
            _record(store, size, commit, progress)
        seconds = time.perf_counter() - started
        made = _difference(_counts(store), before)
    return _answer(size, made, seconds)


def on_ranks(
    source: Source, size: Size, rank: int, aggregators: int | Literal["node"]
) -> dict[str, Any] | None:
    """Record the workload with all ranks of the MPI job; the answer is the first one's.

    Raises as `alone`, on the first rank, and where `hpc.aggregated` does, on all.
    """
    from hpc.mascot.ranks import play_on_ranks
    from hpc.mpi.aggregated import store_urls
    from provenance_store.display import shown

    urls = store_urls(source.url, aggregators=aggregators)
    before = _counts_of(urls) if rank == 0 else {}
    seconds = play_on_ranks(source.url, size, aggregators=aggregators, report_every=REPORT_EVERY)
    if rank != 0:
        return None
    answer = _answer(size, _difference(_counts_of(urls), before), seconds)
    return answer | ({"stores": [shown(url) for url in urls]} if len(urls) > 1 else {})


def sweep(folder: Path, size: Size, up_to: int | None) -> dict[str, Any]:
    """Measure rising sizes; CSV and plots go into the folder. Returns the answer that is shown.

    Raises ConfigurationError, before anything is measured, where matplotlib is missing.
    """
    from hpc.mascot.figure import draw, need_matplotlib
    from hpc.mascot.sweep import COMMITS, UP_TO, measure, sizes, write_csv

    need_matplotlib()
    rows = sum(sum(each.rows().values()) for each in sizes(up_to or UP_TO, size))
    folder.mkdir(parents=True, exist_ok=True)
    with rows_progress(len(COMMITS) * rows, "Recording") as progress:
        points = list(measure(folder, size, up_to=up_to, progress=progress))
    plots = [folder / "mascot.svg", folder / "mascot.png"]
    write_csv(folder / "mascot.csv", points)
    draw(points, plots, title="Mascot into SQLite, durable, indexes included")
    files = [str(path) for path in (folder / "mascot.csv", *plots)]
    return {"points": [point.document() for point in points], "files": files}


@contextmanager
def one_voice(job: Launched | None) -> Iterator[None]:
    """What is wrong on all ranks of a job is said by the first one; the others just end."""
    try:
        yield
    except (BraidError, click.ClickException):
        if job is None or job.rank == 0:
            raise
        raise click.exceptions.Exit(0) from None


def _record(store: Store, size: Size, commit: str, progress: Progress) -> None:
    if commit == "load":
        with store.bulk_load() as recorder:
            play(recorder, size, progress=progress)
    else:
        play(store.recorder(environment=None), size, each=commit == "each", progress=progress)


def _answer(size: Size, made: dict[str, int], seconds: float) -> dict[str, Any]:
    if made != size.rows():
        raise click.ClickException(
            f"The store holds {made} more than before, and {size.rows()} were recorded. Did "
            "anybody else write to it? Ranks say above what they put into a spool folder."
        )
    rows, entries = sum(made.values()), size.published()
    return {
        "entries": sum(entries.values()),
        "published": entries,
        "rows": rows,
        "seconds": round(seconds, 3),
        "rows_per_second": round(rows / seconds),
        "counts": made,
    }


def _counts(store: Store) -> dict[str, int]:
    tables = store.info()["tables"]
    return {name: tables[name] for name in ("record", "version", "uri", "link")}


def _counts_of(urls: Sequence[str]) -> dict[str, int]:
    """Rows in all of the stores; what cannot be read has none, and who writes to it says why."""
    from provenance_store.opening import open_store

    total = dict.fromkeys(("record", "version", "uri", "link"), 0)
    for url in urls:
        try:
            with open_store(url, create=False) as store:
                for name, count in _counts(store).items():
                    total[name] += count
        except BraidError:
            continue
    return total


def _difference(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: count - before[name] for name, count in after.items()}
