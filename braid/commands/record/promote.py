"""`braid record promote`"""

from __future__ import annotations

import click

from braid.cli.arguments import Reference
from braid.cli.options import displays, records
from braid.cli.output import Display
from braid.cli.recording import recording
from braid.cli.source import Source
from provenance_store.errors import Conflict

__all__ = ["command"]


@click.command()
@click.argument("reference", metavar="ID", type=Reference())
@click.option("--note", default="", help="Why it is complete.")
@records
@displays("text", "json")
def command(*, reference: str, note: str, source: Source, display: Display) -> None:
    """Make live data static.

    From now on nothing can be added to it. ID is that of data that was recorded with --live.
    Prints its URN.
    """
    with recording(source) as place:
        known = place.known(reference)
        if known is not None and not known["live"]:
            raise Conflict(f"{reference} is static already; only live data is promoted.")
        recorder = place.recorder
        promoted = recorder.id_of(reference if known is None else known["id"])
        recorder.promote(promoted, note)
        place.tell(display, recorder.sink.urn(promoted))
