"""`braid merge`"""

from __future__ import annotations

from pathlib import Path

import click

from braid.options import displays, writes
from braid.output import Display, Field
from braid.source import Source

__all__ = ["command"]

FIELDS = [
    Field("File", "file"),
    Field("New origins", "origins"),
    Field("New rows", lambda document: sum(document["rows"].values())),
    Field("by table", "rows"),
]


@click.command()
@writes
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be added, and add nothing.")
@displays("text", "json")
def command(*, source: Source, display: Display, files: tuple[Path, ...], dry_run: bool) -> None:
    """Merge other stores, SQLite files, into this one.

    Identities are kept: merging twice changes nothing, and a newer copy adds the difference.
    Each file is one transaction; a record that both have with different content stops it, with
    a report, and nothing of that file is merged.
    """
    with source.open(create=True) as store:
        merged = [
            {"file": str(file), **store.merge(file, dry_run=dry_run).document()} for file in files
        ]
    if display.format == "json":
        return display.json({"merged": merged})
    for document in merged:
        display.details(document, fields=FIELDS)
