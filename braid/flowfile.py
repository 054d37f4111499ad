"""Reading and writing the JSON files that the `braid flow` commands work on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["definition_argument", "json_file", "read_json", "write_json", "written"]

Command = TypeVar("Command", bound=Callable[..., None])

json_file = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
"""An option's type: a file that is there, or ``-`` for standard input."""

definition_argument = click.argument("flow", metavar="FLOW.json", type=json_file)
"""The flow definition; the command gets its path as ``flow``."""

written = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="-",
    help="Write to this file instead of standard output.",
)
"""Where a definition is written; the command gets its path as ``output``."""


def read_json(path: Path) -> Any:
    """The JSON value in a file, or on standard input for ``-``.

    Raises InvalidInput for what is not JSON, and for an object that has a key twice, of which JSON
    parsers silently drop the first.
    """
    from provenance_store.errors import InvalidInput

    text = sys.stdin.read() if str(path) == "-" else _text_of(path)
    try:
        return json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_refuse)
    except RecursionError:
        raise InvalidInput(f"{path} is nested too deeply.", path="$") from None
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}.", path="$") from None


def write_json(path: Path, document: Any) -> None:
    """Write a document, indented, keys in their own order, with a newline at the end."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if str(path) == "-":
        click.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8")


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the key {twice!r} twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
