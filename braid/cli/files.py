"""Files that commands read and write: in bounds, for pipes may never end; and flow definitions.

Pipes are read like files, since ``<(command)`` of a shell is one.
"""

from __future__ import annotations

import json
import os
import select
import stat
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from braid.cli.output import json_text, printable

__all__ = [
    "LARGEST_KEY",
    "JsonFile",
    "definition_argument",
    "offline_option",
    "problem_line",
    "read_definition",
    "read_given",
    "write_definition",
    "written",
]

MOST_BYTES = 256 << 20
LARGEST_KEY = 64 << 10
SILENT_SECONDS = 300.0
"""How long a pipe may send nothing; who writes into it may have to think first."""
PIECE = 1 << 20


def read_given(path: Path | str, *, most: int = MOST_BYTES) -> bytes:
    """All that a file, a pipe, or with ``-`` standard input holds.

    Raises BadFile for more than `most` bytes and for a pipe that falls silent, OSError as it comes.
    """
    from provenance_store.errors import BadFile

    data = sys.stdin.buffer.read(most + 1) if str(path) == "-" else _read(Path(path), most + 1)
    if len(data) > most:
        raise BadFile(f"it is larger than {_size(most)}, the most that is read.", path=str(path))
    return data


def _read(path: Path, most: int) -> bytes:
    # To open a named pipe would else wait for somebody who writes into it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(handle, "rb", buffering=0) as file:
        waits = stat.S_ISFIFO(os.fstat(handle).st_mode) or stat.S_ISCHR(os.fstat(handle).st_mode)
        data = bytearray()
        while len(data) < most:
            if waits:
                _wait(handle, path)
            piece = file.read(min(PIECE, most - len(data)))
            if piece is None:  # somebody else took it
                continue
            if not piece:
                break
            data += piece
    return bytes(data)


def _wait(handle: int, path: Path) -> None:
    from provenance_store.errors import BadFile

    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    if not waiting.poll(SILENT_SECONDS * 1000):
        raise BadFile(
            f"it sent nothing for {SILENT_SECONDS:g} seconds, and was given up.",
            path=str(path),
        )


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


if TYPE_CHECKING:
    from flows.definition.load import Document
    from flows.definition.problems import Problem

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
