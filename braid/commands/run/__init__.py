"""The `braid run` commands."""

from __future__ import annotations

import click

from braid.cli.lazy_group import LazyGroup

__all__ = ["command"]

COMMANDS = {
    "show": "Show a run and its steps in order.",
}


@click.command(cls=LazyGroup, package="braid.commands.run", commands_help=COMMANDS)
def command() -> None:
    """Show one flow run."""
