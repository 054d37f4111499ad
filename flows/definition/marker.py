"""How an injected state says that it was injected.

The state's Comment (the only key of a state whose content Globus Flows leaves alone) begins
with `COMMENT_START` for the reader and ends with a compact JSON marker for `strip`. Nothing
is inferred from names: a state an author wrote by hand is never taken for an injected one,
whatever it is called.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["COMMENT_START", "Kind", "Marker", "injected", "marker_of"]

COMMENT_START = "Recorded by Braid"
_TAG = " #braid:"
_VERSION = 1


class Kind(Enum):
    """What an injected state does."""

    AFTER = "after"
    """Records a step that ended normally; stands on the step's way out."""
    CAUGHT = "caught"
    """Records a failure on the edge of a Catch."""
    BEFORE_FAIL = "before-fail"
    """Records that the run is about to fail; stands before a Fail state."""
    CAPTURE = "capture"
    """Keeps aside, before a step, what the step will overwrite of its own inputs."""
    END = "end"
    """The end that a failing closing record falls through to."""
    HARVEST = "harvest"
    """Asks that the whole run be harvested."""
    FAIL = "fail"
    """Fails the run again after an uncaught failure was recorded."""


@dataclass(frozen=True)
class Marker:
    """What an injected state is, which state it belongs to, and what it changed there.

    ``undo`` holds only what the edges do not tell: ``{"ResultPath": "$" | None}`` when that
    key was set on the state, ``{"Catch": "added" | "appended"}`` when a Catch was, and
    ``{"added_to": [...]}`` names the states that got one and had none.
    """

    kind: Kind
    state: str
    undo: Mapping[str, Any]

    def comment(self, sentence: str) -> str:
        """The Comment of the injected state."""
        document: dict[str, Any] = {"v": _VERSION, "kind": self.kind.value, "state": self.state}
        if self.undo:
            document["undo"] = dict(self.undo)
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        return f"{COMMENT_START}: {sentence}{_TAG}{text}"


def marker_of(state: object) -> Marker | None:
    """The marker of an injected state, or None for a state that an author wrote."""
    comment = state.get("Comment") if isinstance(state, dict) else None
    if not isinstance(comment, str) or not comment.startswith(COMMENT_START):
        return None
    _, tag, text = comment.rpartition(_TAG)
    if not tag:
        return None
    try:
        document = json.loads(text)
        if document["v"] != _VERSION:
            return None
        return Marker(Kind(document["kind"]), str(document["state"]), document.get("undo", {}))
    except (ValueError, KeyError, TypeError):
        return None


def injected(states: Mapping[str, Any]) -> dict[str, Marker]:
    """The markers of all injected states, by state name."""
    found = ((name, marker_of(state)) for name, state in states.items())
    return {name: marker for name, marker in found if marker is not None}
