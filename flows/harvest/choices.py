"""What a visit of a Choice looked at, as the log tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.harvest.visits import Visit
from flows.language.branches import compared, is_private
from flows.language.errors import LanguageError
from flows.language.paths import CONTEXT_KEY, resolve
from provenance_store.redaction import REDACTED

__all__ = ["looked_at"]


def looked_at(visit: Visit, state: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    """What the rules of a Choice compared, by the paths in the rules, as it was then; None where
    the log does not tell."""
    if not isinstance(visit.before, dict):  # a log may not tell
        return None
    view = {**visit.before, CONTEXT_KEY: context}
    found: dict[str, Any] = {}
    for path in compared(state):
        if is_private(path):
            found[path] = REDACTED
            continue
        try:
            found[path] = resolve(path, view)
        except (LanguageError, RecursionError):
            continue
    return found or None
