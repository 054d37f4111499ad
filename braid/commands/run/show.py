"""`braid run show`"""

from __future__ import annotations

from collections.abc import Callable

import click

from braid.options import displays, reads
from braid.output import Display, Document, Field, short_time
from braid.source import Source

__all__ = ["command"]


def _names(part: str) -> Callable[[Document], str]:
    def value(step: Document) -> str:
        return ", ".join(_mention(item) for item in step[part])

    return value


def _models(step: Document) -> str:
    """Each model with how it took part, for a step may use one version and make the next."""
    return ", ".join(f"{item['how']} {_mention(item)}" for item in step["models"])


def _mention(item: Document) -> str:
    name = item["name"] or item["kind"]
    return f"{name} v{item['version']}" if "version" in item else str(name)


RUN_FIELDS = [
    Field("Run ID", "run_id"),
    Field("Flow", "flow_title"),
    Field("Flow ID", "flow_id"),
    Field("Label", "label"),
    Field("Status", "status"),
    Field("Owner", "run_owner"),
    Field("Started", short_time("start_time")),
    Field("Completed", short_time("completion_time")),
    Field("Tags", "tags"),
]
STEP_FIELDS = [
    Field("ID", "short_id"),
    Field("Step", "name"),
    Field("Status", "status"),
    Field("Start time", short_time("start_time")),
    Field("Inputs", _names("inputs")),
    Field("Outputs", _names("outputs")),
    Field("Models", _models),
    Field("URN", "id", wide=True),
]


@click.command()
@click.argument("run_id")
@reads
@displays("text", "json", "csv")
def command(*, run_id: str, source: Source, display: Display) -> None:
    """Show a run and its steps in order.

    CSV is the table of steps.
    """
    with source.read() as history:
        run = history.run(run_id)
    if display.format == "text":
        display.details(run, fields=RUN_FIELDS)
        click.echo()
    display.table(run, rows="steps", fields=STEP_FIELDS, empty="No steps were recorded.")
