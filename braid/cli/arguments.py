"""Values as people type them on the command line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from braid.cli.files import read_given
from provenance_store.display import counted

__all__ = ["JsonText", "NumberPair", "Pair", "Reference", "typed"]

LARGEST = (1 << 63) - 1
"""Of integers that a store keeps."""
LONGEST_NUMBER = 64
"""No number that is written canonically has more characters; longer text is not even tried."""
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


def typed(text: str) -> str | int | float | bool:
    """The value that a text stands for where nobody says of what type it is.

    A number only in its canonical spelling, so that nothing is lost: an integer of at most 64 bits
    without leading zeros, or a float as Python writes it. So ``1.10``, ``007`` and ``7e10`` stay
    text. ``true`` and ``false`` are booleans, and text in double quotes is text.
    """
    if text in ("true", "false"):
        return text == "true"
    if len(text) <= LONGEST_NUMBER:
        if _INTEGER.fullmatch(text):
            number = int(text)
            return number if str(number) == text and abs(number) <= LARGEST else text
        if _DECIMAL.fullmatch(text) and repr(float(text)) == text:
            return float(text)
    return _unquoted(text)


def _unquoted(text: str) -> str:
    if not (text.startswith('"') and text.endswith('"')):
        return text
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, str) else text


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER or not _INTEGER.fullmatch(text):
        raise ValueError("a whole number")
    if abs(number := int(text)) > LARGEST:
        raise ValueError("a whole number of at most 64 bits")
    return number


def _float(text: str) -> float:
    plain = text.lower().lstrip("+-")
    if plain not in ("nan", "inf", "infinity") and not _DECIMAL.fullmatch(text):
        raise ValueError("a number such as 0.5, 1e-5, nan or inf")
    number = float(text)
    if math.isinf(number) and not plain.startswith("inf"):
        raise ValueError("a number below 1.8e308")
    return number


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


TYPES: Mapping[str, Callable[[str], str | int | float | bool]] = {
    "str": str,
    "int": _integer,
    "float": _float,
    "bool": _boolean,
}
"""What ``NAME:TYPE=VALUE`` may say; each raises ValueError with what it takes."""


class Reference(click.ParamType[str]):
    """What names a record: an id, a URI, a path, a name, ``NAME@v3`` or ``NAME@ALIAS``."""

    name = "ID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from provenance_store.references import local

        return local(str(value))


class Pair(click.ParamType[tuple[str, Any]]):
    """``NAME=VALUE``, typed as `typed` has it, or ``NAME:TYPE=VALUE``: str, int, float or bool.

    Text that looks like a decimal number is pointed out, for it will not be found as one.
    """

    name = "NAME[:TYPE]=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        given = str(value)
        name, kind, text = _split(given)
        if not name or text is None:
            self.fail(f"{_named(given)} is not NAME=VALUE.", param, ctx)
        if kind is None:
            self._point_out(name, text)
            return name, typed(text)
        try:
            return name, TYPES[kind](text)
        except ValueError as error:
            self.fail(f"{name}:{kind} takes {error}, and its value is not one.", param, ctx)

    def _point_out(self, name: str, text: str) -> None:
        from braid.cli.output import say

        short = len(text) <= LONGEST_NUMBER
        if not short or not _DECIMAL.fullmatch(text) or _INTEGER.fullmatch(text):
            return
        if isinstance(typed(text), str) and math.isfinite(float(text)):
            say(
                f"{name}={text} is kept as text; write {name}:float={text} for a number, or "
                f"{name}:str={text} to keep it as text without this note."
            )


class NumberPair(click.ParamType[tuple[str, float]]):
    """``NAME=NUMBER``: a number in any spelling, ``nan`` and ``inf`` too."""

    name = "NAME=NUMBER"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        given = str(value)
        name, kind, text = _split(given)
        if not name or text is None:
            self.fail(f"{_named(given)} is not NAME=NUMBER.", param, ctx)
        if kind in ("str", "bool"):
            self.fail(f"{name}:{kind} is not possible: the value must be a number.", param, ctx)
        try:
            return name, _integer(text) if kind == "int" else _float(text)
        except ValueError as error:
            self.fail(f"{name} takes {error}, and its value is not one.", param, ctx)


def _split(given: str) -> tuple[str, str | None, str | None]:
    """Name, type if it says one, and value if there is one. Other colons belong to the name."""
    name, equals, text = given.partition("=")
    before, colon, kind = name.rpartition(":")
    if colon and kind in TYPES:
        return before, kind, text if equals else None
    return name, None, text if equals else None


def _named(given: str) -> str:
    """What is known of a value that is not as it should be: never the value, which may be a
    secret that was to be kept elsewhere."""
    name, equals, _ = given.partition("=")
    return (
        f"{name + equals!r}..."
        if equals
        else f"A value of {counted(len(given), 'character')} without '='"
    )


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

                raise BadFile(f"it is not JSON: {error}.", path=given[1:]) from None
            self.fail(f"The value is not JSON: {error}.", param, ctx)


def _text(given: str) -> str:
    return read_given(given[1:]).decode() if given.startswith("@") else given


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
