"""`braid record data`"""

from __future__ import annotations

from functools import partial

import click

from braid.cli.options import Described, describes, displays, records
from braid.cli.output import Display
from braid.cli.recording import recording
from braid.cli.source import Source

__all__ = ["command"]


@click.command()
@click.argument("name")
@describes
@click.option("--live", is_flag=True, help="More may be added to it, until `braid record promote`.")
@records
@displays("text", "json")
def command(
    *,
    name: str,
    described: Described,
    live: bool,
    source: Source,
    display: Display,
) -> None:
    """Record data, and what it was derived from.

    Prints its ID, a URN that is valid everywhere and that later commands take.

    \b
    braid record data scan-17 --file scan-17.h5 --depends-on ID --tag sample=Ni
    """
    with recording(source, run_id=described.run_id, strict=described.strict) as place:
        make = partial(place.recorder.data, name, live=live)
        place.show(display, place.make(described, make))
