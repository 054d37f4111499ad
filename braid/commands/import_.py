"""`braid import`"""

from __future__ import annotations

from pathlib import Path

import click

from braid.filling import filling
from braid.options import displays, writes
from braid.output import Display, Field, printable
from braid.source import Source

__all__ = ["command"]

FIELDS = [
    Field("File", "file"),
    Field("Format", "format"),
    Field("New records", lambda document: sum(document["records"].values())),
    Field("by kind", "records"),
    Field("New links", "links"),
    Field("Known before", "known"),
]


@click.command()
@writes
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and import nothing.")
@click.option(
    "--reversed",
    "reverse",
    is_flag=True,
    help="Braid-DB only: derivations name the derived record first, as its example workflows do.",
)
@displays("text", "json")
def command(
    *, source: Source, display: Display, files: tuple[Path, ...], dry_run: bool, reverse: bool
) -> None:
    """Import W3C PROV, an RO-Crate of a run, or a database of Braid-DB.

    PROV is JSON, N, XML or JSON-LD; a crate is a folder, a zip or its ro-crate-metadata.json.

    What was exported from a Braid store comes back under its own identity. Everything else becomes
    new records tagged `imported`; kinds are inferred. Each file is one transaction, and importing
    it twice changes nothing. Other Braid stores are brought in with `braid merge`.
    """
    from provenance_store.exchange.files import import_file

    with filling(source, dry_run=dry_run) as store:
        imported = []
        for file in files:
            format_, found = import_file(store, file, dry_run=dry_run, reverse=reverse)
            imported.append({"file": str(file), "format": format_, **found.document()})
    if display.format == "json":
        return display.json({"imported": imported})
    for document in imported:
        display.details(document, fields=FIELDS)
        for note in document["notes"]:
            click.echo(printable(f"Note: {note}"), err=True)
