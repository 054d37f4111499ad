"""Keys that are null: written by older clients for what an author left out, and as good as absent.

Some clients write ``"Comment": null`` for a function without a docstring, and null for every other
key that was not set. Such a definition means what it would mean without these keys, and is read so;
it keeps them when it is written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["without_nulls"]


def without_nulls(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition without the null keys of itself, its states and their Catches.

    What is in Parameters, Result and Choices is data, or a rule, and stays. Any JSON object may be
    given; it is not modified.
    """
    copy = _kept(definition)
    if isinstance(states := copy.get("States"), dict):
        copy["States"] = {name: _state(state) for name, state in states.items()}
    return copy


def _state(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    copy = _kept(state)
    if isinstance(entries := copy.get("Catch"), list):
        copy["Catch"] = [_kept(entry) if isinstance(entry, dict) else entry for entry in entries]
    return copy


def _kept(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in holder.items() if value is not None}
