"""Values as people type them on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

__all__ = ["JsonText", "Pair"]


class Pair(click.ParamType[tuple[str, Any]]):
    """``NAME=VALUE``: a number, true or false is taken as such, anything else as text.

    A value in double quotes is text whatever it looks like.
    """

    name = "NAME=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        name, equals, text = str(value).partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not NAME=VALUE.", param, ctx)
        try:
            found = json.loads(text, parse_constant=_refuse)
        except ValueError:
            return name, text
        return name, found if isinstance(found, str | int | float | bool) else text


class JsonText(click.ParamType[Any]):
    """JSON as it is, or ``@FILE`` that holds it (``@-``: standard input)."""

    name = "JSON|@FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        given = str(value)
        try:
            return json.loads(_text(given), parse_constant=_refuse)
        except OSError as error:
            self.fail(f"{given[1:]}: {error.strerror}.", param, ctx)
        except (ValueError, RecursionError) as error:
            if given.startswith("@"):
                from provenance_store.errors import BadFile

                raise BadFile(f"it does not hold JSON: {error}.", path=given[1:]) from None
            self.fail(f"{given[:40]!r} does not hold JSON: {error}.", param, ctx)


def _text(given: str) -> str:
    if given == "@-":
        return sys.stdin.read()
    return Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
