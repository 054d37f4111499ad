"""Command groups whose commands are imported when they are called, and not before."""

from __future__ import annotations

import difflib
import importlib
import keyword
from collections.abc import Mapping
from typing import Any

import click

__all__ = ["LazyGroup", "module_name"]


def module_name(name: str) -> str:
    """The name of the module that holds a command: `read-only` is in `read_only`, `import` in
    `import_`."""
    return name + "_" if keyword.iskeyword(name) else name.replace("-", "_")


class LazyGroup(click.Group):
    """A group that knows its commands by name and one line of help each.

    ``package`` is the package that holds a module for every name in ``commands``; the module
    calls its click command ``command``. Listing and completing names imports none of them.
    ``default`` is the command that is meant where none is named: ``braid statement 3.17``.
    """

    def __init__(
        self,
        *args: Any,
        package: str,
        commands_help: Mapping[str, str],
        default: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.package = package
        self.commands_help = commands_help
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with the default command put in where none is named."""
        if self.default and args and not self._is_own(ctx, args[0]):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def _is_own(self, ctx: click.Context, word: str) -> bool:
        """Whether a first word is for the group: a command, one misspelt, or a call for help."""
        near = difflib.get_close_matches(word, self.commands_help, n=1)
        return bool(near) or word in self.get_help_option_names(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table, which is the order of the help."""
        return list(self.commands_help)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, imported now; where there is none of that name the default, or
        None."""
        if cmd_name not in self.commands_help:
            if self.default is None:
                return None
            cmd_name = self.default
        module = importlib.import_module(f"{self.package}.{module_name(cmd_name)}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a name that is nearly right."""
        near = difflib.get_close_matches(args[0], self.commands_help, n=1)
        if args[0] in self.commands_help or not near or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        raise click.UsageError(f"No such command {args[0]!r}; did you mean {near[0]!r}?", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands, from the table and not from the modules."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.commands_help.items()))
