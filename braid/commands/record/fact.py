"""`braid record fact`"""

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
@records
@displays("text", "json")
def command(
    *,
    name: str,
    described: Described,
    source: Source,
    display: Display,
) -> None:
    """Record a fact: something static, such as a setting or a paper.

    Prints its ID, a URN that is valid everywhere and that later commands take.

    \b
    braid record fact setup --file setup.toml --tag energy_keV=71.68
    """
    with recording(source, run_id=described.run_id, strict=described.strict) as place:
        make = partial(place.recorder.fact, name)
        place.show(display, place.make(described, make))
