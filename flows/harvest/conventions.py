"""Which models a flow's own results speak of: a small TOML file says it, per state or function.

::

    [[model]]
    state = "Train*"                                  # or function = "<id>", or both
    how = "trained"                                   # used (the default), updated, deployed
    name = "braggnn-{$.arguments.sample}"
    uri = {collection = "<id>", path = "$.returned.weights"}
    hyperparameters = "$.arguments"
    metrics.loss = "$.returned.losses"
    scores.mae = "$.returned.mae"

A text that begins with ``$.`` is a path into the step, ``{$.path}`` stands for a value inside a
text (`flows.harvest.filling` lists what paths begin with), any other value is meant as it stands.
What a path does not find is left out; a rule whose name is not found says nothing of that step.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from flows.harvest.curves import points_of, scores_of
from flows.harvest.filling import ITEM, MISSING, View, fill, functions_called, view_of
from flows.harvest.places import uris_at
from flows.harvest.rule import Place, Rule, check
from flows.steps.body import Body, ModelEntry, parse_body
from flows.steps.refusals import refusal
from provenance_store.errors import InvalidInput

__all__ = ["Conventions", "Rule", "read_conventions"]

MAX_BYTES = 1_000_000
_PLACES = ("uri", "uris", "trained_on", "depends_on")
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*model[ \t]*\]\]", re.MULTILINE)


class _File(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    model: list[Rule] = []


@dataclass(frozen=True, slots=True)
class Conventions:
    """The rules of one file, in its order."""

    rules: tuple[Rule, ...] = ()

    def models_of(self, body: Body) -> tuple[list[ModelEntry], list[str]]:
        """The models of one step, and a sentence for each value that cannot be what it should."""
        found: list[ModelEntry] = []
        notes: list[str] = []
        functions = functions_called(body)
        for rule in self.rules:
            if not rule.fits(body.step.name, functions):
                continue
            for view in _views(rule, body, notes):
                if (document := _document(rule, view, notes)) is None:
                    continue
                try:
                    found.append(_entry(document, body))
                except InvalidInput as error:
                    message = error.message.removeprefix("models[0].")
                    notes.append(f"model {document['name']!r:.80}: {message}")
        return found, notes


# ---- from a rule and a step to the entry of a model --------------------------------------


def _views(rule: Rule, body: Body, notes: list[str]) -> Iterator[View]:
    """What the rule's paths look into: once, or for each item of its list."""
    view = view_of(body, rule.functions)
    if rule.each is None:
        yield view
        return
    items = fill(rule.each, view)
    if not isinstance(items, list):
        notes.append(f"rule {rule.name!r:.80}: each: there is no list at {rule.each}.")
        return
    yield from ({**view, ITEM: item} for item in items)


def _document(rule: Rule, view: View, notes: list[str]) -> dict[str, Any] | None:
    """The model as a record state would have sent it; None without a name."""
    name = fill(rule.name, view)
    if not isinstance(name, str) or not name:
        return None
    told: list[str] = []
    document: dict[str, Any] = {"name": name, "how": rule.how, "new": rule.new}
    document |= {field: fill(getattr(rule, field), view) for field in ("digest", "size")}
    document["hyperparameters"] = _object(rule, "hyperparameters", view, told)
    document |= _numbers(rule, view, told)
    document |= {field: uris_at(getattr(rule, field), view, field, told) for field in _PLACES}
    document["tags"] = _tags(rule, view)
    document = {k: v for k, v in document.items() if v is not None and v is not MISSING}
    if not told and not document.keys() - {"name", "how", "new"} and _looked_for(rule):
        told.append("nothing that the rule looks for is in the step; check its paths.")
    notes += [f"model {name!r:.80}: {each}" for each in told]
    return _with_uris(document)


def _object(rule: Rule, field: str, view: View, told: list[str]) -> Any:
    found = fill(getattr(rule, field), view)
    if found is None or found is MISSING or isinstance(found, dict):
        return found or None
    told.append(f"{field}: there is no object at {getattr(rule, field)}.")
    return None


def _numbers(rule: Rule, view: View, told: list[str]) -> dict[str, Any]:
    metrics, scores = fill(rule.metrics, view), fill(rule.scores, view)
    found: dict[str, Any] = {}
    if metrics is not None and metrics is not MISSING and metrics != {}:
        points, wrong = points_of(metrics)
        found["metrics"] = points or None
        told += [f"metrics: {message}" for message in wrong]
    if scores is not None and scores is not MISSING:
        found["scores"] = scores_of(scores)
        if found["scores"] is None:
            told.append(f"scores: there is no object at {rule.scores}.")
        elif isinstance(rule.scores, dict):
            left = scores.keys() - found["scores"].keys()
            told += [f"scores.{name}: is no number." for name in sorted(left)]
    return {name: value or None for name, value in found.items()}


def _tags(rule: Rule, view: View) -> dict[str, Any] | None:
    tags = fill(rule.tags or {}, view)
    version = fill(rule.version, view)
    if isinstance(version, str | int | float):
        tags["version"] = version
    return tags or None


def _looked_for(rule: Rule) -> bool:
    """Whether the rule has paths besides those of its name."""
    fields = (f for f in rule.__struct_fields__ if f not in ("name", "each", "state", "function"))
    return any("$." in json.dumps(msgspec.to_builtins(getattr(rule, f))) for f in fields)


def _with_uris(document: dict[str, Any]) -> dict[str, Any]:
    """The document with all places of its bytes in one list."""
    uris = [*document.pop("uri", ()), *document.pop("uris", ())]
    if not uris and "digest" not in document:
        document.pop("size", None)
    return document | {"uris": uris} if uris else document


def _entry(document: Mapping[str, Any], body: Body) -> ModelEntry:
    """The entry of a model, checked as if a record state had sent it."""
    said = {"run": {"run_id": body.run.run_id}, "step": {"name": "-"}, "models": [document]}
    try:
        read = parse_body(json.dumps(said))
    except (ValueError, TypeError, RecursionError):
        raise InvalidInput("its values are no JSON.", path="models[0]") from None
    assert read.models is not None
    return read.models[0]


# ---- the file ----------------------------------------------------------------------------


def read_conventions(path: Path) -> Conventions:
    """The rules in a file. Raises InvalidInput naming the file and the place in it."""
    text = _text(path)
    try:
        rules = msgspec.convert(tomllib.loads(text), _File).model
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(f"is not TOML: {error}.", path=f"{path}: $") from None
    except msgspec.ValidationError as error:
        refused = refusal(error, {"": _File, "model": Rule, **dict.fromkeys(_PLACES, Place)})
        raise InvalidInput(refused.message, path=_at(path, text, refused.path)) from None
    if not rules:
        message = "has no rules: begin each with a line [[model]]."
        raise InvalidInput(message, path=f"{path}: $")
    for number, rule in enumerate(rules):
        check(rule, _at(path, text, f"model[{number}]"))
    return Conventions(tuple(rules))


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
    number = re.match(r"model\[(\d+)\]", place)
    headers = list(_HEADER.finditer(text))
    if number is None or int(number[1]) >= len(headers):
        return f"{path}: $.{place}".rstrip(".")
    line = text.count("\n", 0, headers[int(number[1])].start()) + 1
    return f"{path}: line {line}: $.{place}"
