"""`braid mascot`"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from braid.options import displays, writes
from braid.output import Display, Field
from braid.progress import rows_progress
from braid.source import Source

if TYPE_CHECKING:
    from hpc.mascot import Progress, Size
    from provenance_store.store import Store

__all__ = ["command"]

FIELDS = [
    Field("Entries", "entries"),
    Field("as published", "published"),
    Field("Rows", "rows"),
    Field("Seconds", "seconds"),
    Field("Rows a second", "rows_per_second"),
    Field("Counts", "counts"),
]


@click.command()
@writes
@click.option("-C", "configurations", default=100, show_default=True, help="Configurations.")
@click.option("-M", "models", default=100, show_default=True, help="Models, at most as many.")
@click.option("-N", "cycles", default=5, show_default=True, help="Cycles of experiments.")
@click.option("-E", "experiments", default=400, show_default=True, help="Experiments a cycle.")
@click.option("-U", "uris", default=3, show_default=True, help="URIs of each.")
@click.option(
    "--deps", default=3, show_default=True, help="Configurations that an experiment depends on."
)
@click.option("--datasets", is_flag=True, help="One dataset record per cycle between the two.")
@click.option(
    "--commit",
    type=click.Choice(["load", "batch", "each"]),
    default="load",
    show_default=True,
    help="One transaction in all, one for each batch, or one for each record.",
)
@displays("text", "json")
def command(*, source: Source, display: Display, commit: str, deps: int, **given: Any) -> None:
    """Record the Mascot workload of the Braid-DB paper, and count.

    C configurations; M models, each depending on one of them; N cycles of E experiments; after
    each cycle every model becomes a new version that is exposed to all its experiments.
    -C 1000 -M 1000 -N 5 -E 4000 are the published 20,146,000 entries. The store should be a new
    one: what was there before is not counted.
    """
    from hpc.mascot import Size

    size = Size(dependencies=deps, **given)
    with source.open(create=True) as store:
        before = _counts(store)
        started = time.perf_counter()
        with rows_progress(sum(size.rows().values()), "Recording") as progress:
            _record(store, size, commit, progress)
        seconds = time.perf_counter() - started
        made = {name: count - before[name] for name, count in _counts(store).items()}
    if made != size.rows():
        raise click.ClickException(f"The store holds {made}, and {size.rows()} were recorded.")
    rows, entries = sum(made.values()), size.published()
    display.details(
        {
            "entries": sum(entries.values()),
            "published": entries,
            "rows": rows,
            "seconds": round(seconds, 3),
            "rows_per_second": round(rows / seconds),
            "counts": made,
        },
        fields=FIELDS,
    )


def _record(store: Store, size: Size, commit: str, progress: Progress) -> None:
    from hpc.mascot import play

    if commit == "load":
        with store.bulk_load() as recorder:
            play(recorder, size, progress=progress)
    else:
        play(store.recorder(), size, each=commit == "each", progress=progress)


def _counts(store: Store) -> dict[str, int]:
    tables = store.info()["tables"]
    return {name: tables[name] for name in ("record", "version", "uri", "link")}
