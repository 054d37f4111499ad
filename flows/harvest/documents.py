"""From a rule and a step to what a record state would have said: models, and files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from flows.harvest.curves import points_of, scores_of
from flows.harvest.filling import ITEM, MISSING, View, fill, view_of
from flows.harvest.places import uris_at
from flows.harvest.rule import PLACES, FileRule, Rule
from flows.steps.adapters.base import Thing
from flows.steps.body import Body
from flows.steps.uris import name_of_uri, tidy_uri
from provenance_store.values import Uri

__all__ = ["document_of", "things_of", "views_of"]


def views_of(rule: Rule | FileRule, body: Body, notes: list[str]) -> Iterator[View]:
    """What the rule's paths look into: once, or for each item of its list."""
    view = view_of(body, rule.functions)
    if rule.each is None:
        yield view
        return
    items = fill(rule.each, view)
    if not isinstance(items, list):
        notes.append(f"each: there is no list at {rule.each}.")
        return
    yield from ({**view, ITEM: item} for item in items)


def document_of(rule: Rule, view: View, notes: list[str]) -> dict[str, Any] | None:
    """The model as a record state would have sent it; None without a name."""
    name = fill(rule.name, view)
    if not isinstance(name, str) or not name:
        return None
    told: list[str] = []
    document: dict[str, Any] = {"name": name, "how": rule.how, "new": rule.new}
    document |= {field: fill(getattr(rule, field), view) for field in ("digest", "size")}
    document["hyperparameters"] = _object(rule, "hyperparameters", view, told)
    document |= _numbers(rule, view, told)
    document |= {field: uris_at(getattr(rule, field), view, field, told) for field in PLACES}
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
            told += [f"scores.{name}: is not a number." for name in sorted(left)]
    return {name: value or None for name, value in found.items()}


def _tags(rule: Rule, view: View) -> dict[str, Any] | None:
    tags = fill(rule.tags or {}, view)
    version = fill(rule.version, view)
    if isinstance(version, str | int | float):
        tags["version"] = version
    return tags or None


def things_of(rule: FileRule, view: View, notes: list[str]) -> Iterator[Thing]:
    """A file for each place that the rule finds."""
    told: list[str] = []
    tags = fill(rule.tags or {}, view)
    name = fill(rule.name, view)
    for field in ("uri", "uris"):
        for given in uris_at(getattr(rule, field), view, field, told) or ():
            uri = _uri(given)
            called = name if isinstance(name, str) and name else name_of_uri(uri.uri)
            yield Thing(called, rule.kind, (uri,), tags)
    notes += [f"file: {each}" for each in told]


def _uri(given: str | dict[str, Any]) -> Uri:
    """A place as it is stored; whoever records it says what of it cannot be kept."""
    about = {"uri": given} if isinstance(given, str) else given
    return Uri(**(about | {"uri": tidy_uri(about["uri"])}))


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
