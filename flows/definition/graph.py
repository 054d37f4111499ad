"""The edges of a flow definition, and how to redirect them without touching anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["Edge", "edges", "edges_of", "reachable", "retarget"]


class Edge(NamedTuple):
    """One transition: where it is written, from which state ('' for StartAt), and to where."""

    path: tuple[str | int, ...]
    source: str
    target: Any


def edges(definition: Mapping[str, Any]) -> Iterator[Edge]:
    """Every transition in document order; targets may be anything, existing or not."""
    for key, value in definition.items():
        if key == "StartAt":
            yield Edge(("StartAt",), "", value)
        elif key == "States" and isinstance(value, dict):
            for name, state in value.items():
                if isinstance(state, dict):
                    yield from edges_of(name, state)


def edges_of(name: str, state: Mapping[str, Any]) -> Iterator[Edge]:
    """The transitions written in one state, in document order."""
    for key, value in state.items():
        if key in ("Next", "Default") and value is not None:
            yield Edge(("States", name, key), name, value)
        elif key in ("Choices", "Catch") and isinstance(value, list):
            for number, rule in enumerate(value):
                if isinstance(rule, dict) and "Next" in rule:
                    yield Edge(("States", name, key, number, "Next"), name, rule["Next"])


def retarget(state: Mapping[str, Any], new: Callable[[str], str]) -> dict[str, Any]:
    """A copy of the state with every transition sent through ``new``; key order is kept."""

    def rule(entry: Any) -> Any:
        if isinstance(entry, dict) and entry.get("Next") is not None:
            return {key: new(value) if key == "Next" else value for key, value in entry.items()}
        return entry

    copy: dict[str, Any] = {}
    for key, value in state.items():
        if key in ("Next", "Default") and value is not None:
            copy[key] = new(value)
        elif key in ("Choices", "Catch") and isinstance(value, list):
            copy[key] = [rule(entry) for entry in value]
        else:
            copy[key] = value
    return copy


def reachable(definition: Mapping[str, Any]) -> set[str]:
    """The names of the states that a run can get to from StartAt."""
    states = definition.get("States")
    start = definition.get("StartAt")
    if not isinstance(states, dict) or not isinstance(start, str):
        return set()
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        state = states.get(name)
        if name in found or not isinstance(state, dict):
            continue
        found.add(name)
        waiting += [edge.target for edge in edges_of(name, state) if isinstance(edge.target, str)]
    return found
