"""`braid store upgrade`"""

from __future__ import annotations

import click

from braid.options import writes
from braid.source import Source

__all__ = ["command"]


@click.command()
@writes
def command(*, source: Source) -> None:
    """Bring a store to the schema of this version.

    Nothing is lost, and nothing happens when the store is up to date. Safe while other programs
    start on the same store; make a copy first all the same.
    """
    from provenance_store.opening import upgrade_store

    upgrade_store(source.url)
    click.echo(f"The store {source.shown} is up to date.", err=True)
