"""`braid runs`"""

from __future__ import annotations

from typing import Any

import click

from braid.cli.options import Time, displays, pages, reads
from braid.cli.output import Display, Field, Form, run_status, seconds_between
from braid.cli.source import Source

__all__ = ["command"]

FIELDS = [
    Field("Run ID", "run_id", Form.RUN),
    Field("Status", "status", people=run_status),
    Field("Start time", "start_time", Form.TIME, rank=1),
    Field("Completion time", "completion_time", Form.TIME, wide=True),
    Field("Took", seconds_between, Form.SECONDS, rank=2),
    Field("Flow title", "flow_title"),
    Field("Label", "label", rank=1),
    Field("Tags", "tags", rank=3),
    Field("Last heard at", "last_heard_at", Form.TIME, wide=True),
]


@click.command()
@click.option("--flow", "flow_id", metavar="FLOW_ID", help="Runs of this flow.")
@click.option(
    "--status",
    help="Runs with this status: ACTIVE, INACTIVE, SUCCEEDED, FAILED or ENDED, in any case.",
)
@click.option("--owner", metavar="URN", help="Runs of this identity.")
@click.option("--label", help="Runs with this label; * stands for anything.")
@click.option("--tag", help="Runs with this tag, or a step's tag: sample=Ni, temperature_K>290.")
@click.option("--since", type=Time(), help="Started at or after: 2026-11-01, or 7d for days ago.")
@click.option("--until", type=Time(), help="Started before.")
@pages
@reads
@displays("text", "json", "csv")
def command(*, source: Source, display: Display, **filters: Any) -> None:
    """List flow runs, newest first."""
    with source.read() as history:
        found = history.runs(**filters)
    display.table(found, rows="runs", fields=FIELDS, empty="No runs.")
