"""How an injected state says that it was injected.

The state's Comment (the only key of a state whose content Globus Flows leaves alone) is
`COMMENT_START` and the kind of the state, as in ``Braid #after``, and where `strip` needs it what
was changed elsewhere, as compact JSON. The two states that most steps get do without one, for
definitions are limited in size: a record that says how its step came out, either way, in a field
that only injected states have, and the Choice behind it, which asks for the one error that is kept.
Nothing is inferred from names: a state an author wrote by hand is never taken for an injected one,
whatever it is called. Comments of the first form, a sentence and a longer document, are read too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["COMMENT_START", "OUTCOME", "Kind", "Marker", "injected", "mark_in", "marker_of"]

COMMENT_START = "Braid #"
_COMMENT = re.compile(rf"{COMMENT_START}([a-z-]+)(?: (\{{.*\}}))?", re.DOTALL)
OUTCOME = "outcome.="
"""What only the record of an injected state sends."""
_ERROR = re.compile(r"\$\._braid\.error(?:_\d+)?\.Error")
_GUARD = {"Type", "Choices", "Default"}
_FIRST_START = "Recorded by Braid"
_FIRST_TAG = " #braid:"
_FIRST_VERSION = 1


class Kind(Enum):
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

    kind: Kind
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
            return Marker(Kind(found[1]), str(undo.pop("state", "")), undo)
        return _of_first_form(comment)
    except (ValueError, KeyError, TypeError):
        return None


def _kind_without_comment(state: Mapping[str, Any]) -> Kind | None:
    parameters = state.get("Parameters")
    if isinstance(parameters, dict):
        return Kind.AFTER if OUTCOME in parameters and "step" in parameters else None
    if not state.keys() <= _GUARD:
        return None
    rules = state.get("Choices")
    rule = rules[0] if isinstance(rules, list) and len(rules) == 1 else None
    if not isinstance(rule, dict) or rule.keys() != {"Variable", "IsPresent", "Next"}:
        return None
    path = rule["Variable"]
    asks = isinstance(path, str) and isinstance(rule["Next"], str) and _ERROR.fullmatch(path)
    return Kind.GUARD if asks else None


def _of_first_form(comment: str) -> Marker | None:
    _, tag, text = comment.rpartition(_FIRST_TAG)
    document = json.loads(text) if tag else {}
    if document.get("v") != _FIRST_VERSION:
        return None
    undo = document.get("undo", {})
    return Marker(Kind(document["kind"]), str(document["state"]), undo, is_first_form=True)


def injected(states: Mapping[str, Any]) -> dict[str, Marker]:
    """The markers of all injected states, by state name."""
    found = ((name, mark_in(states, name)) for name in states)
    return {name: marker for name, marker in found if marker is not None}


def mark_in(states: Mapping[str, Any], name: object) -> Marker | None:
    """The marker of the state of that name; None if an author wrote it, or there is none."""
    mark = marker_of(states.get(name)) if isinstance(name, str) else None
    if mark is not None and mark.kind is Kind.GUARD:
        end = marker_of(states.get(states[str(name)]["Choices"][0]["Next"]))
        return mark if end is not None and end.kind is Kind.FAIL else None
    return mark
