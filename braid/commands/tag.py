"""`braid tag`"""

from __future__ import annotations

from typing import Any

import click

from braid.cli.arguments import Pair, Reference
from braid.cli.options import displays, records, strict_option
from braid.cli.output import Display
from braid.cli.recording import recording
from braid.cli.source import Source

__all__ = ["command"]


@click.command()
@click.argument("reference", metavar="ID", type=Reference())
@click.argument("tags", metavar="NAME=VALUE...", nargs=-1, required=True, type=Pair())
@strict_option
@records
@displays("text", "json")
def command(
    *,
    reference: str,
    tags: tuple[tuple[str, Any], ...],
    strict: bool,
    source: Source,
    display: Display,
) -> None:
    """Set tags of a record.

    ID names any record, step or model version: an id, a URI, a path, a name, NAME@v3 or NAME@ALIAS.
    Values are typed as by --tag of `braid record`; earlier ones stay in the history. Prints the
    record's URN.

    \b
    braid tag 3.17 sample=Ni temperature_K=293.5
    """
    with recording(source, strict=strict, create=False) as place:
        recorder = place.recorder
        record = recorder.id_of(reference)
        recorder.tag(record, dict(tags))
        place.tell(display, recorder.sink.urn(record))
