"""`braid merge`"""

from __future__ import annotations

from pathlib import Path

import click

from braid.cli.import_target import filling
from braid.cli.options import displays, writes
from braid.cli.output import Display, Field, in_words
from braid.cli.progress import stage_progress
from braid.cli.source import Source

__all__ = ["command"]

FIELDS = [
    Field("File", "file"),
    Field("New origins", "origins"),
    Field("New rows", lambda document: sum(document["rows"].values())),
    Field("of these", lambda document: in_words(document["rows"])),
    Field("Stubs filled in", lambda document: document["filled"] or None),
    Field("Newly invalid", lambda document: document["tainted"] or None),
    Field("Pairs that are one file", lambda document: document["same"] or None),
]
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
POLICIES = ("latest", "ours", "theirs", "refuse")
"""What becomes of tags that differ; a test holds that these are all."""


@click.command()
@writes
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--dry-run", is_flag=True, help="Say what would be added, and add nothing.")
@click.option(
    "--tags",
    type=click.Choice(POLICIES),
    default="latest",
    show_default=True,
    help="Where a record has a tag in both with another value: latest keeps both in its history "
    "and the last that was set counts, ours leaves it as it is here, theirs sets the other's value "
    "anew, refuse merges nothing.",
)
@displays("text", "json")
def command(
    *, source: Source, display: Display, files: tuple[Path, ...], dry_run: bool, tags: str
) -> None:
    """Merge other stores, SQLite files, into this one.

    These are slices, copies or shards. Identities are kept: merging twice changes nothing, and a
    newer slice adds the difference. Records take the place of stubs. What the other store knows to
    be invalid is so here, with all that was made of it. Records of both that name one file with
    the same digest are one thing afterwards.

    Each file is one transaction; a record that both have with different content stops it, with
    a report, and nothing of that file is merged. Only tags may differ: --tags says what counts.

    \b
    braid merge team.db --store ours.db --dry-run
    """
    with filling(source, dry_run=dry_run) as store, stage_progress() as progress:
        merged = [
            {"file": str(file)}
            | store.merge(file, dry_run=dry_run, tags=tags, progress=progress).to_dict()
            for file in files
        ]
    if display.format == "json":
        return display.json({"merged": merged})
    for document in merged:
        display.details(document, fields=FIELDS)
