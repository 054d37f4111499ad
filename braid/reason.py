"""Why a run failed, from what Globus Flows tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["reason"]

LONGEST = 500
"""Of what an action provider says, so many characters are told."""


def reason(run: Mapping[str, Any], log: Sequence[Mapping[str, Any]]) -> str:
    """In which state, and what its action provider said: a description, or a function's error.

    ``run`` is the run's document and ``log`` the entries of its log, as Globus Flows gives them.
    """
    details = run["details"]
    failed = [entry["details"] for entry in log if entry["code"] == "ActionFailed"]
    where = f"in {failed[-1].get('state_name')}, " if failed else ""
    inner = details.get("details")
    cause: Any = inner.get("cause") if isinstance(inner, Mapping) else None
    cause = cause or details.get("description") or details.get("code")
    return f"{where}{_last_line(_said(cause))}"


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
