"""The `braid flow` commands."""

from __future__ import annotations

import click

from braid.cli.lazy_group import LazyGroup

__all__ = ["command"]

COMMANDS = {
    "validate": "List what is wrong with a definition; exit 1 if anything is.",
    "instrument": "Add provenance record states to a definition.",
    "strip": "Remove the record states again.",
    "run": "Run a definition in the local sandbox.",
    "harvest": "Record runs from their logs, without changing the flow.",
    "watch": "Harvest runs repeatedly, until stopped.",
    "deploy": "Create or update the flow in Globus.",
}


@click.command(cls=LazyGroup, package="braid.commands.flow", commands_help=COMMANDS)
def command() -> None:
    """Validate, instrument, run, harvest or deploy flows."""
