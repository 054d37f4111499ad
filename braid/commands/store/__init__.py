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
    """Create, upgrade, describe, back up, restore, reduce, check or repair a store.

    A store is where records are kept: a SQLite file, which needs no server, or a database of
    PostgreSQL for many writers. What records first makes one, so most people need no command here
    before their first backup. --store names it by the path of its file or by a URL; else
    BRAID_STORE_URL does, else it is braid.db in this folder.

    \b
    braid store info                                what is in it
    braid store check                               is anything damaged?
    braid store backup /backup/braid-$(date +%F).db while a server records
    braid store restore /backup/braid-2026-11-30.db put that back
    braid store init --store team.db                an empty one
    braid store upgrade --dry-run                   after a new version of Braid
    braid store repair --yes                        badly kept values
    braid store reduce --older-than 365d --dry-run  make it smaller
    """
