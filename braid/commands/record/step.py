"""`braid record step`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.cli.arguments import JsonText, Reference
from braid.cli.options import (
    Time,
    displays,
    model_option,
    records,
    run_option,
    strict_option,
    tag_option,
)
from braid.cli.output import Display
from braid.cli.recording import look_at, recording
from braid.cli.source import Source

if TYPE_CHECKING:
    from provenance_store.files import LocalFile
    from provenance_store.handles import StepHandle

__all__ = ["command"]

FILE = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("name")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    type=Reference(),
    help="A record that it used; may be repeated.",
)
@model_option
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="NAME[=URI]",
    help="Data that it made; may be repeated.",
)
@click.option(
    "--output-file",
    "files",
    multiple=True,
    type=FILE,
    help="A file that it made; may be repeated. Its URI, size and SHA-256 are recorded.",
)
@click.option("--parameters", type=JsonText(), help="What it was called with, as JSON.")
@click.option("--result", type=JsonText(), help="What it returned, as JSON.")
@tag_option
@click.option(
    "--type", "type_", default="Script", show_default=True, help="What kind of step it is."
)
@click.option("--status", default="SUCCEEDED", show_default=True, help="How it ended.")
@click.option(
    "--started",
    type=Time(),
    help="When it began: 2026-11-01T12:00:00Z, or 10m for ten minutes ago. Without an offset it "
    "is taken as UTC.",
)
@click.option("--completed", type=Time(), help="When it ended. [default: now]")
@run_option
@strict_option
@records
@displays("text", "json")
def command(
    *,
    name: str,
    inputs: tuple[str, ...],
    models: tuple[str, ...],
    outputs: tuple[str, ...],
    files: tuple[Path, ...],
    parameters: Any,
    result: Any,
    tags: tuple[tuple[str, Any], ...],
    type_: str,
    status: str,
    started: int | None,
    completed: int | None,
    run_id: str | None,
    strict: bool,
    source: Source,
    display: Display,
) -> None:
    """Record a step with its inputs, outputs and models.

    Everything is written at once, or nothing. Prints the step's ID, a URN, which
    `braid record model --made-by` takes. JSON may be in a file: @FILE, or @- for standard input.

    \b
    braid record step reduce --input ID --output-file peaks.h5 \\
        --parameters '{"cut": 5}' --started 10m
    """
    from provenance_store.ids import now

    end = now() if completed is None else completed
    start = end if started is None else started
    if end < start:
        raise click.UsageError("--completed is before --started.")
    made = look_at(files, strict=strict)
    with recording(source, run_id=run_id, environment="auto", strict=strict) as place:
        recorder = place.recorder
        with recorder.transaction():
            place.begin_run(start)
            step = recorder.step(
                name,
                inputs=inputs,
                models=models,
                parameters=parameters,
                tags=dict(tags),
                type=type_,
                started_at=start,
            )
            _make_outputs(step, outputs, made)
            step.finish(status, completed_at=end, result=result)
        place.show(display, step)


def _make_outputs(step: StepHandle, outputs: tuple[str, ...], files: Sequence[LocalFile]) -> None:
    for output in outputs:
        name, _, uri = output.partition("=")
        step.output(name, uris=[uri] if uri else [])
    for file in files:
        step.output(file.name, files=[file])
