"""`braid store init`"""

from __future__ import annotations

import click

from braid.cli.options import writes
from braid.cli.source import Source

__all__ = ["command"]


@click.command()
@writes
def command(*, source: Source) -> None:
    """Create a store; do nothing if it exists."""
    with source.open(create=True):
        click.echo(f"The store {source.shown} is ready.", err=True)
