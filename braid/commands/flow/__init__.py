"""The `braid flow` commands."""

from __future__ import annotations

import click

from braid.tree import LazyGroup

__all__ = ["command"]

COMMANDS = {
    "validate": "List what is wrong with a definition; exit 1 if anything is.",
    "instrument": "Add provenance record states to a definition.",
    "strip": "Take the record states out again.",
    "run": "Run a definition in the local sandbox.",
    "harvest": "Record what the logs of runs tell, without touching the flow.",
    "watch": "Harvest runs again and again, until it is stopped.",
    "deploy": "Create or update the flow in Globus.",
}


@click.command(cls=LazyGroup, package="braid.commands.flow", commands_help=COMMANDS)
def command() -> None:
    """Validate, instrument, run, harvest or deploy flows."""
