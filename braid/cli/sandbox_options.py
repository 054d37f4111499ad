"""What a flow finds in the sandbox: folders, functions and answers, as command lines name them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from braid.cli.files import JsonFile, read_given
from provenance_store.errors import InvalidInput

if TYPE_CHECKING:
    from flows.sandbox import Sandbox

__all__ = ["GivenFunction", "answer_option", "collection_option", "function_option", "furnish"]

_NAMED = re.compile(r"(?P<file>.+\.py)(?::(?P<name>[A-Za-z_]\w*))?")


class GivenFunction(NamedTuple):
    """A function: source text, in which it is the last or has that name, or ``module:function``."""

    text: str
    name: str | None = None


class FunctionText(click.ParamType[GivenFunction]):
    """A Python file, with the name of a function in it if need be, or ``module:function``."""

    name = "FILE.py[:NAME]|MODULE:NAME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> GivenFunction:
        named = _NAMED.fullmatch(str(value))
        if named is None:
            return GivenFunction(str(value))
        try:
            return GivenFunction(read_given(Path(named["file"])).decode(), named["name"])
        except OSError as error:
            self.fail(f"{named['file']}: {error.strerror}.", param, ctx)
        except UnicodeDecodeError:
            self.fail(f"{named['file']} is not text in UTF-8.", param, ctx)


collection_option = click.option(
    "--collection",
    "collections",
    multiple=True,
    type=(str, click.Path(exists=True, file_okay=False, path_type=Path)),
    metavar="ID FOLDER",
    help="Let Transfer use a folder as the collection with this id. May be repeated.",
)
function_option = click.option(
    "--function",
    "functions",
    multiple=True,
    type=(str, FunctionText()),
    metavar="ID FILE.py[:NAME]|MODULE:NAME",
    help="Let Compute call a Python function by this id: the one of that name in a file, or the "
    "last of it. May be repeated.",
)
answer_option = click.option(
    "--answer",
    "answers",
    multiple=True,
    type=(str, JsonFile()),
    metavar="URL FILE.json",
    help="Answer actions at addresses that begin so with these details; with the members status, "
    '"FAILED", and details the action fails. May be repeated.',
)


def furnish(
    sandbox: Sandbox,
    collections: Sequence[tuple[str, Path]],
    functions: Sequence[tuple[str, GivenFunction]],
    answers: Sequence[tuple[str, Mapping[str, Any]]],
) -> None:
    """Put it there; raises InvalidInput for a function that is none."""
    for collection_id, folder in collections:
        sandbox.collection(collection_id, folder, collection_id=collection_id)
    for function_id, given in functions:
        try:
            sandbox.register_function(given.text, function_id=function_id, name=given.name)
        except (ValueError, SyntaxError) as error:
            raise InvalidInput(f"The function {function_id}: {error}") from None
    for url, details in answers:
        sandbox.answer_with(url, details)
