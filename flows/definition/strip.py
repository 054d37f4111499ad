"""Take injected states out of a flow definition again.

Every injected state but the re-raising Fail stands *on* an edge, so the original edge leads
where the chain of injected states leads in the end. That needs no memory of the original;
what an author changed in an instrumented flow since then is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.definition.graph import retarget
from flows.definition.marker import Kind, Marker, injected
from flows.definition.paths import join
from provenance_store.errors import InvalidInput

__all__ = ["strip"]

_END = object()
_ADDED = object()


def strip(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition without what `instrument` put into it; others come back unchanged.

    ``strip(instrument(d).definition) == d``, in the order of keys too. The given definition
    is not modified. Raises InvalidInput when an author has since sent a Choice, a Catch or
    StartAt to an injected state that ends the run: no state of theirs can take its place.
    """
    states = definition.get("States")
    marks = injected(states) if isinstance(states, dict) else {}
    if not isinstance(states, dict) or not marks:
        return dict(definition)
    leads = {name: _resolve(name, states, marks) for name in marks}
    errors = _errors(states, marks)
    original = {
        name: _restore(name, _undo(name, state, marks), leads, marks, errors)
        for name, state in states.items()
        if name not in marks
    }
    return {
        key: original
        if key == "States"
        else _target(value, leads, "$.StartAt")
        if key == "StartAt"
        else value
        for key, value in definition.items()
    }


def _resolve(name: Any, states: Mapping[str, Any], marks: Mapping[str, Marker]) -> Any:
    """The author's state that an injected one leads to, or _END, or _ADDED for an added Catch."""
    seen: set[str] = set()
    while isinstance(name, str) and name in marks and name not in seen:
        seen.add(name)
        if marks[name].kind is Kind.FAIL:
            return _ADDED
        name = states[name].get("Default" if marks[name].kind is Kind.GUARD else "Next")
        if name is None:
            return _END
    return name


def _errors(states: Mapping[str, Any], marks: Mapping[str, Marker]) -> dict[str, str]:
    """Where the error is that a record with a guard behind it may have been led to by."""
    guards = {name for name, mark in marks.items() if mark.kind is Kind.GUARD}
    return {
        name: states[following]["Choices"][0]["Variable"].removesuffix(".Error")
        for name in marks
        if (following := states[name].get("Next")) in guards
    }


def _restore(
    name: str,
    state: Any,
    leads: Mapping[str, Any],
    marks: Mapping[str, Marker],
    errors: Mapping[str, str],
) -> Any:
    """The state with its edges as they were; an edge to the end becomes ``End: true`` in place."""
    if not isinstance(state, dict):
        return state
    state = _without_added_catches(name, state, leads, marks, errors)
    following = state.get("Next")
    if isinstance(following, str) and leads.get(following) is _END:
        state = (
            {**state, "Next": None, "End": True}  # one of the two was null
            if "End" in state
            else {
                "End" if key == "Next" else key: True if key == "Next" else value
                for key, value in state.items()
            }
        )
    return retarget(state, lambda target: _target(target, leads, join("$.States", name)))


def _target(target: Any, leads: Mapping[str, Any], path: str) -> Any:
    if not isinstance(target, str) or target not in leads:
        return target
    lead = leads[target]
    if not isinstance(lead, str):
        raise InvalidInput(
            f"leads to the injected state {target!r}, which ends the run; "
            "send it to a state of your own before stripping.",
            path=path,
        )
    return lead


def _without_added_catches(
    name: str,
    state: dict[str, Any],
    leads: Mapping[str, Any],
    marks: Mapping[str, Marker],
    errors: Mapping[str, str],
) -> dict[str, Any]:
    catches = state.get("Catch")
    if not isinstance(catches, list):
        return state
    kept = [entry for entry in catches if not _is_added(entry, leads, errors)]
    if len(kept) == len(catches):
        return state
    if not kept and any(name in _names(mark, "null") for mark in marks.values()):
        return {**state, "Catch": None}
    if not kept and _had_none(name, marks):
        return {key: value for key, value in state.items() if key != "Catch"}
    return {**state, "Catch": kept}


def _had_none(name: str, marks: Mapping[str, Marker]) -> bool:
    """Whether a state, all of whose Catches are injected, had no key for them before."""
    ends = [mark for mark in marks.values() if mark.kind is Kind.FAIL]
    if any(mark.is_first_form for mark in ends):
        return any(_added_to(name, mark) for mark in ends)
    return not any(name in _names(mark, "empty") for mark in ends)


def _added_to(name: str, mark: Marker) -> bool:
    own = mark.state == name and mark.undo.get("Catch") == "added"
    return own or name in _names(mark, "added_to")


def _names(mark: Marker, key: str) -> list[Any]:
    names = mark.undo.get(key)
    return names if isinstance(names, list) else []


def _is_added(entry: Any, leads: Mapping[str, Any], errors: Mapping[str, str]) -> bool:
    target = entry.get("Next") if isinstance(entry, dict) else None
    if not isinstance(target, str):
        return False
    place = errors.get(target)
    return leads.get(target) is _ADDED or (place is not None and entry.get("ResultPath") == place)


def _undo(name: str, state: Any, marks: Mapping[str, Marker]) -> Any:
    """Take back a ResultPath that was set on the state."""
    for marker in marks.values():
        if marker.state == name and isinstance(state, dict) and "ResultPath" in marker.undo:
            before = marker.undo["ResultPath"]
            had = before is not (None if marker.is_first_form else False)
            return {
                key: before if key == "ResultPath" else value
                for key, value in state.items()
                if key != "ResultPath" or had
            }
    return state
