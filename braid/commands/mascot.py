"""`braid mascot`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from braid.cli.options import displays, writes
from braid.cli.output import Display, Field, Form
from braid.cli.source import Source

__all__ = ["command"]

FIELDS = [
    Field("Entries", "entries"),
    Field("as published", "published"),
    Field("Rows", "rows"),
    Field("Seconds", "seconds"),
    Field("Rows a second", "rows_per_second"),
    Field("Counts", "counts"),
    Field("Verdict", lambda document: VERDICT),
    Field("Stores", "stores"),
]


VERDICT = (
    "Counts equal the formula. An entry is what Braid-DB would store; rows are what Braid stores "
    "for the same."
)
"""What an answer says; where counts differ there is an error instead."""
POINTS = [
    Field("Entries", "entries", Form.WHOLE),
    Field("Commits", "commits"),
    Field("Seconds", "seconds", Form.WHOLE),
    Field("Rows a second", "rows_per_second", Form.WHOLE),
]
NOT_SWEPT = {
    "configurations": "-C",
    "models": "-M",
    "experiments": "-E",
    "commit": "--commit",
    "aggregators": "--aggregators",
    "store": "--store",
}


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
    help="Under mpiexec, this many ranks write for the others, or one on each node. [default: 1]",
)
@click.option(
    "--sweep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Measure rising sizes, without and with a commit for each record, and write "
    "mascot.csv, mascot.svg and mascot.png there: the published figure.",
)
@click.option(
    "--up-to",
    type=click.IntRange(min=1),
    help="Entries of the largest size of a sweep, 20146000 for the published one. "
    "[default: what takes half a minute, at most 6000000]",
)
@displays("text", "json", table=True)
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    source: Source,
    display: Display,
    commit: str | None,
    deps: int,
    aggregators: Any,
    sweep: Path | None,
    up_to: int | None,
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

    --sweep plots rows a second over entries, with C = M = n and E = 4n for n = 10, 20, 50 ...,
    each in a new SQLite store inside FOLDER that is removed again. It needs the plot extra,
    `pip install 'braid-provenance[plot]'`, and takes about a minute;
    --up-to 20146000 goes to the published size, which takes long with a commit for each record.
    """
    from braid.cli import mascot
    from hpc.mascot import Size
    from hpc.mpi.launch import launched

    job = launched()
    with mascot.one_voice(job):
        if sweep is not None:
            _refuse(job, "--sweep is for one process; start it without mpiexec.")
            _refuse_given(context, NOT_SWEPT, "does not go with --sweep, which sets it itself.")
        size = Size(dependencies=deps, **given)
        if sweep is not None:
            return _points(display, mascot.sweep(sweep, size, up_to))
        _refuse(up_to, "--up-to belongs to --sweep.")
        if job is None:
            _refuse(aggregators, "--aggregators is for MPI jobs; start with mpiexec.")
            answer: dict[str, Any] | None = mascot.alone(source, size, commit or "load")
        else:
            _refuse(commit, "MPI jobs take no --commit: aggregators commit what has arrived.")
            answer = mascot.on_ranks(source, size, job.rank, aggregators or 1)
    if answer is not None:
        display.details(answer, fields=FIELDS)


def _points(display: Display, answer: dict[str, Any]) -> None:
    display.table(answer, rows="points", fields=POINTS)
    if display.format == "text":
        click.echo(f"Written: {', '.join(answer['files'])}", err=True)


def _refuse(given: object, why: str) -> None:
    if given:
        raise click.UsageError(why)


def _refuse_given(context: click.Context, options: dict[str, str], why: str) -> None:
    for name, option in options.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} {why}")
