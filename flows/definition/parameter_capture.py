"""A step's input, rewritten so that the record state sends the same values afterwards; never its
secrets.

A record state evaluates its Parameters *after* the step ran. What the step, or its Catch, wrote
over has to be read before it: each such reference gets a name in a `Capture`, which becomes an
ExpressionEval state in front of the step, and the record state reads the captured value. Captures
are ``getattr('a.b', None)`` expressions only. They can be evaluated in every state of the run, so
capturing never fails where the step would not have failed.

Never copied is what the author declared (``__Private_Parameters``), what the service hides by name
(state keys that begin with ``_private``), and names or values that look like secrets. The provider
redacts by the same rules; here they do not even leave the flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.definition.expressions import ExpressionSyntaxError, Reference, parse_expression
from flows.definition.paths import PathSyntaxError, Segment, overlaps, parse_path, simple_prefix
from provenance_store.redaction import REDACTED, is_secret_key, redact

__all__ = [
    "NOT_RECORDED",
    "PRIVATE_PARAMETERS",
    "Capture",
    "ParameterCapture",
    "any_secret",
    "declared_private",
    "holds_object",
    "never_failing",
    "plain_key",
    "reading",
    "without_secrets",
]

PRIVATE_PARAMETERS = "__Private_Parameters"
_SUFFIXES = (".$", ".=")


def plain_key(key: str) -> str:
    """A parameter's name without its ``.$`` or ``.=``."""
    return key[:-2] if key.endswith(_SUFFIXES) else key


def declared_private(parameters: Mapping[str, Any]) -> frozenset[str]:
    """The plain names that ``__Private_Parameters`` lists on this level."""
    listed = parameters.get(PRIVATE_PARAMETERS)
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(plain_key(name) for name in listed if isinstance(name, str))


def any_secret(names: Iterable[object]) -> bool:
    """Whether any of the segments of a path is secret by name."""
    return any(isinstance(name, str) and is_secret_key(name) for name in names)


def holds_object(value: object) -> bool:
    """Whether there is an object in a list, at any depth; such a list is copied item by item."""
    return isinstance(value, dict) or (isinstance(value, list) and any(map(holds_object, value)))


def without_secrets(name: str, value: Any) -> Any:
    """A constant without the secrets in it: a text, or a list such as a command line. The value
    itself when it holds none."""
    (clean,) = redact({name: value}).values()
    return value if clean == value else clean


NOT_RECORDED = "[not recorded]"
"""Stands in a record for a value that could not be read any more; see also `REDACTED`."""


@dataclass
class Capture:
    """What to keep aside before a step, under one place in the state."""

    place: str
    """Where: ``$._braid.<slug>``."""
    values: dict[str, str] = field(default_factory=dict)
    """Expression to be evaluated before the step -> name of the captured value."""

    def reading(self, expression: str) -> str:
        """The path at which the value of an expression can be read after the step."""
        name = self.values.setdefault(expression, f"v{len(self.values)}")
        return f"{self.place}.{name}"

    def parameters(self) -> dict[str, str]:
        """The Parameters of the capturing ExpressionEval state."""
        return {f"{name}.=": expression for expression, name in self.values.items()}


class _NotCopied(Exception):
    """This value is left out, for the reason given."""

    instead = NOT_RECORDED


class _Private(_NotCopied):
    """It is private."""

    instead = REDACTED

    def __init__(self) -> None:
        super().__init__("it is private")


