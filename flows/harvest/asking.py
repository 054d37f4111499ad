"""States that ask for their own run to be harvested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.harvest.facts import FINAL
from flows.harvest.log import read_log
from flows.harvest.report import RunLog
from flows.harvest.visits import read_visits
from flows.language.templates import bare_key

__all__ = ["ASKED", "is_asking", "is_behind"]

ASKED = frozenset({"run_id", "flow_id", "conventions", "on_missing_consent"})
"""The members of the body of a harvest action."""


def is_asking(state: Any) -> bool:
    """Whether a state calls the action provider at ``/harvest``, injected or by hand."""
    if not isinstance(state, dict) or state.get("Type") != "Action":
        return False
    url, parameters = state.get("ActionUrl"), state.get("Parameters")
    if not isinstance(url, str) or not url.rstrip("/").endswith("/harvest"):
        return False
    names = {bare_key(key) for key in parameters} if isinstance(parameters, dict) else set()
    return "run_id" in names <= ASKED


def is_behind(given: RunLog) -> bool:
    """Whether a run goes on, and its log has not come to any of its states that ask.

    A run does one thing at a time: when such a state is asking, all before it is over. So a log
    that does not tell of it yet may lack more.
    """
    states: Mapping[str, Any] = given.definition.get("States") or {}
    asking = {name for name, state in states.items() if is_asking(state)}
    if not asking or (given.run or {}).get("status") in FINAL:
        return False
    visits = read_visits(read_log(given.log), given.definition).visits
    return not visits or visits[-1].name not in asking
