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
        text = str(value)
        try:
            if text == "@-":
                text = sys.stdin.read()
            elif text.startswith("@"):
                text = Path(text[1:]).read_text(encoding="utf-8")
            return json.loads(text, parse_constant=_refuse)
        except OSError as error:
            self.fail(f"{text[1:]}: {error.strerror}.", param, ctx)
        except (ValueError, RecursionError) as error:
            self.fail(f"{str(value)[:40]!r} does not hold JSON: {error}.", param, ctx)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
