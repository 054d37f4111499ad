"""Progress of long work: a bar on a terminal, nothing into a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["bytes_progress", "parts_progress", "rows_progress", "stage_progress"]


@contextmanager
def rows_progress(total: int, what: str) -> Iterator[Callable[[int], object]]:
    """A bar on standard error that is told how many rows were done."""
    if not sys.stderr.isatty():
        yield lambda rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f}%"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda rows: progress.advance(task, rows)


@contextmanager
def bytes_progress(total: int, what: str) -> Iterator[Callable[[int], object]]:
    """A bar on standard error that is told how many bytes were read."""
    with rows_progress(total, f"{what}, {total / 1e6:,.0f} MB") as advance:
        yield advance


@contextmanager
def parts_progress(what: str) -> Iterator[Callable[[int, int], object]]:
    """A bar on standard error that is told how much is done, of how much."""
    with rows_progress(100, what) as advance:
        shown = 0

        def tell(done: int, total: int) -> None:
            nonlocal shown
            percent = 100 * done // max(total, 1)
            advance(percent - shown)
            shown = percent

        yield tell


@contextmanager
def stage_progress() -> Iterator[Callable[[str], object]]:
    """A line on standard error that is told what is being done at the moment."""
    if not sys.stderr.isatty():
        yield lambda what: None
        return
    from rich.console import Console

    with Console(stderr=True).status("...") as status:
        yield lambda what: status.update(what.replace("_", " "))
