"""`braid import`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from braid.cli.fields import Field, Form, printable
from braid.cli.import_target import filling
from braid.cli.options import displays, writes
from braid.cli.output import Display, in_words
from braid.cli.source import Source
from provenance_store.display import counted

__all__ = ["command"]

SHOWN = 20
"""How many notes on one file are shown people."""
FIELDS = [
    Field("File", "file"),
    Field("Format", "format"),
    Field("New records", lambda document: sum(document["records"].values())),
    Field("by kind", "records"),
    Field("New links", "links"),
    Field("Known before", "known"),
    Field("Import", "origin"),
]
LISTED = [
    Field("Import", "id", Form.WHOLE),
    Field("At", "at", Form.TIME, rank=2),
    Field("Format", "format", Form.WHOLE, rank=1),
    Field("File", "file"),
    Field("By", "by", rank=3),
    Field("Records", "records", Form.WHOLE, rank=1),
    Field("Runs", "runs", Form.WHOLE, rank=4),
]
UNDONE = [
    *(field for field in LISTED if field.name not in ("records", "runs")),
    Field("All that it brought", "rows", people=lambda document: in_words(document["rows"])),
]
STAYS = (
    "Who recorded it and on what machines stays in the store, and so does the file; importing it "
    "again brings all of it back."
)


@click.command()
@writes
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and import nothing.")
@click.option(
    "--reversed/--source-first",
    "reverse",
    default=None,
    help="Braid-DB only: derivations name the derived record first, as its example workflows do, "
    "or the source first, as its documentation has it. [default: as the times of records say]",
)
@click.option("--list", "listed", is_flag=True, help="List the imports, oldest first.")
@click.option(
    "--undo",
    metavar="IMPORT",
    help="Take an import back: all that it brought, while nothing else needs it. IMPORT is its id, "
    "or the beginning of it. Without --yes it only says what would go.",
)
@click.option("--yes", is_flag=True, help="Do what --undo says.")
@click.option(
    "--force",
    is_flag=True,
    help="With --undo: lose what was said here of its records since, such as tags and marks.",
)
@displays("text", "json", table=True)
def command(
    *,
    source: Source,
    display: Display,
    files: tuple[Path, ...],
    dry_run: bool,
    reverse: bool | None,
    listed: bool,
    undo: str | None,
    yes: bool,
    force: bool,
) -> None:
    """Import W3C PROV, an RO-Crate of a run, or a database of Braid-DB.

    PROV is JSON, N, XML or JSON-LD; a crate is a folder, a zip or its ro-crate-metadata.json.

    What was exported from a Braid store comes back under its own identity. Everything else becomes
    new records tagged `imported`; kinds are inferred. Each file is one transaction, and importing
    it twice changes nothing. Other Braid stores are brought in with `braid merge`.

    To look at what somebody sent without mixing it with your own records, import it into a new
    store, and ask that: --store takes a file that is not there yet.

    \b
    braid import run-crate.zip --store theirs.db
    braid runs --store theirs.db
    braid statement ID --store theirs.db
    braid verify --run RUN_ID --store theirs.db --map globus://COLLECTION/=FOLDER

    \b
    braid import peaks.json run-crate.zip
    braid import --list
    braid import --undo 1f0c2d3e --yes
    """
    if bool(files) + listed + (undo is not None) != 1:
        raise click.UsageError("Name files, or give --list or --undo.")
    if yes and (undo is None or dry_run):
        raise click.UsageError("--yes goes with --undo, and without --dry-run.")
    if display.is_table and not listed:
        raise click.UsageError("--columns and --wide go with --list.")
    if force and undo is None:
        raise click.UsageError("--force goes with --undo.")
    if listed:
        return _list(source, display)
    if undo is not None:
        return _undo(source, display, undo, dry_run=not yes, force=force)
    from provenance_store.exchange.formats import import_file

    with filling(source, dry_run=dry_run) as store:
        imported = []
        for file in files:
            format_, found = import_file(store, file, dry_run=dry_run, reverse=reverse)
            imported.append({"file": str(file), "format": format_, **found.document()})
    if display.format == "json":
        return display.json({"imported": imported})
    for document in imported:
        display.details(document, fields=FIELDS)
        _note(document["notes"])


def _list(source: Source, display: Display) -> None:
    from provenance_store.exchange.imports import list_imports

    with source.open(create=False) as store:
        found = list_imports(store)
    display.table({"imports": found}, rows="imports", fields=LISTED, empty="No imports.")


def _undo(source: Source, display: Display, id_: str, *, dry_run: bool, force: bool) -> None:
    from provenance_store.exchange.imports import undo_import

    with source.open(create=False) as store:
        document = undo_import(store, id_, dry_run=dry_run, force=force).document()
    if display.format == "json":
        return display.json({"undone": not dry_run, **document})
    display.details(document, fields=UNDONE)
    records, runs = counted(document["records"], "record"), counted(document["runs"], "run")
    if dry_run:
        click.echo(
            f"{records} and {runs} would go. Nothing has changed; add --yes to take this import "
            "back.",
            err=True,
        )
    else:
        click.echo(f"Taken back: {records} and {runs}, with all of the above. {STAYS}", err=True)


def _note(notes: Sequence[Any]) -> None:
    for note in notes[:SHOWN]:
        click.echo(printable(f"Note: {note}"), err=True)
    if len(notes) > SHOWN:
        more = f"Note: {len(notes) - SHOWN} more; --format json has them all."
        click.echo(more, err=True)
