"""`braid diff`"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from braid.cli.arguments import Reference
from braid.cli.errors import SAID_NO
from braid.cli.options import displays, reads
from braid.cli.output import Display, Document, Field, printable
from braid.cli.source import Source, is_run
from braid.cli.tables import Below
from provenance_store.display import counted
from provenance_store.errors import InvalidInput

if TYPE_CHECKING:
    from braid.cli.client import QueryClient
    from provenance_store.queries.document_reader import DocumentReader

__all__ = ["command"]

MOST_SHOWN = 60
"""Characters of a value in the table; CSV and JSON have all."""
MOST_OF_BEGINNING, MOST_IN_FRONT = 20, 12
"""Of a longer one, so many characters of its beginning, and in front of what differs."""
A, B = Field("A", "a"), Field("B", "b")
FIELDS = [Field("Where", "where"), Field("What", "what"), A, B]
DIGEST = re.compile(r"\b((?:sha256|blake2b):[0-9a-f]{8})[0-9a-f]{24,}\b")
BELOW = Below(lambda _: (), frozenset({"where"}), above="where")
STEPS_ON_A_PAGE = 1000


@click.command()
@click.argument("a", metavar="ID", type=Reference())
@click.argument("b", metavar="ID", type=Reference())
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=10_000,
    show_default=True,
    help="Compare at most this many records of each side, the nearest.",
)
@reads
@displays("text", "json", "csv")
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    a: str,
    b: str,
    limit: int,
    source: Source,
    display: Display,
) -> None:
    """Show how two results differ; exit 1 if they do.

    Two results, two model versions, two steps, or two run ids. What differs in inputs, versions,
    parameters, hyperparameters, environment and code, tags, scores and content: of the two, and of
    what they came from, matched by step, model and name. Ids and times, which always differ, are
    left out; ids of tasks and labels of actions are counted, and listed with --format json.
    """
    with source.read() as history:
        found = _compared(history, a, b, limit)
    shown: Document = found
    differ = found["differences"]
    if display.format == "text":
        shown = {**found, "differences": [_brief(row) for row in differ]}
        if differ:
            click.echo(printable(f"{counted(len(differ), 'difference')}; A is {a}, B is {b}."))
            click.echo()
    empty = "Nothing differs."
    display.table(shown, rows="differences", fields=FIELDS, empty=empty, below=BELOW)
    if found["put_aside"] and display.format == "text":
        click.echo(_put_aside(len(found["put_aside"])), err=True)
    if found["truncated"]:
        told = "Not everything was compared: --limit was reached. Raise it to compare more."
        click.echo(told, err=True)
    context.exit(SAID_NO if found["differences"] else 0)


def _brief(row: Document) -> Document:
    """The row with as much of long values as shows where they differ, of digests the beginning."""
    one, other = (DIGEST.sub("\\1\u2026", field.of(row)) for field in (A, B))
    if one == other:
        one, other = A.of(row), B.of(row)
    pairs = zip(one, other, strict=False)
    place = next((i for i, pair in enumerate(pairs) if len(set(pair)) > 1), len(one))
    return {**row, "a": _around(one, place), "b": _around(other, place)}


def _around(text: str, place: int) -> str:
    if len(text) <= MOST_SHOWN:
        return text
    room = MOST_SHOWN - MOST_OF_BEGINNING - 3
    start = min(place - MOST_IN_FRONT, len(text) - room)
    if start <= MOST_OF_BEGINNING + 3:
        return f"{text[: MOST_SHOWN - 3]}..."
    piece = text[start : start + room]
    if start + room < len(text):
        piece = f"{piece[:-3]}..."
    return f"{text[:MOST_OF_BEGINNING]}...{piece}"


def _put_aside(count: int) -> str:
    what = "id or label" if count == 1 else "ids and labels"
    return f"{count} {what} of actions put aside, new each time; --format json lists them."


def _compared(history: DocumentReader | QueryClient, a: str, b: str, limit: int) -> dict[str, Any]:
    from provenance_store.statement.difference import compare_records, compare_runs
    from provenance_store.statement.document import evidence_of

    of_runs = [is_run(history, one, strict=True) for one in (a, b)]
    if of_runs[0] != of_runs[1]:
        run, record = (a, b) if of_runs[0] else (b, a)
        raise InvalidInput(
            f"{run} is a run and {record} is a record; give the ids of two records, or of two runs."
        )
    if not of_runs[0]:
        return compare_records(
            *(evidence_of(history.statement(one, limit=limit)) for one in (a, b))
        )
    runs = [_whole_run(history, one) for one in (a, b)]
    return compare_runs(runs[0], runs[1], _evidence(history, runs))


def _whole_run(history: DocumentReader | QueryClient, run_id: str) -> dict[str, Any]:
    run = page = history.run(run_id, limit=STEPS_ON_A_PAGE)
    while page["has_next_page"]:
        page = history.run(run_id, limit=STEPS_ON_A_PAGE, marker=page["marker"])
        run["steps"] += page["steps"]
    return run


def _evidence(history: DocumentReader | QueryClient, runs: list[dict[str, Any]]) -> Document:
    """The steps of the runs, and what each used and made."""
    from braid.cli.client import QueryClient
    from provenance_store.ids import now

    if isinstance(history, QueryClient):
        raise InvalidInput("A server cannot compare runs; give --store, or compare two records.")
    steps = [step for run in runs for step in run["steps"]]
    parts = [part for step in steps for name in PARTS for part in step[name]]
    ids = {document["id"] for document in (*steps, *parts) if not document.get("restricted")}
    return history.evidence(sorted(ids), as_of=now())


PARTS = ("inputs", "outputs", "models")
