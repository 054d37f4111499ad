"""`braid store info`"""

from __future__ import annotations

import click

from braid.cli.options import displays, writes
from braid.cli.output import Display, Field
from braid.cli.source import Source

__all__ = ["command"]

FIELDS = [
    Field("Store", "store"),
    Field("Database", "database"),
    Field("Schema", "schema"),
    Field("Read by schema", "min_reader"),
    Field("Written by schema", "min_writer"),
    Field("Origins", "origins"),
    Field("Records", "records"),
    Field("Rows", "tables"),
]


@click.command()
@writes
@displays("text", "json")
def command(*, source: Source, display: Display) -> None:
    """Describe a store: schema, size, counts by table and kind."""
    with source.open(create=False) as store:
        display.details({"store": source.shown, **store.info()}, fields=FIELDS)
