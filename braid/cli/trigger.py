"""Starting a Globus flow because a record was invalidated, and why a run failed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from braid.cli.login import globus_app
from flows.definition.deploy import told_plainly
from provenance_store.errors import InvalidInput
from provenance_store.extras import extra

__all__ = ["PLACEHOLDERS", "filled", "flow_starter", "reason", "refusals", "what_went_wrong"]

with extra("globus", "Starting a flow"):
    from globus_sdk import SpecificFlowClient

PLACEHOLDERS = {
    "record": "the permanent name of the record",
    "cause": "why it was invalidated",
    "affected": "how many records derive from it",
    "affected_ids": "their permanent names, at most a thousand",
}
"""What a template may hold, in braces, and what it stands for."""
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def filled(template: Any, said: dict[str, Any]) -> Any:
    """The flow's input: the template with what an invalidation said in place of placeholders.

    A text that is only a placeholder becomes the value, a number or a list too; inside other
    text it becomes text. Raises InvalidInput for a placeholder that stands for nothing.
    """
    values = {
        "record": said["record"]["id"],
        "cause": said["cause"],
        "affected": said["affected"]["count"],
        "affected_ids": [record["id"] for record in said["affected"]["first"]],
    }
    return _filled(template, values)


def _filled(template: Any, values: dict[str, Any]) -> Any:
    if isinstance(template, dict):
        return {key: _filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(item, values) for item in template]
    if not isinstance(template, str):
        return template
    if (whole := _PLACEHOLDER.fullmatch(template)) and whole[1] in values:
        return values[whole[1]]
    return _PLACEHOLDER.sub(lambda found: _text(found[1], values), template)


def _text(name: str, values: dict[str, Any]) -> str:
    if name not in values:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise InvalidInput(f"{{{name}}} in the flow's input is unknown; known are {known}.")
    value = values[name]
    return ", ".join(value) if isinstance(value, list) else str(value)


def flow_starter(flow_id: str, label: str) -> Callable[[Any], str]:
    """Logs in to Globus; what comes back starts the flow with an input and gives the run's id."""
    with told_plainly():
        client = SpecificFlowClient(flow_id, app=globus_app())

    def start(document: Any) -> str:
        with told_plainly():
            return str(client.run_flow(document, label=label[:64])["run_id"])

    return start


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
