"""`braid record step`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.options import Time, displays, model_option, records, run_option, tag_option
from braid.output import Display
from braid.parameters import JsonText
from braid.recording import file_uri, recording
from braid.source import Source

if TYPE_CHECKING:
    from provenance_store.handles import StepHandle

__all__ = ["command"]

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("name")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="ID",
    help="A record that it used. This and the next three may be repeated.",
)
@model_option
@click.option("--output", "outputs", multiple=True, metavar="NAME[=URI]", help="Data that it made.")
@click.option("--output-file", "files", multiple=True, type=FILE, help="A file that it made.")
@click.option("--parameters", type=JsonText(), help="What it was called with.")
@click.option("--result", type=JsonText(), help="What it answered.")
@tag_option
@click.option("--type", "type_", default="Script", show_default=True, help="What kind of step.")
@click.option("--status", default="SUCCEEDED", show_default=True, help="How it ended.")
@click.option("--started", type=Time(), help="When it began, such as 2026-11-01T12:00:00Z.")
@click.option("--completed", type=Time(), help="When it ended. [default: now]")
@run_option
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
    source: Source,
    display: Display,
) -> None:
    """Record a step with its inputs, outputs and models.

    Everything is written at once, or nothing. Prints the step's permanent name, which
    `braid record model --made-by` takes.
    """
    from provenance_store.ids import now

    end = now() if completed is None else completed
    start = end if started is None else started
    with recording(source, run_id=run_id, environment="auto") as place:
        recorder = place.recorder
        with recorder.together():
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
            _make_outputs(step, outputs, files)
            step.finish(status, completed_at=end, result=result)
        place.show(display, step)


def _make_outputs(step: StepHandle, outputs: tuple[str, ...], files: tuple[Path, ...]) -> None:
    for output in outputs:
        name, _, uri = output.partition("=")
        step.output(name, uris=[uri] if uri else [])
    for file in files:
        step.output(file.name, uris=[file_uri(file)])
