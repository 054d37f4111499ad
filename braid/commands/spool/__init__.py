"""The `braid spool` commands."""

from __future__ import annotations

import click

from braid.tree import LazyGroup

__all__ = ["command"]

COMMANDS = {
    "load": "Bring what a spool folder holds into a store, or to a server.",
}


@click.command(cls=LazyGroup, package="braid.commands.spool", commands_help=COMMANDS)
def command() -> None:
    """Bring in what jobs recorded into files."""
