"""`braid store check`"""

from __future__ import annotations

import click

from braid.errors import SAID_NO
from braid.options import displays, writes
from braid.output import Display
from braid.source import Source

__all__ = ["command"]


@click.command()
@writes
@displays("text", "json")
@click.pass_context
def command(context: click.Context, /, *, source: Source, display: Display) -> None:
    """Verify a store; exit 1 if something is wrong.

    Every problem is one line on standard output.
    """
    with source.open(create=False) as store:
        problems = store.check()
    if display.format == "json":
        display.json({"problems": problems})
    else:
        display.lines(problems, empty="Nothing is wrong.")
    context.exit(SAID_NO if problems else 0)
