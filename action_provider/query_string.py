"""Reads the query parameters of a request into the struct that declares them."""

from __future__ import annotations

from typing import Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from werkzeug.datastructures import MultiDict

from action_provider.request_body import invalid
from provenance_store.errors import InvalidInput

__all__ = ["read_parameters"]

T = TypeVar("T", bound=msgspec.Struct)


def read_parameters(given: MultiDict[str, str], kind: type[T]) -> T:
    """The parameters of a request; raises InvalidInput for any that is unknown or does not fit."""
    values: dict[str, object] = {}
    repeatable = _lists(kind)
    choices = _choices(kind)
    for name in given:
        every = given.getlist(name)
        if any("\x00" in value for value in every):
            raise InvalidInput("It must not hold the NUL character.", path=name)
        if name in choices:
            every = [_chosen(value, choices[name], name) for value in every]
        if name in repeatable:
            values[name] = every
        elif len(every) == 1:
            values[name] = every[0]
        else:
            raise InvalidInput("It may be given only once.", path=name)
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, kind) from None


def _choices(kind: type[msgspec.Struct]) -> dict[str, tuple[str, ...]]:
    """The words that parameters with a few of them take."""
    return {name: words for name, hint in get_type_hints(kind).items() if (words := _words(hint))}


def _words(hint: object) -> tuple[str, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next((words for part in get_args(hint) if (words := _words(part))), ())


def _chosen(value: str, words: tuple[str, ...], name: str) -> str:
    """The word that is meant, in whatever case it is written."""
    for word in words:
        if word.casefold() == value.casefold():
            return word
    raise InvalidInput(f"It must be one of {', '.join(words)}; got {value!r:.80}.", path=name)


def _lists(kind: type[msgspec.Struct]) -> frozenset[str]:
    hints = get_type_hints(kind)
    return frozenset(
        name
        for name, hint in hints.items()
        if any(get_origin(part) is tuple for part in (hint, *get_args(hint)))
    )
