"""The `braid spool` commands."""

from __future__ import annotations

import click

from braid.cli.lazy_group import LazyGroup

__all__ = ["command"]

COMMANDS = {
    "load": "Load the files of a spool folder into a store, or through a server.",
}


@click.command(cls=LazyGroup, package="braid.commands.spool", commands_help=COMMANDS)
def command() -> None:
    """Load what jobs recorded into files."""
