"""The `braid statement` commands."""

from __future__ import annotations

import click

from braid.cli.lazy_group import LazyGroup

__all__ = ["command"]

COMMANDS = {
    "make": "State how a result came to be; what `braid statement ID` does.",
    "sign": "Sign a statement that was written as JSON.",
    "verify": "Check a statement; exit 1 when it does not hold.",
}


@click.command(
    cls=LazyGroup,
    package="braid.commands.statement",
    commands_help=COMMANDS,
    default="make",
    subcommand_metavar="ID | COMMAND [ARGS]...",
)
def command() -> None:
    """Make, sign or verify a statement on how a result came to be.

    `braid statement ID` is short for `braid statement make ID`.
    """
