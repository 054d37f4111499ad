"""`braid mascot`"""

from __future__ import annotations

from typing import Any

import click

from braid.options import displays, writes
from braid.output import Display, Field
from braid.source import Source

__all__ = ["command"]

FIELDS = [
    Field("Entries", "entries"),
    Field("as published", "published"),
    Field("Rows", "rows"),
    Field("Seconds", "seconds"),
    Field("Rows a second", "rows_per_second"),
    Field("Counts", "counts"),
    Field("Stores", "stores"),
]


class Aggregators(click.ParamType[Any]):
    """A number, or ``node``."""

    name = "N|node"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "node":
            return value
        return click.IntRange(min=1).convert(value, param, ctx)


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
    help="One transaction in all, one for each batch, or one for each record. [default: load]",
)
@click.option(
    "--aggregators",
    type=Aggregators(),
    help="Under mpiexec, so many ranks write for the others, or one on each node. [default: 1]",
)
@displays("text", "json")
def command(
    *,
    source: Source,
    display: Display,
    commit: str | None,
    deps: int,
    aggregators: Any,
    **given: Any,
) -> None:
    """Record the Mascot workload of the Braid-DB paper, and count.

    C configurations; M models, each depending on one of them; N cycles of E experiments; after
    each cycle every model becomes a new version that is exposed to all its experiments.
    -C 1000 -M 1000 -N 5 -E 4000 are the published 20,146,000 entries. The store should be a new
    one; what was there before is not counted, and what it holds afterwards is held against the
    formula.

    Under `mpiexec -n 4 braid mascot` the ranks share the work: one aggregates, three record.
    Several aggregators on SQLite write a shard each, which `braid merge` brings together.
    """
    from braid.mascot import alone, on_ranks, one_voice
    from hpc.launcher import launched
    from hpc.mascot import Size

    job = launched()
    with one_voice(job):
        size = Size(dependencies=deps, **given)
        if job is None:
            _refuse(aggregators, "--aggregators is for MPI jobs; start with mpiexec.")
            answer: dict[str, Any] | None = alone(source, size, commit or "load")
        else:
            _refuse(commit, "MPI jobs take no --commit: aggregators commit what has arrived.")
            answer = on_ranks(source, size, job.rank, aggregators or 1)
    if answer is not None:
        display.details(answer, fields=FIELDS)


def _refuse(given: object, why: str) -> None:
    if given:
        raise click.UsageError(why)
