"""Reading and writing the files that the `braid flow` commands work on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from braid.given import read_given
from braid.output import json_text, printable

if TYPE_CHECKING:
    from flows.definition.load import Document
    from flows.definition.problems import Problem

__all__ = [
    "JsonFile",
    "definition_argument",
    "offline_option",
    "problem_line",
    "read_definition",
    "write_definition",
    "written",
]

Command = TypeVar("Command", bound=Callable[..., None])

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)

definition_argument = click.argument("flow", metavar="FLOW.json", type=_FILE)
"""The flow definition, ``-`` for standard input; the command gets its path as ``flow``."""

written = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="-",
    help="Write to this file instead of standard output.",
)
"""Where a definition is written; the command gets its path as ``output``."""


offline_option = click.option(
    "--offline",
    is_flag=True,
    help="Do not ask the action provider whether it is one.",
)
"""Whether the provider is left unasked; the command gets it as ``offline``."""


class JsonFile(click.ParamType[Any]):
    """A file that holds a JSON object, ``-`` for standard input; the command gets the object."""

    name = "FILE.json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, dict):
            return value
        path = _FILE.convert(value, param, ctx)
        if not isinstance(path, Path):
            self.fail(f"{value!r} is not a file.", param, ctx)
        return _object(path)


def read_definition(path: Path) -> Document:
    """The definition in a file, or on standard input for ``-``, and its input schema if the file
    holds both. Raises InvalidInput for what is not strictly JSON."""
    from flows.definition.load import load_document, parse_document

    if str(path) == "-":
        return parse_document(read_given(path), name="standard input")
    return load_document(path)


def problem_line(problem: Problem) -> str:
    """What is wrong with a definition, where, and what to do."""
    severity = problem.severity.value
    return f"{severity}: {problem.path}: {problem.message}; {problem.advice}"


def write_definition(path: Path, definition: dict[str, Any], like: Document) -> None:
    """Write a definition, indented, keys in their own order.

    One that was read from a flow's document is written in that document again.
    """
    document = definition if like.whole is None else {**like.whole, "definition": definition}
    text = json_text(document) + "\n"
    if str(path) == "-":
        click.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8")
        click.echo(printable(f"Wrote {path}."), err=True)


def _object(path: Path) -> dict[str, Any]:
    from provenance_store.errors import InvalidInput

    try:
        found = json.loads(
            read_given(path).decode("utf-8-sig"),
            object_pairs_hook=_without_repetition,
            parse_constant=_refuse,
        )
    except RecursionError:
        raise InvalidInput("is nested too deeply.", path=f"{path}: $") from None
    except ValueError as error:
        raise InvalidInput(f"is not JSON: {error}.", path=f"{path}: $") from None
    if not isinstance(found, dict):
        raise InvalidInput("the file does not hold an object.", path=f"{path}: $")
    return found


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON parsers keep the last of two equal keys, which is not what the author meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r} is given twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
