"""`braid store check`"""

from __future__ import annotations

import click

from braid.cli.errors import SAID_NO
from braid.cli.options import displays, writes
from braid.cli.output import Display
from braid.cli.source import Source

__all__ = ["command"]


@click.command()
@writes
@displays("text", "json")
@click.pass_context
def command(context: click.Context, /, *, source: Source, display: Display) -> None:
    """Verify a store; exit 1 if something is wrong.

    Every problem is one line on standard output.
    """
    from provenance_store.transfer.condition import problems

    found = problems(source.url)
    if display.format == "json":
        display.json({"problems": found})
    else:
        display.lines(found, empty="Nothing is wrong.")
    context.exit(SAID_NO if found else 0)
