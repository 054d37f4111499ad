"""How an injected state says that it was injected, and taking injected states out again.

An injected state says so in its Comment, the only key whose content Globus Flows leaves alone:
`COMMENT_START` and the kind of the state, as in ``Braid #after``, and where stripping needs it what
was changed elsewhere, as compact JSON. Two states that most steps get do without one, because
definitions are limited in size: a record that says how its step ended, in a field that only
injected states have, and the Choice behind it. Nothing is inferred from names, so a state that an
author wrote is never taken for an injected one.

Every injected state but the re-raising Fail stands *on* an edge, so the original edge leads where
the chain of injected states leads in the end. That needs no memory of the original, and what an
author changed since is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from flows.definition.graph import retarget
from flows.definition.paths import join
from provenance_store.errors import InvalidInput

__all__ = [
    "COMMENT_START",
    "OUTCOME",
    "InjectedKind",
    "Marker",
    "injected",
    "mark_in",
    "marker_of",
    "strip",
]

COMMENT_START = "Braid #"
_COMMENT = re.compile(rf"{COMMENT_START}([a-z-]+)(?: (\{{.*\}}))?", re.DOTALL)
OUTCOME = "outcome.="
"""What only the record of an injected state sends."""
_ERROR = re.compile(r"\$\._braid\.error(?:_\d+)?\.Error")
_GUARD = {"Type", "Choices", "Default"}
_FIRST_START = "Recorded by Braid"
_FIRST_TAG = " #braid:"
_FIRST_VERSION = 1


class InjectedKind(Enum):
    """What an injected state does."""

    AFTER = "after"
    """Records a step that ended normally; stands on the step's way out."""
    CAUGHT = "caught"
    """Records a failure on the edge of a Catch."""
    BEFORE_FAIL = "before-fail"
    """Records that the run is about to fail; stands before a Fail state."""
    CHOICE = "choice"
    """Records which way a Choice is about to go; stands before it."""
    CAPTURE = "capture"
    """Keeps aside, before a step, what the step will overwrite of its own inputs."""
    END = "end"
    """The end that a failing closing record falls through to."""
    HARVEST = "harvest"
    """Asks that the whole run be harvested."""
    FAILED = "failed"
    """Keeps which step failed with nothing to catch it, for the one state that records it."""
    START = "start"
    """Sees to it that a run begins without an error that its input has from another run."""
    GUARD = "guard"
    """Stands behind the record of a step, and leads to the Fail when the step failed."""
    FAIL = "fail"
    """Fails the run again after an uncaught failure was recorded."""


@dataclass(frozen=True)
class Marker:
    """What an injected state is, which state it belongs to, and what it changed there.

    ``undo`` holds only what the edges do not tell: ``{"ResultPath": "$" | None | False}`` when that
    key was set on the state (False: it was not there), and ``{"empty": [...], "null": [...]}``
    names the states that got a Catch and had an empty one, or null. In comments of the first form
    None is a ResultPath that was not there, ``{"Catch": "added" | "appended"}`` says of a state
    that it got a Catch, and ``{"added_to": [...]}`` names those that got one and had none.
    ``state`` may be empty when there is nothing to undo.
    """

    kind: InjectedKind
    state: str
    undo: Mapping[str, Any]
    is_first_form: bool = False

    def comment(self) -> str:
        """The Comment of the injected state."""
        text = f"{COMMENT_START}{self.kind.value}"
        if not self.undo:
            return text
        document = {"state": self.state, **self.undo}
        return f"{text} {json.dumps(document, ensure_ascii=False, separators=(',', ':'))}"


def marker_of(state: object) -> Marker | None:
    """The marker of an injected state, or None for a state that an author wrote. A Choice of theirs
    that asks like one of ours `mark_in` tells apart."""
    if not isinstance(state, dict):
        return None
    comment = state.get("Comment")
    if comment is None:
        kind = _kind_without_comment(state)
        return None if kind is None else Marker(kind, "", {})
    if not isinstance(comment, str) or not comment.startswith((COMMENT_START, _FIRST_START)):
        return None
    try:
        if found := _COMMENT.fullmatch(comment):
            undo = json.loads(found[2] or "{}")
            return Marker(InjectedKind(found[1]), str(undo.pop("state", "")), undo)
        return _of_first_form(comment)
    except (ValueError, KeyError, TypeError):
        return None


def _kind_without_comment(state: Mapping[str, Any]) -> InjectedKind | None:
    parameters = state.get("Parameters")
    if isinstance(parameters, dict):
        return InjectedKind.AFTER if OUTCOME in parameters and "step" in parameters else None
    if not state.keys() <= _GUARD:
        return None
    rules = state.get("Choices")
    rule = rules[0] if isinstance(rules, list) and len(rules) == 1 else None
    if not isinstance(rule, dict) or rule.keys() != {"Variable", "IsPresent", "Next"}:
        return None
    path = rule["Variable"]
    asks = isinstance(path, str) and isinstance(rule["Next"], str) and _ERROR.fullmatch(path)
    return InjectedKind.GUARD if asks else None


def _of_first_form(comment: str) -> Marker | None:
    _, tag, text = comment.rpartition(_FIRST_TAG)
    document = json.loads(text) if tag else {}
    if document.get("v") != _FIRST_VERSION:
        return None
    undo = document.get("undo", {})
    return Marker(InjectedKind(document["kind"]), str(document["state"]), undo, is_first_form=True)


def injected(states: Mapping[str, Any]) -> dict[str, Marker]:
    """The markers of all injected states, by state name."""
    found = ((name, mark_in(states, name)) for name in states)
    return {name: marker for name, marker in found if marker is not None}


def mark_in(states: Mapping[str, Any], name: object) -> Marker | None:
    """The marker of the state of that name; None if an author wrote it, or there is none."""
    mark = marker_of(states.get(name)) if isinstance(name, str) else None
    if mark is not None and mark.kind is InjectedKind.GUARD:
        end = marker_of(states.get(states[str(name)]["Choices"][0]["Next"]))
        return mark if end is not None and end.kind is InjectedKind.FAIL else None
    return mark


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
        if marks[name].kind is InjectedKind.FAIL:
            return _ADDED
        name = states[name].get("Default" if marks[name].kind is InjectedKind.GUARD else "Next")
        if name is None:
            return _END
    return name


def _errors(states: Mapping[str, Any], marks: Mapping[str, Marker]) -> dict[str, str]:
    """Where the error is that a record with a guard behind it may have been led to by."""
    guards = {name for name, mark in marks.items() if mark.kind is InjectedKind.GUARD}
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
    ends = [mark for mark in marks.values() if mark.kind is InjectedKind.FAIL]
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
