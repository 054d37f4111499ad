"""`braid store restore`"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from braid.cli.options import displays, writes
from braid.cli.output import Display, Field, printable
from braid.cli.progress import parts_progress
from braid.cli.source import Source

__all__ = ["command"]

FIELDS = [
    Field("Store", "store"),
    Field("Schema", "schema"),
    Field("Records", lambda document: f"{document['records']:,}"),
    Field("Before", "before"),
]


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@writes
@click.option(
    "--force",
    is_flag=True,
    help="Also when a program has the store open, or when the store holds more than the backup "
    "(on PostgreSQL: any record at all) or cannot be read.",
)
@displays("text", "json")
def command(*, file: Path, source: Source, force: bool, display: Display) -> None:
    """Put a backup in the place of the store.

    Stop the server first. What was in the store's place is kept: a SQLite file as STORE.before
    beside the new one, a PostgreSQL database as a dump, FILE.before, beside the backup. A damaged
    backup is not put back, and when something goes wrong the store stays as it was. A backup of an
    older schema is put back as it is: `braid serve` or `braid store upgrade` upgrades it.

    \b
    braid store restore /backup/braid-2026-11-30 --store /var/lib/braid/braid.db
    """
    from provenance_store.transfer.backup import restore

    with parts_progress("Restoring") as progress:
        done = restore(source.url, file, force=force, progress=progress)
    display.details({"store": source.shown, **done.document()}, fields=FIELDS)
    if display.format == "text":
        for line in _how_to_go_on(source, done.before):
            click.echo(printable(line), err=True)


def _how_to_go_on(source: Source, before: Path | None) -> Iterator[str]:
    """What to do next, a line each."""
    where = f" --store {shlex.quote(source.shown)}" if source.store else ""
    yield f"Check it: braid store check{where}"
    yield (
        "Then start the server again. One that still runs opens the restored store by itself; "
        "`braid flow watch` and scripts that had it open must be started anew."
    )
    if before is None:
        return
    file = shlex.quote(str(before))
    if not source.url.startswith("sqlite"):
        yield f"Back to what was there: braid store restore {file}{where} --force"
    elif _holds_records(before):
        yield f"Records that are not in that backup come back with: braid merge {file}{where}"


def _holds_records(file: Path) -> bool:
    """Whether a file opens as a store with something in it; damage further in may show later."""
    from provenance_store import open_store
    from provenance_store.errors import BraidError

    try:
        with open_store(f"sqlite:///{file}", create=False) as store:
            return bool(store.documents().records(limit=1)["records"])
    except BraidError:
        return False
