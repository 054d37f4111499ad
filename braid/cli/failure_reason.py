"""Why a run failed, from what Globus Flows tells of it."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["reason", "refusals", "what_went_wrong"]

LONGEST = 500
"""Of what an action provider says, so many characters are told."""


def reason(
    run: Mapping[str, Any], log: Sequence[Mapping[str, Any]], states: Mapping[str, Any]
) -> str:
    """In which state, and what its action provider said: a description, or a function's error.

    ``run`` is the run's document, ``log`` the entries of its log, as Globus Flows gives them, and
    ``states`` those of its definition: a state that only records is not the one that failed.
    """
    from flows.definition.strip import injected

    details, ours = run["details"], injected(states)
    failed = [entry["details"] for entry in log if entry["code"] == "ActionFailed"]
    failed = [each for each in failed if each.get("state_name") not in ours]
    where = f"in {failed[-1].get('state_name')}, " if failed else ""
    inner = details.get("details")
    cause: Any = inner.get("cause") if isinstance(inner, Mapping) else None
    cause = cause or details.get("description") or details.get("code")
    return f"{where}{_last_line(_said(cause))}"


def refusals(
    states: Mapping[str, Any], urls: Container[str], log: Iterable[Mapping[str, Any]]
) -> list[str]:
    """What the providers at these addresses refused, a line for each state, and why.

    A flow with record states goes on without them, so its own end does not tell.
    """
    from flows.harvest.values import error_of

    found: dict[str, str] = {}
    for details in (entry["details"] for entry in log if entry["code"] == "ActionFailed"):
        name = details.get("state_name")
        if states.get(name, {}).get("ActionUrl") in urls:
            found[name] = _last_line(_said(error_of(details).get("Cause")))
    return [f"{name} was refused: {why}" for name, why in found.items()]


def what_went_wrong(error: Any) -> str:
    """What the recorded error of a step tells: its name, and what the action provider said."""
    if not isinstance(error, Mapping):
        return _last_line(error)
    cause = error.get("Cause")
    parts = [error.get("Error"), cause and _last_line(_said(cause))]
    return ": ".join(str(part) for part in parts if part) or json.dumps(error, ensure_ascii=False)


def _said(cause: Any) -> Any:
    """What stands innermost in the status of a failed action."""
    status: Mapping[str, Any] = cause if isinstance(cause, Mapping) else {"description": cause}
    inner = status.get("details")
    told = inner if isinstance(inner, Mapping) else status
    results = told.get("result")
    first = results[0] if isinstance(results, list) and results else None
    return told.get("description") or first or cause


def _last_line(said: Any) -> str:
    """Of a traceback the line that matters."""
    return (str(said).strip().splitlines() or [""])[-1][:LONGEST]