@dataclass
class ParameterCapture:
    """Copies the Parameters of one step; afterwards ``capture`` and ``left_out`` tell the rest."""

    overwritten: tuple[tuple[Segment, ...], ...]
    """The places written between the step and its record: its ResultPath, its Catches'."""
    capture: Capture
    left_out: dict[str, str] = field(default_factory=dict)
    """Place in the Parameters -> why its value is not in the record."""

    def parameters(self, parameters: dict[str, Any], path: str = "$.Parameters") -> dict[str, Any]:
        """The copy, with a word in the place of what is private or lost."""
        private = declared_private(parameters)
        copy: dict[str, Any] = {}
        for key, value in parameters.items():
            if key == PRIVATE_PARAMETERS:
                continue
            name = plain_key(key)
            try:
                if name in private or is_secret_key(name):
                    raise _Private
                new_key, new_value = self._entry(key, value, f"{path}.{name}")
            except _NotCopied as reason:
                self.left_out[f"{path}.{name}"] = str(reason)
                new_key, new_value = name, reason.instead
            copy[new_key] = new_value
        return copy

    def input_path(self, text: str) -> dict[str, Any]:
        """The entry that stands for a whole input given by InputPath."""
        try:
            return {"parameters.$": self._path(text)}
        except _NotCopied as reason:
            self.left_out["$.InputPath"] = str(reason)
            return {"parameters": reason.instead}

    def _entry(self, key: str, value: Any, path: str) -> tuple[str, Any]:
        if key.endswith(".$"):
            return key, self._path(value)
        if key.endswith(".="):
            return key, self._expression(value)
        return key, self._constant(key, value, path)

    def _constant(self, name: str, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return self.parameters(value, path)
        if isinstance(value, list) and holds_object(value):
            places = ((item, f"{path}[{number}]") for number, item in enumerate(value))
            return [self._constant("", item, place) for item, place in places]
        clean = without_secrets(name, value)
        if clean is not value:
            self.left_out[path] = "it looks like a credential"
        return clean

    def _path(self, text: str) -> str:
        try:
            path = parse_path(text)
        except PathSyntaxError as error:
            raise _NotCopied(f"its path {error}") from None
        if any_secret(path.segments):
            raise _Private
        if not self._is_overwritten(path.segments):
            return text
        prefix, used = simple_prefix(path.segments)
        if not prefix:
            raise _NotCopied("the step overwrites it and an expression cannot name it")
        return self.capture.reading(reading(prefix)) + text[path.ends[used - 1] :]

    def _expression(self, text: str) -> str:
        try:
            expression = parse_expression(text)
        except ExpressionSyntaxError as error:
            raise _NotCopied(str(error)) from None
        if any(any_secret(reference.segments) for reference in expression.references):
            raise _Private
        if expression.opaque and self.overwritten:
            raise _NotCopied("it computes the names that it reads")
        return expression.rewritten(lambda reference: self._replacement(text, reference))

    def _replacement(self, text: str, reference: Reference) -> str | None:
        """What an expression reads instead of a reference; None to leave it as it is."""
        if not self._is_overwritten(reference.segments):
            return None
        prefix, used = simple_prefix(reference.segments)
        if reference.call:
            if not reference.total:
                raise _NotCopied("the step overwrites it and its default is computed")
            return f"`{self.capture.reading(text[reference.start : reference.end])}`"
        if not prefix or (reference.path is None and used < len(reference.segments)):
            raise _NotCopied("the step overwrites it and an expression cannot name it")
        rest = reference.path.text[reference.path.ends[used - 1] :] if reference.path else ""
        return f"`{self.capture.reading(reading(prefix))}{rest}`"

    def _is_overwritten(self, segments: tuple[Segment, ...]) -> bool:
        if segments[:1] == ("_context",):
            return False
        return any(overlaps(segments, place) for place in self.overwritten)


def reading(dotted: str) -> str:
    """The expression that reads a place, and is None where there is nothing."""
    return f"getattr('{dotted}',None)"


def never_failing(value: Any, error: str) -> Any:
    """A copy of Parameters that can be evaluated where the step's own could not be.

    `error` names the place of the error that a failed step left. What an expression can name is
    read without ever failing; all else only if the step was called, as the names of its errors
    say: ``Action...``. Values are those of the step in every other case.
    """
    if isinstance(value, list):
        return [never_failing(item, error) for item in value]
    if not isinstance(value, dict):
        return value
    return dict(_safe(key, item, error) for key, item in value.items())


def _safe(key: str, value: Any, error: str) -> tuple[str, Any]:
    if key.endswith(".$") and isinstance(value, str):
        segments = parse_path(value).segments
        name, used = simple_prefix(segments)
        if segments[:1] == ("_context",):
            return key, value
        text = reading(name) if used == len(segments) > 0 else f"`{value}`"
    elif key.endswith(".=") and isinstance(value, str):
        text = value
    else:
        return key, never_failing(value, error)
    references = parse_expression(text).references
    is_whole = len(references) == 1 and references[0].end - references[0].start == len(text)
    if not (is_whole and references[0].total):
        text = f"({text}) if 'Action' in getattr('{error}.Error','Action') else None"
    return f"{key[:-2]}.=", text
