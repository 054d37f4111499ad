"""What is wrong with a body, where, and what to do: said in one sentence each."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from provenance_store.errors import InvalidInput

__all__ = ["BodyRefused", "joined", "refusal", "within"]

_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"Object missing required field `(.+)`"), "The field {0} is missing; give it."),
    (re.compile(r"Expected `str` of length >= 1"), "This must not be empty."),
    (re.compile(r"Expected `str` of length <= (\d+)"), "This has more than {0} characters."),
    (re.compile(r"Expected `array` of length <= (\d+)"), "This list has more than {0} entries."),
    (re.compile(r"Expected `int` >= (\d+)"), "This must be {0} or more."),
    (re.compile(r"Expected `int` <= (\d+)"), "This must be {0} or less."),
    (re.compile(r"Expected `str` matching regex .*"), "Write it as sha256:<hexadecimal digits>."),
)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_TYPES = re.compile(r"Expected `(.+)`, got `(.+)`")


class BodyRefused(ValueError):
    """A value of the body is not valid; `path` is relative to where reading began."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def joined(outer: str, inner: str) -> str:
    """A path inside a path: ``inputs[2]`` and ``uris[0]`` give ``inputs[2].uris[0]``."""
    if not outer or not inner or inner.startswith("["):
        return outer + inner
    return f"{outer}.{inner}"


def within(error: InvalidInput, path: str) -> InvalidInput:
    """The same refusal, said of a place in the body."""
    message = error.message
    if error.path:
        message = message.removeprefix(f"{error.path}: ")
    return type(error)(message, path=path)


def refusal(
    error: msgspec.ValidationError, structs: Mapping[str, type[msgspec.Struct]]
) -> BodyRefused:
    """What a decoder refused, with the place as a path and a sentence that says what to do.

    `structs` names the struct read under each field, the outermost under "".
    """
    what, where = _what_and_where(str(error))
    path = where.removeprefix("key in ").removeprefix("$").lstrip(".").replace("[...]", "")
    cause = error.__cause__
    if isinstance(cause, BodyRefused):
        return BodyRefused(cause.message, joined(path, cause.path))
    field = re.sub(r"\[\d+\]", "", path).rpartition(".")[2]
    return BodyRefused(_sentence(what, structs.get(field)), path)


def _what_and_where(text: str) -> tuple[str, str]:
    """The two halves of a decoder's message. The first may repeat anything that was sent."""
    what, at, where = text.rpartition(" - at `")
    if at and where.endswith("`") and where.startswith(("$", "key in $")):
        return what, where[:-1]
    return text, "$"


def _sentence(what: str, struct: type[msgspec.Struct] | None) -> str:
    if match := _UNKNOWN.fullmatch(what):
        known = ", ".join(struct.__struct_encode_fields__) if struct else ""
        end = f"; the fields here are {known}." if known else "."
        return f"There is no field {match[1][:80]!r}{end}"
    for pattern, sentence in _SENTENCES:
        if match := pattern.fullmatch(what):
            return sentence.format(*match.groups())
    if match := _TYPES.fullmatch(what):
        wanted = " or ".join(_WORDS.get(word, word) for word in match[1].split(" | "))
        return f"This must be {wanted}, not {_WORDS.get(match[2], match[2])}."
    return what.rstrip(".") + "."
