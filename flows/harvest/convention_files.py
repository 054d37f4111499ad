"""Which models and files a flow's own documents speak of: a small TOML file says it, per state or
function.

::

    [[model]]
    state = "Train*"                                  # or function = "<id>", or both
    how = "trained"                                   # used (the default), updated, deployed
    name = "braggnn-{$.arguments.sample}"
    uri = {collection = "<id>", path = "$.returned.weights"}
    hyperparameters = "$.arguments"
    metrics.loss = "$.returned.losses"
    scores.mae = "$.returned.mae"

    [[file]]
    state = "Label"
    how = "made"                                      # or used
    uri = {collection = "<id>", path = "$.returned.peaks"}

A text that begins with ``$.`` is a path into the step, ``{$.path}`` stands for a value inside a
text (`flows.harvest.template` lists what paths begin with), any other value is meant as it stands.
What a path does not find is left out; a rule whose name is not found says nothing of that step.
"""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from flows.harvest.convention_rules import PLACES, FileRule, PlaceRule, Rule, check
from flows.harvest.documents import document_of, things_of, views_of
from flows.harvest.template import functions_called
from flows.steps.adapters.base import Thing, ToldFiles
from flows.steps.body import Body, ModelEntry, parse_body
from flows.steps.validation_errors import refusal
from provenance_store.errors import InvalidInput

__all__ = ["Conventions", "Rule", "files_told_by", "read_conventions"]

MAX_BYTES = 200_000
_DEFAULTS = {"how": "used", "kind": "data"}
_MANY_PARTS = re.compile(r"(?:[^\s.=]{1,80}[ \t]*\.[ \t]*){100}")
"""A dotted name of so many parts has no place here, and would be read for hours."""
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*(model|file)[ \t]*\]\]", re.MULTILINE)


class _File(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    model: list[Rule] = []
    file: list[FileRule] = []


_STRUCTS: dict[str, type[msgspec.Struct]] = {
    "": _File,
    "model": Rule,
    "file": FileRule,
    **dict.fromkeys(PLACES, PlaceRule),
}


@dataclass(frozen=True, slots=True)
class Conventions:
    """The rules of one file, in its order."""

    rules: tuple[Rule, ...] = ()
    files: tuple[FileRule, ...] = ()

    def models_of(self, body: Body) -> tuple[list[ModelEntry], list[str]]:
        """The models of one step, and a sentence for each value that cannot be what it should."""
        found: list[ModelEntry] = []
        notes: list[str] = []
        functions = functions_called(body)
        for rule in self.rules:
            if not rule.fits(body.step.name, functions):
                continue
            for view in views_of(rule, body, notes):
                if (document := document_of(rule, view, notes)) is None:
                    continue
                try:
                    found.append(_entry(document, body))
                except InvalidInput as error:
                    message = error.message.removeprefix("models[0].")
                    notes.append(f"model {document['name']!r:.80}: {message}")
        return found, notes

    def strangers(self, names: Collection[str]) -> list[str]:
        """The states that rules speak of, as they are written, of which none has such a name."""
        patterns = dict.fromkeys(p for rule in (*self.rules, *self.files) for p in rule.states)
        return [pattern for pattern in patterns if not fnmatch.filter(names, pattern)]

    def files_of(self, body: Body) -> tuple[list[Thing], list[Thing], list[str]]:
        """The files that one step used and those that it made, each at one place; and a sentence
        for each value that cannot be a place."""
        found: dict[str, list[Thing]] = {"used": [], "made": []}
        notes: list[str] = []
        functions = functions_called(body) if self.files else []
        for rule in self.files:
            if rule.fits(body.step.name, functions):
                for view in views_of(rule, body, notes):
                    found[rule.how] += things_of(rule, view, notes)
        return found["used"], found["made"], notes

    def file_rules_for(self, state: str) -> list[dict[str, Any]]:
        """The rules about files that may fit a state, as the body of a record state takes them."""
        return [
            {
                name: value
                for name, value in msgspec.to_builtins(rule).items()
                if value is not None and value != _DEFAULTS.get(name)
            }
            for rule in self.files
            if rule.names(state)
        ]


def files_told_by(body: Body) -> ToldFiles:
    """The files that the rules in a body tell of. Raises InvalidInput for what is no rule."""
    rules = []
    for number, given in enumerate(body.files or ()):
        path = f"files[{number}]"
        try:
            rule = msgspec.convert(given, FileRule)
        except msgspec.ValidationError as error:
            refused = refusal(error, {"": FileRule, **dict.fromkeys(PLACES, PlaceRule)})
            raise InvalidInput(refused.message, path=f"{path}.{refused.path}".rstrip(".")) from None
        check(rule, lambda path=path: path)  # type: ignore[misc]
        rules.append(rule)
    used, made, _ = Conventions(files=tuple(rules)).files_of(body)
    return ToldFiles(tuple(used), tuple(made))


def _entry(document: Mapping[str, Any], body: Body) -> ModelEntry:
    """The entry of a model, checked as if a record state had sent it."""
    said = {"run": {"run_id": body.run.run_id}, "step": {"name": "-"}, "models": [document]}
    try:
        read = parse_body(json.dumps(said))
    except (ValueError, TypeError, RecursionError):
        raise InvalidInput("its values are not JSON.", path="models[0]") from None
    assert read.models is not None
    return read.models[0]


# ---- the file ----------------------------------------------------------------------------


def read_conventions(path: Path) -> Conventions:
    """The rules in a file. Raises InvalidInput naming the file and the place in it."""
    text = _text(path)
    document = _document(path, text)
    try:
        file = msgspec.convert(document, _File)
    except RecursionError:
        raise InvalidInput("is nested too deeply.", path=f"{path}: $") from None
    except msgspec.ValidationError as error:
        refused = refusal(error, _STRUCTS)
        raise InvalidInput(refused.message, path=_at(path, text, refused.path)) from None
    if not file.model and not file.file:
        message = "has no rules: begin each with a line [[model]] or [[file]]."
        raise InvalidInput(message, path=f"{path}: $")
    for number, rule in enumerate(file.model):
        check(rule, partial(_at, path, text, f"model[{number}]"))
    for number, file_rule in enumerate(file.file):
        check(file_rule, partial(_at, path, text, f"file[{number}]"))
    return Conventions(tuple(file.model), tuple(file.file))


def _document(path: Path, text: str) -> dict[str, Any]:
    if _MANY_PARTS.search(text):
        raise InvalidInput("holds a dotted name of more than a hundred parts.", path=f"{path}: $")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError also for a number that is too long
        raise InvalidInput(f"is not TOML: {error}.", path=f"{path}: $") from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{error.strerror}; name a TOML file.", path=str(path)) from None
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"has more than {MAX_BYTES} bytes.", path=f"{path}: $")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("is not UTF-8.", path=f"{path}: $") from None


def _at(path: Path, text: str, place: str) -> str:
    """A place in the file, with the line on which its rule begins where that can be told."""
    rule = re.match(r"(model|file)\[(\d+)\]", place)
    headers = [h for h in _HEADER.finditer(text) if rule and h[1] == rule[1]]
    if rule is None or int(rule[2]) >= len(headers):
        return f"{path}: $.{place}".rstrip(".")
    line = text.count("\n", 0, headers[int(rule[2])].start()) + 1
    return f"{path}: line {line}: $.{place}"
