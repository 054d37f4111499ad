"""The reference pages of docs/reference, written from the code: `make docs`.

A test holds that the pages in the repository are what this module writes.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from braid.commands import command
from braid.diagnosis.machine import PACKAGES
from braid.python_reference import python_page
from provenance_store.settings import Setting

__all__ = ["cli_page", "settings_page", "write"]

CLI_HEAD = """\
# The command line

Written from the code by `make docs`. Exit codes: 0 done, 1 said no, 2 called wrong, 130 stopped
with Ctrl-C. Errors are one line on standard error; `BRAID_DEBUG=1` adds the Python trace.
`--format json` prints the documents of the query API.
"""

SETTINGS_HEAD = """\
# Settings

Written from the code by `make docs`. Every setting is an environment variable; an empty one
counts as unset. The `GLOBUS_SDK_*` variables of globus-sdk are honoured too.
"""


def write(folder: Path) -> list[Path]:
    """Write every page into the folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"cli.md": cli_page(), "settings.md": settings_page(), "python.md": python_page()}
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in pages]


def cli_page() -> str:
    """Every command with its help, as it prints at 80 columns."""
    return "\n".join([CLI_HEAD, *_sections(command, "braid", None)])


def settings_page() -> str:
    """Every declared setting with its default and help, a table a package."""
    return "\n".join([SETTINGS_HEAD, *(_settings_of(name) for name in PACKAGES)])


def _sections(found: click.Command, path: str, parent: click.Context | None) -> Iterator[str]:
    name = path.rsplit(" ", 1)[-1]
    context = click.Context(
        found, info_name=name, parent=parent, terminal_width=80, **found.context_settings
    )
    with context:
        yield f"## {path}\n\n```\n{found.get_help(context)}\n```\n"
    if isinstance(found, click.Group):
        for child in found.list_commands(context):
            inner = found.get_command(context, child)
            if inner is not None:
                yield from _sections(inner, f"{path} {child}", context)


def _settings_of(package: str) -> str:
    if importlib.util.find_spec(f"{package}.settings") is None:
        return ""
    settings: tuple[Setting[Any], ...] = importlib.import_module(f"{package}.settings").SETTINGS
    rows = [f"| `{s.name}` | {_default(s.default)} | {s.help} |" for s in settings]
    return "\n".join(
        [f"## {package}", "", "| name | default | meaning |", "|---|---|---|", *rows, ""]
    )


def _default(value: object) -> str:
    if isinstance(value, tuple):
        value = ",".join(value)
    return "" if value is None or value == "" else f"`{value}`"


if __name__ == "__main__":
    for page in write(Path(sys.argv[1])):
        click.echo(page)
