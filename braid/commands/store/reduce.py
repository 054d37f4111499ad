"""`braid store reduce`"""

from __future__ import annotations

import click

from braid.cli.options import Time, displays, writes
from braid.cli.output import Display, Field
from braid.cli.progress import rows_progress
from braid.cli.source import Source

__all__ = ["command"]

FIELDS = [
    Field("Records", lambda document: str(document["records"])),
    Field("Rows", "rows"),
]


@click.command()
@writes
@click.option(
    "--older-than",
    "before",
    type=Time(),
    required=True,
    help="Records made before: 365d for days ago, or 2026-11-01.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be dropped, and drop nothing.")
@displays("text", "json")
def command(*, source: Source, before: int, dry_run: bool, display: Display) -> None:
    """Drop tags, metrics and documents of old records.

    Documents are parameters, results, errors and hyperparameters. Records, links, runs, URIs and
    digests stay, so lineages are whole; each record is marked as reduced. What was dropped cannot
    be brought back, also not by a merge.
    """
    with source.open(create=False) as store:
        told = store.reduce(before=before, dry_run=True)
        if not dry_run:
            with rows_progress(told.records, "Reducing") as progress:
                told = store.reduce(before=before, progress=progress)
    display.details(told.to_dict(), fields=FIELDS)
