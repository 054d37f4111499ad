"""From a rule and a step to what a record state would have said: models, metrics, and files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from flows.harvest.convention_rules import PLACES, FileRule, PlaceRule, Places, Rule
from flows.harvest.template import ITEM, MISSING, View, fill, view_of
from flows.steps.adapters.base import Thing
from flows.steps.body import Body
from flows.steps.uris import globus_uri, is_uri, name_of_uri, tidy_uri
from provenance_store.validation.rows import SPELLED
from provenance_store.values import Uri

__all__ = ["document_of", "points_of", "scores_of", "things_of", "uris_at", "views_of"]

COUNTERS = ("epoch", "step")
"""Which of the columns of a curve count its points."""

Point = dict[str, Any]


def points_of(value: Any) -> tuple[list[Point], list[str]]:
    """The convergence curve, and a sentence for each column that cannot be part of it.

    A list of points, ``[{"epoch": 1, "loss": 0.3}, ...]``, or a column for each metric,
    ``{"loss": [0.3, ...], "val_loss": [...]}``, where the points are epochs 1, 2, ... unless there
    is a column ``epoch`` or ``step``. What is no number is left out.
    """
    if isinstance(value, Mapping):
        return _of_columns(value)
    if not isinstance(value, list) or not all(isinstance(point, Mapping) for point in value):
        return [], ["is neither a list of points nor a list for each metric."]
    points = [_point(point) for point in value]
    return [point for point in points if point], []


def scores_of(value: Any) -> dict[str, Any] | None:
    """The numbers of an object by name; None of anything else."""
    if not isinstance(value, Mapping):
        return None
    return {name: n for name, n in value.items() if _is_number(n)}


def _of_columns(value: Mapping[str, Any]) -> tuple[list[Point], list[str]]:
    columns = {name: _column(given) for name, given in value.items()}
    columns = {name: column for name, column in columns.items() if column}
    if not columns.keys() - set(COUNTERS):
        return [], ["holds no list of numbers."]
    counter = next((columns[name] for name in COUNTERS if name in columns), None)
    length = len(counter) if counter else max(map(len, columns.values()))
    wrong = [name for name, column in columns.items() if len(column) != length]
    notes = [f"{n} has {len(columns[n])} values for {length} points; left out." for n in wrong]
    fitting = {name: column for name, column in columns.items() if name not in wrong}
    if counter is None:
        fitting = {"epoch": list(range(1, length + 1)), **fitting}
    return [_point({n: c[i] for n, c in fitting.items()}) for i in range(length)], notes


def _column(value: Any) -> list[Any]:
    """The values of a column that holds at least one number; a number alone is one of its own."""
    given = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return list(given) if any(_is_number(item) for item in given) else []


def _point(given: Mapping[str, Any]) -> Point:
    point: Point = {}
    for name, value in given.items():
        if name in COUNTERS and isinstance(value, float) and value.is_integer():
            point[name] = int(value)
        elif _is_number(value) or (value is None and name not in COUNTERS):
            point[name] = value
    return point


def _is_number(value: Any) -> bool:
    """Whether it is a number, or one that is not finite as JSON has it: ``"NaN"``."""
    if isinstance(value, str):
        return value in SPELLED
    return isinstance(value, int | float) and not isinstance(value, bool)


_ABOUT = ("size", "digest", "media_type")


def uris_at(given: Places | None, view: View, field: str, told: list[str]) -> list[Any] | None:
    """The URIs at places, each a text or an object that says more of its bytes; None without any.

    What is none is told in a sentence and left out. For fields that refer to records, of an object
    only its URI counts.
    """
    if given is None:
        return None
    found: list[Any] = []
    for place in given if isinstance(given, list) else [given]:
        one = (
            _of_place(place, view) if isinstance(place, PlaceRule) else _flat(fill_uri(place, view))
        )
        for uri in one:
            if isinstance(uri, dict) and is_uri(str(uri.get("uri", ""))):
                found.append(_described(uri) if field in ("uri", "uris") else {"uri": uri["uri"]})
            elif isinstance(uri, str) and is_uri(uri):
                found.append(uri)
            else:
                told.append(f"{field}: {_why_not(uri, place)}")
    return found or None


def _described(given: dict[str, Any]) -> dict[str, Any]:
    """Of what a result says of a file, what can be kept with its URI."""
    told = {name: given[name] for name in ("uri", *_ABOUT) if given.get(name) is not None}
    if isinstance(plain := given.get("sha256"), str):
        told.setdefault("digest", f"sha256:{plain}")
    return told


def fill_uri(place: str, view: View) -> Any:
    """What stands for a URI, or for several."""
    return fill(place, view, in_uri=True)


def _of_place(place: PlaceRule, view: View) -> list[Any]:
    about = {name: fill(getattr(place, name), view) for name in _ABOUT}
    about = {name: value for name, value in about.items() if value not in (None, MISSING)}
    if place.uri is not None:
        return [_with(uri, about) for uri in _flat(fill_uri(place.uri, view))]
    collection, root = fill(place.collection, view), fill(place.root, view)
    if not isinstance(collection, str) or root is MISSING:
        return []
    return [
        _with(_on(collection, path, root), about) if isinstance(path, str) else path
        for path in _flat(fill(place.path, view))
    ]


def _on(collection: str, path: str, root: str | None) -> Any:
    """The URI of a path; the path itself when it is not below the root."""
    if is_uri(path):
        return path
    if root is not None:
        folder = "/" + root.strip("/")
        if path != folder and not path.startswith(folder.rstrip("/") + "/"):
            return path
        path = path[len(folder.rstrip("/")) :] or "/"
    return globus_uri(collection, path)


def _with(uri: Any, about: dict[str, Any]) -> Any:
    if not about:
        return uri
    return {**uri, **about} if isinstance(uri, dict) else {"uri": uri, **about}


def _flat(found: Any) -> list[Any]:
    """One or several things that a path found."""
    if found is MISSING:
        return []
    return list(found) if isinstance(found, list) else [found]


def _why_not(found: Any, place: str | PlaceRule) -> str:
    value = found.get("uri", found) if isinstance(found, dict) else found
    if isinstance(place, PlaceRule) and place.root is not None and isinstance(value, str):
        return f"{value!r:.200} is not below the root {place.root!r:.200}."
    if isinstance(value, str):
        return f"{value!r:.200} is not a URI; give the collection too: {{collection, path}}."
    return f"{type(value).__name__} is not a URI."


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
