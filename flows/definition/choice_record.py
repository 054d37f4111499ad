"""What the state in front of a Choice says of it: its rules, and what they are about to compare.

Which way the run goes follows from these, so that nothing has to stand on the ways behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.definition.paths import PathSyntaxError, parse_path, simple_prefix
from flows.definition.secrets import without_secrets
from flows.language.branches import ABSENT, compared, is_private, shown_rules
from provenance_store.redaction import REDACTED

__all__ = ["MOST_RULES", "ChoiceRecord", "record_of_choice"]

MOST_RULES = 1_000
"""A body with more of them would be refused."""


@dataclass
class ChoiceRecord:
    """A part of the Parameters of a record state."""

    body: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)
    """Path -> why its value is not recorded."""
    may_fail: dict[str, None] = field(default_factory=dict)
    """Paths that cannot be read where there is nothing, so that no record is made then."""


def record_of_choice(state: Mapping[str, Any]) -> ChoiceRecord:
    """The record of a Choice that is valid and has no more than `MOST_RULES` rules."""
    choice = {"Choices": without_secrets("Choices", shown_rules(state["Choices"]))}
    if state.get("Default") is not None:
        choice["Default"] = state["Default"]
    values: dict[str, Any] = {}
    record = ChoiceRecord({"choice": choice})
    for path in compared(state):
        _read(path, values, record)
    if values:
        record.body = {"parameters": values, **record.body}
    return record


def _read(path: str, values: dict[str, Any], record: ChoiceRecord) -> None:
    """How the value at a path is sent. What an expression can name is sent without ever failing."""
    if is_private(path):
        values[path] = REDACTED
        record.left_out[path] = "it is private"
        return
    try:
        segments = parse_path(path).segments
    except PathSyntaxError as error:
        record.left_out[path] = f"the path {error}"
        return
    name, used = simple_prefix(segments)
    if not segments:
        record.left_out[path] = "it is the whole of the run's state"
    elif used < len(segments) or segments[0] == "_context":
        values[f"{path}.$"] = path
        record.may_fail[path] = None
    else:
        values[f"{path}.="] = f"getattr('{name}', '{ABSENT}')"
