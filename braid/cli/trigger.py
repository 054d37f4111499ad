"""Starting a Globus flow because a record was invalidated: one that tells people, or computes
again. Its input is a template; nothing but a flow that the caller names is ever started.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from braid.cli.login import globus_app
from flows.definition.deploy import told_plainly
from provenance_store.errors import InvalidInput
from provenance_store.extras import extra

with extra("globus", "Starting a flow"):
    from globus_sdk import SpecificFlowClient

__all__ = ["PLACEHOLDERS", "filled", "flow_starter"]

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
