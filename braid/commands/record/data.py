"""`braid record data`"""

from __future__ import annotations

from functools import partial

import click

from braid.options import Described, describes, displays, records
from braid.output import Display
from braid.recording import recording
from braid.source import Source

__all__ = ["command"]


@click.command()
@click.argument("name")
@describes
@click.option("--live", is_flag=True, help="It may still grow, until `braid record promote`.")
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

    Prints its permanent name, which later commands take as ID.
    """
    with recording(source, run_id=described.run_id) as place:
        make = partial(place.recorder.data, name, live=live)
        place.show(display, place.make(described, make))
