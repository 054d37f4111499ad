"""`braid store repair`"""

from __future__ import annotations

import click

from braid.cli.options import displays, writes
from braid.cli.output import Display
from braid.cli.source import Source

__all__ = ["command"]


@click.command()
@writes
@click.option("--yes", is_flag=True, help="Write the changes. Without it they are only listed.")
@displays("text", "json")
def command(*, source: Source, yes: bool, display: Display) -> None:
    """Repair values that earlier versions stored in an unreadable form.

    Without --yes they are only listed.

    A tag that should be a number gets its number as a newer value; the bad value stays in the
    history of the tag. A time that was kept as text becomes a time. Every change is one line on
    standard output. Running it again changes nothing.
    """
    with source.open(create=False) as store:
        mended = store.repair(dry_run=not yes)
    if display.format == "json":
        changes = [each.to_dict() for each in mended]
        display.json({"dry_run": not yes, "changes": changes})
    else:
        display.lines([each.sentence() for each in mended], empty="Nothing to repair.")
        if mended and not yes:
            click.echo("braid: nothing is written yet; --yes writes it.", err=True)
