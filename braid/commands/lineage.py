"""`braid lineage`"""

from __future__ import annotations

from typing import Literal

import click

from braid.graph import as_dot, as_tree
from braid.options import displays, reads
from braid.output import Display, Document, Field
from braid.source import Source

__all__ = ["command"]

NODES = [
    Field("ID", "id"),
    Field("Kind", "kind"),
    Field("Name", "name"),
    Field("Version", "version"),
    Field("Distance", "distance"),
]


@click.command()
@click.argument("id_", metavar="ID")
@click.option(
    "--up", "direction", flag_value="up", default="up", help="What it came from. [default]"
)
@click.option("--down", "direction", flag_value="down", help="What came of it.")
@click.option("--depth", type=click.IntRange(1), help="At most so many hops. [default: all]")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=10_000,
    show_default=True,
    help="At most so many nodes.",
)
@reads
@displays("text", "json", "csv", "dot")
def command(
    *,
    id_: str,
    direction: Literal["up", "down"],
    depth: int | None,
    limit: int,
    source: Source,
    display: Display,
) -> None:
    """Show what a record came from, or what came of it.

    ID is a permanent name (urn:braid:...) or, in one store, the short form such as 3.17. Text is a
    tree, dot is for Graphviz, CSV lists the nodes by distance.
    """
    with source.read() as history:
        found = history.lineage(id_, direction=direction, depth=depth, limit=limit)
    _show(found, display)
    if found["truncated"]:
        click.echo("There is more: raise --limit or --depth to see it.", err=True)


def _show(found: Document, display: Display) -> None:
    if display.format == "text":
        display.tree(as_tree(found))
    elif display.format == "dot":
        display.lines(list(as_dot(found)))
    else:
        display.table(found, rows="nodes", fields=NODES)
