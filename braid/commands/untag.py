"""`braid untag`"""

from __future__ import annotations

import click

from braid.cli.arguments import Reference
from braid.cli.options import displays, records
from braid.cli.output import Display
from braid.cli.recording import recording
from braid.cli.source import Source

__all__ = ["command"]


@click.command()
@click.argument("reference", metavar="ID", type=Reference())
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@records
@displays("text", "json")
def command(*, reference: str, names: tuple[str, ...], source: Source, display: Display) -> None:
    """Remove tags from a record.

    The record's history keeps the earlier values. Prints the record's URN.
    """
    from provenance_store.errors import NotFound

    with recording(source, create=False) as place:
        recorder = place.recorder
        record = recorder.id_of(reference)
        known = place.known(recorder.sink.urn(record))
        for name in names:
            if known is not None and name not in known["tags"]:
                there = ", ".join(sorted(known["tags"])) or "none"
                raise NotFound(f"{reference} has no tag {name!r}; it has {there}.")
        recorder.untag(record, *names)
        place.tell(display, recorder.sink.urn(record))
