"""The `braid store` commands."""

from __future__ import annotations

import click

from braid.cli.lazy_group import LazyGroup

__all__ = ["command"]

COMMANDS = {
    "init": "Create a store; do nothing if it exists.",
    "upgrade": "Bring a store to the schema of this version.",
    "info": "Describe a store: schema, size, counts by table and kind.",
    "backup": "Write all of a store into a file, while a server records.",
    "restore": "Put a backup in the place of the store.",
    "reduce": "Drop tags, metrics and documents of old records.",
    "check": "Verify a store; exit 1 if something is wrong.",
    "repair": "Repair values that earlier versions stored in an unreadable form.",
}


@click.command(cls=LazyGroup, package="braid.commands.store", commands_help=COMMANDS)
def command() -> None:
    """Create, upgrade, describe, back up, restore, reduce, check or repair a store."""
