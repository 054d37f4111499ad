"""Which models a flow's own results speak of: a small TOML file says it, per state or function.

::

    [[model]]
    state = "Train*"                                  # or function = "<id>", or both
    how = "trained"                                   # used (the default), updated, deployed
    name = "braggnn"
    uri = "$.result.details.result[0].weights"
    scores.mae = "$.result.details.result[0].mae"

A text that begins with ``$.`` is a path into ``{"name", "parameters", "result"}`` of the step, any
other value is meant as it stands. What a path does not find is left out; a rule whose name is not
found says nothing of that step.
"""

from __future__ import annotations

import fnmatch
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from flows.language import resolve
from flows.language.errors import LanguageError
from flows.language.paths import plain_steps
from flows.steps.body import Body, ModelEntry, parse_body
from flows.steps.refusals import refusal
from provenance_store.errors import InvalidInput

__all__ = ["Conventions", "Rule", "read_conventions"]

MAX_BYTES = 1_000_000
MAKING = ("trained", "updated")
_FUNCTIONS = ("function_id", "function", "func", "functions", "function_ids")
_MISSING: Any = object()


class Rule(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One ``[[model]]``."""

    name: str
    state: str | None = None
    function: str | None = None
    how: str = "used"
    each: str | None = None
    """A path to a list: a model for each item, which paths find at ``$.item``."""
    new: bool | None = None
    version: str | None = None
    """Kept as the tag ``version``: a flow's own name for it, Braid counts by itself."""
    uri: str | None = None
    uris: str | list[Any] | None = None
    digest: str | None = None
    size: str | int | None = None
    hyperparameters: str | dict[str, Any] | None = None
    metrics: str | None = None
    scores: str | dict[str, Any] | None = None
    tags: dict[str, Any] | None = None

    def fits(self, name: str, functions: Sequence[str]) -> bool:
        """Whether it speaks of a state of that name that calls these Compute functions."""
        named = self.state is None or fnmatch.fnmatchcase(name, self.state)
        return named and (self.function is None or self.function in functions)


class _File(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    model: list[Rule] = []


_FIELDS = ("name", "how", "new", "uri", "uris", "digest", "size")
_DOCUMENTS = ("hyperparameters", "metrics", "scores", "tags")


@dataclass(frozen=True, slots=True)
class Conventions:
    """The rules of one file, in its order."""

    rules: tuple[Rule, ...] = ()

    def models_of(self, body: Body) -> tuple[list[ModelEntry], list[str]]:
        """The models of one step, and a sentence for each that its values do not allow."""
        found: list[ModelEntry] = []
        notes: list[str] = []
        functions = list(_functions(body.parameters))
        for rule in self.rules:
            if not rule.fits(body.step.name, functions):
                continue
            for document in _documents(rule, body):
                try:
                    found.append(_entry(document, body))
                except InvalidInput as error:
                    notes.append(f"model {document['name']!r:.80}: {error.message}")
        return found, notes


def read_conventions(path: Path) -> Conventions:
    """The rules in a file. Raises InvalidInput naming the file and the place in it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{error.strerror}; name a TOML file.", path=str(path)) from None
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"has more than {MAX_BYTES} bytes.", path=f"{path}: $")
    try:
        file_ = msgspec.convert(tomllib.loads(data.decode("utf-8-sig")), _File)
    except UnicodeDecodeError:
        raise InvalidInput("is not UTF-8.", path=f"{path}: $") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(f"is not TOML: {error}.", path=f"{path}: $") from None
    except msgspec.ValidationError as error:
        refused = refusal(error, {"": _File, "model": Rule})
        raise InvalidInput(refused.message, path=f"{path}: $.{refused.path}") from None
    for place, rule in enumerate(file_.model):
        _check(rule, f"{path}: $.model[{place}]")
    return Conventions(tuple(file_.model))


def _check(rule: Rule, path: str) -> None:
    if rule.state is None and rule.function is None:
        raise InvalidInput("say of which state or function this is.", path=path)
    if rule.how not in ("used", "trained", "updated", "deployed"):
        raise InvalidInput("is none of used, trained, updated, deployed.", path=f"{path}.how")
    for name in ("hyperparameters", "metrics", "scores"):
        if rule.how not in MAKING and getattr(rule, name) is not None:
            message = "belongs to a model that is trained or updated."
            raise InvalidInput(message, path=f"{path}.{name}")
    for name, value in _paths(msgspec.to_builtins(rule), ""):
        if plain_steps(value) is None and name != "each":
            raise InvalidInput("is a path of names and indexes only.", path=f"{path}.{name}")


def _paths(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """The texts that are paths, with the names of their places."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _paths(item, f"{name}[{place}]")
    elif isinstance(value, str) and value.startswith("$."):
        yield name, value


def _documents(rule: Rule, body: Body) -> Iterator[dict[str, Any]]:
    view = {"name": body.step.name, "parameters": body.parameters, "result": body.result}
    items = [None] if rule.each is None else _filled(rule.each, view)
    for item in items if isinstance(items, list) else []:
        document = _document(rule, {**view, "item": item})
        if isinstance(document.get("name"), str):
            yield document


def _document(rule: Rule, view: Mapping[str, Any]) -> dict[str, Any]:
    document = {}
    for name in (*_FIELDS, *_DOCUMENTS):
        value = _filled(getattr(rule, name), view)
        if value is not None and value is not _MISSING:
            document[name] = value
    if isinstance(document.get("uris"), dict | str):
        document["uris"] = [document["uris"]]
    if isinstance(document.get("uri"), dict):
        document["uris"] = [document.pop("uri"), *document.get("uris", [])]
    version = _filled(rule.version, view)
    if isinstance(version, str | int | float):
        document["tags"] = {**document.get("tags", {}), "version": version}
    return document


def _filled(value: Any, view: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        found = ((key, _filled(item, view)) for key, item in value.items())
        return {key: item for key, item in found if item is not _MISSING}
    if isinstance(value, list):
        return [found for item in value if (found := _filled(item, view)) is not _MISSING]
    if not (isinstance(value, str) and value.startswith("$.")):
        return value
    try:
        return resolve(value, view)
    except LanguageError:
        return _MISSING


def _entry(document: Mapping[str, Any], body: Body) -> ModelEntry:
    """The entry of a model, checked as if a record state had sent it."""
    said = {"run": {"run_id": body.run.run_id}, "step": {"name": "-"}, "models": [document]}
    try:
        read = parse_body(json.dumps(said))
    except (ValueError, RecursionError):
        raise InvalidInput("its values are no JSON.", path="models[0]") from None
    assert read.models is not None
    return read.models[0]


def _functions(parameters: Any) -> Iterator[str]:
    """The Compute functions that parameters name."""
    calls = [parameters] if isinstance(parameters, dict) else []
    tasks = calls[0].get("tasks") if calls else None
    calls += [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
    for call in calls:
        for name in _FUNCTIONS:
            given = call.get(name)
            yield from (f for f in (given if isinstance(given, list) else [given]) if f)
