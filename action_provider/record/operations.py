"""The action provider's routes as declared in the OpenAPI document; the toolkit adds them."""

from __future__ import annotations

from typing import Any

from action_provider.actions.envelope import Envelope
from action_provider.actions.listing import EnumerateParameters
from action_provider.actions.status import ActionLog, ActionPage, ActionStatus
from action_provider.operations import Operation

__all__ = ["OPERATIONS"]

ACTION_ID = {"action_id": "The action's id."}
REFUSED = (401, 403, 404, 503)


def _on_action(
    name: str, method: str, path: str, summary: str, shape: Any, *errors: int
) -> Operation:
    return Operation(
        name,
        method,
        f"/record{path}",
        summary,
        {200: shape} if shape else {},
        errors=(*REFUSED, *errors),
        path_help=ACTION_ID,
    )


def _run(name: str, path: str) -> Operation:
    return Operation(
        name,
        "POST",
        f"/record{path}",
        "Record a step. 202 for a new action, 200 for a repeated request; both are final.",
        {200: ActionStatus, 202: ActionStatus},
        errors=(400, 401, 403, 404, 409, 413, 422, 503),
        body=Envelope,
    )


_STATUS = "The status of an action."
_CANCEL = "Always refused, for recording is synchronous."
_RESUME = "The final status, unchanged."
_RELEASE = "Forget an action; the records stay."
_LOG = "What happened to an action."

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "introspect",
        "GET",
        "/record/",
        "What this action provider is, and the schema of what it takes.",
        {200: dict[str, Any]},
        errors=(401, 404, 503),
    ),
    _run("run", "/run"),
    _run("run_action", "/actions"),
    Operation(
        "enumerate_actions",
        "GET",
        "/record/actions",
        "The actions that the caller may see, newest first.",
        {200: ActionPage},
        errors=(401, 403, 422, 503),
        parameters=EnumerateParameters,
    ),
    _on_action("status", "GET", "/<string:action_id>/status", _STATUS, ActionStatus),
    _on_action("get_action", "GET", "/actions/<string:action_id>", _STATUS, ActionStatus),
    _on_action("cancel", "POST", "/<string:action_id>/cancel", _CANCEL, None, 409),
    _on_action("cancel_action", "POST", "/actions/<string:action_id>/cancel", _CANCEL, None, 409),
    _on_action("resume", "POST", "/<string:action_id>/resume", _RESUME, ActionStatus),
    _on_action(
        "resume_action", "POST", "/actions/<string:action_id>/resume", _RESUME, ActionStatus
    ),
    _on_action("release", "POST", "/<string:action_id>/release", _RELEASE, ActionStatus),
    _on_action("release_action", "DELETE", "/actions/<string:action_id>", _RELEASE, ActionStatus),
    _on_action("log", "GET", "/<string:action_id>/log", _LOG, ActionLog),
    _on_action("log_action", "GET", "/actions/<string:action_id>/log", _LOG, ActionLog),
)
