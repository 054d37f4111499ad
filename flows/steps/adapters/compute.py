"""Globus Compute: functions and what arguments name are used, results and files are made.

Reads the bodies of version 2 (``endpoint``, ``function``, ``args``/``kwargs``/``payload``, or a
list of such ``tasks``), of version 3 (``endpoint_id`` and ``tasks`` of ``function_id``) and of
funcX (``func``). Arguments that are URIs of bytes are inputs; each task's result is an output,
and so are the files that results describe (see `mentioned`). Bare paths are only named: which of
them are files of the run, `flows.steps.bare_paths` finds out. Nothing beyond that is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from flows.steps.adapters.base import (
    FUNCTIONS,
    Action,
    BarePath,
    Derived,
    NotMine,
    Thing,
    is_told,
    items,
    mapping,
    scalar,
    text,
)
from flows.steps.adapters.mentioned import (
    Mention,
    bare_paths,
    described_files,
    given_uris,
    things_at,
)
from flows.steps.run_files import GLOBUS
from provenance_store.values import TagValue, Uri

__all__ = ["ComputeAdapter", "calls_of", "functions_of", "results_of"]

FUNCTION = ("function_id", "function", "func", "functions", "function_ids")
ENDPOINT = ("endpoint_id", "endpoint", "endpoints", "endpoint_ids")
ARGUMENTS = ("args", "kwargs", "payload")
MAX_FIELDS = 32


class ComputeAdapter:
    """Knows the hosted Compute providers and their funcX ancestor."""

    def knows(self, operation: str) -> bool:
        return operation == "/compute" or operation.startswith("/compute/")

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        calls = list(calls_of(parameters))
        return any(name in call for call in calls for name in FUNCTION) and any(
            name in call for call in calls for name in ENDPOINT
        )

    def derive(self, action: Action) -> Derived:
        calls = list(calls_of(mapping(action.parameters)))
        functions = dict.fromkeys(f for call in calls for f in functions_of(call))
        endpoints = dict.fromkeys(e for call in calls for e in _texts(call, ENDPOINT))
        results = list(results_of(action.details)) if action.succeeded else []
        if not functions and not results:
            raise NotMine
        found: dict[str, TagValue] = {"endpoint_id": ", ".join(endpoints)} if endpoints else {}
        given = [*given_uris(call[name] for call in calls for name in ARGUMENTS if name in call)]
        read = (Uri(uri) for uri, written in given if not written)
        written = (BarePath(uri, "", False, True) for uri, written in given if written)
        made = described_files(value for _, value in results)
        return Derived(
            (*(_function(function) for function in functions), *things_at(read)),
            (*(_result(action.name, results, n) for n in range(len(results))), *things_at(made)),
            tags=found,
            paths=(
                *_given_paths(calls),
                *filter(lambda path: path.path.startswith(GLOBUS), written),
                *_returned_paths(results, next(iter(endpoints), "")),
            ),
        )


def _given_paths(calls: list[Mapping[str, Any]]) -> Iterator[BarePath]:
    """The bare paths in arguments; a task without an endpoint runs on that of the whole."""
    shared = next(_texts(calls[0], ENDPOINT), "")
    for call in calls:
        endpoint = next(_texts(call, ENDPOINT), shared).lower()
        for path, written in bare_paths(call[name] for name in ARGUMENTS if name in call):
            yield BarePath(path, endpoint, False, written)


def _returned_paths(results: list[tuple[str | None, Any]], endpoint: str) -> Iterator[BarePath]:
    for path, _ in dict.fromkeys(Mention(m.text) for m in bare_paths(v for _, v in results)):
        yield BarePath(path, endpoint.lower(), True)


def calls_of(parameters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The parameters themselves, and each task in them: any of these may name functions."""
    yield parameters
    yield from items(parameters.get("tasks"))


def functions_of(call: Mapping[str, Any]) -> Iterator[str]:
    """The ids of the functions that a call names."""
    return _texts(call, FUNCTION)


def _texts(document: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        value = document.get(name)
        for found in value if isinstance(value, list) else [value]:
            if is_told(found):
                yield found


def _function(function: str) -> Thing:
    uri = f"{FUNCTIONS}{quote(function.lower(), safe='')}"
    return Thing(f"function {function}", "fact", (Uri(uri),))


def results_of(details: Mapping[str, Any]) -> Iterator[tuple[str | None, Any]]:
    """The id and the value of each task: with ids in ``results``, without in ``result``."""
    if any(True for _ in items(details.get("results"))):
        for item in items(details["results"]):
            yield text(item, "task_id"), item.get("output")
    elif "result" in details:
        values = details["result"]
        yield from ((None, value) for value in (values if isinstance(values, list) else [values]))


def _result(name: str, results: list[tuple[str | None, Any]], place: int) -> Thing:
    task_id, value = results[place]
    number = f" {place + 1}" if len(results) > 1 else ""
    uris = (Uri(f"globus-compute://task/{quote(task_id, safe='')}"),) if task_id else ()
    found = _fields(value)
    kept = None if "value" in found and not isinstance(value, dict) else value
    return Thing(f"{name} result{number}", uris=uris, tags=found, value=kept)


def _fields(value: Any) -> dict[str, TagValue]:
    """What of a result can be searched for: a small value, or those at the top of an object."""
    if not isinstance(value, dict):
        small = scalar(value)
        return {} if small is None else {"value": small}
    found = {n: s for n, v in value.items() if n and (s := scalar(v)) is not None}
    return dict(list(found.items())[:MAX_FIELDS])
