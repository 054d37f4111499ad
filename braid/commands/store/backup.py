"""`braid store backup`"""

from __future__ import annotations

from pathlib import Path

import click

from braid.cli.fields import Field, Form
from braid.cli.options import displays, writes
from braid.cli.output import Display
from braid.cli.progress import parts_progress
from braid.cli.source import Source

__all__ = ["command"]

FIELDS = [
    Field("File", "file"),
    Field("Schema", "schema"),
    Field("Records", lambda document: f"{document['records']:,}"),
    Field("Size", "size", Form.SIZE),
]


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@writes
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@displays("text", "json")
def command(*, file: Path, source: Source, force: bool, display: Display) -> None:
    """Write all of a store into a file, while a server records.

    The backup is the store as it was at one moment, the status of actions included; its owner
    alone may read it. It is there whole or not at all. Of a SQLite store it is a SQLite store
    too, which can be asked with --store FILE. Of a PostgreSQL store it is a dump, made by pg_dump.
    `braid store restore` puts it back.

    \b
    braid store backup /backup/braid-$(date +%F).db
    """
    from provenance_store.transfer.backup import back_up

    with parts_progress("Backing up") as progress:
        done = back_up(source.url, file, force=force, progress=progress)
    display.details({"store": source.shown, **done.document()}, fields=FIELDS)
