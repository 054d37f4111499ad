"""`braid run show`"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from braid.cli.failure_reason import what_went_wrong
from braid.cli.options import displays, reads
from braid.cli.output import (
    Display,
    Document,
    Field,
    Form,
    marked,
    run_status,
    seconds_between,
    validity,
)
from braid.cli.source import Source
from braid.cli.tables import Below
from provenance_store.relations import words_of

if TYPE_CHECKING:
    from braid.cli.client import QueryClient
    from provenance_store.queries.document_reader import DocumentReader

__all__ = ["command", "show", "whole_run"]

STEPS_ON_A_PAGE = 1000
MOST_OF_ERROR = 400
"""Characters of an error below the table."""
PAGE = ("limit", "has_next_page", "marker")


def _names(part: str) -> Callable[[Document], str]:
    def value(step: Document) -> str:
        return ", ".join(_mention(item) for item in step[part])

    return value


def _models(step: Document) -> str:
    """Each model with how it took part, for a step may use one version and make the next."""
    return ", ".join(f"{item['how']} {_mention(item)}" for item in step["models"])


def _mention(item: Document) -> str:
    name = item["name"] or item["kind"]
    return marked(f"{name} v{item['version']}" if "version" in item else str(name), item)


RUN_FIELDS = [
    Field("Run ID", "run_id"),
    Field("Flow", "flow_title"),
    Field("Flow ID", "flow_id"),
    Field("Label", "label"),
    Field("Status", run_status),
    Field("Owner", "run_owner"),
    Field("Recorded by", "recorded_by"),
    Field("Started", "start_time", Form.TIME),
    Field("Completed", "completion_time", Form.TIME),
    Field("Took", seconds_between, Form.SECONDS),
    Field("Tags", "tags"),
]
STEP_FIELDS = [
    Field("ID", "short_id", Form.WHOLE),
    Field("Step", "name"),
    Field("Status", "status", Form.WHOLE),
    Field("Start time", "start_time", Form.TIME, rank=3),
    Field("Took", seconds_between, Form.SECONDS, rank=2),
    Field("Inputs", _names("inputs")),
    Field("Outputs", _names("outputs")),
    Field("Models", _models, rank=1),
    Field("URN", "id", Form.WHOLE, wide=True),
    validity(),
]


NAMED = 8
"""How many records are named below a step; JSON and --wide have all."""


def _used_and_made(step: Document) -> Iterator[tuple[str, str]]:
    """What a step used and made, models with the rest."""
    named: dict[str, list[str]] = {}
    for item in [*step["inputs"], *step["models"], *step["outputs"]]:
        how = "made" if item["how"] in MADE else words_of(item["how"])
        named.setdefault(how, []).append(_mention(item))
    width = max(map(len, named), default=0)
    for how in sorted(named, key="made".__eq__):
        names = named[how]
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        yield f"{how:<{width}}", ", ".join(names[:NAMED]) + more


MADE = ("generated_by", "trained", "updated")
"""How records take part in a step that made them."""
BELOW = Below(_used_and_made, frozenset({"inputs", "outputs", "models"}))


def _failure(step: Document) -> str:
    """What went wrong in a step, as far as a line or two tell it."""
    text = what_went_wrong(step["error"] or {"Cause": step.get("result")})
    if len(text) > MOST_OF_ERROR:
        text = f"{text[: MOST_OF_ERROR - 3]}..."
    return f"{step['short_id']}  {step['name']} failed: {text}"


def _has_failed(step: Document) -> bool:
    """Whether anything tells why a step failed: its error, or the result of an action that failed
    without raising one (``ExceptionOnActionFailure: false``)."""
    return step["error"] is not None or (step["status"] == "FAILED" and bool(step.get("result")))


def whole_run(history: DocumentReader | QueryClient, run_id: str) -> Document:
    """The run with the steps of all pages."""
    run = history.run(run_id, limit=STEPS_ON_A_PAGE)
    page = run
    while page["has_next_page"]:
        page = history.run(run["run_id"], limit=STEPS_ON_A_PAGE, marker=page["marker"])
        run["steps"] += page["steps"]
    return {name: value for name, value in run.items() if name not in PAGE}


@click.command()
@click.argument("run_id")
@reads
@displays("text", "json", "csv")
def command(*, run_id: str, source: Source, display: Display) -> None:
    """Show a run and its steps in order.

    RUN_ID may be the beginning of an id, 4 characters or more, that one run only has. On a
    terminal what a step used and made stands below it; into a pipe, with --wide or in CSV each step
    is one row. What went wrong in a step is told below all, in full with --format json.
    """
    with source.read() as history:
        run = whole_run(history, run_id)
    show(run, display)


def show(run: Document, display: Display) -> None:
    """Show a run, and its steps in order."""
    if display.format == "text":
        display.details(run, fields=RUN_FIELDS)
        click.echo()
    empty = "No steps were recorded."
    display.table(run, rows="steps", fields=STEP_FIELDS, empty=empty, below=BELOW)
    failures = [_failure(step) for step in run["steps"] if _has_failed(step)]
    if failures and display.format == "text":
        display.lines(["", *failures])
