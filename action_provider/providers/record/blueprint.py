"""The action provider at ``/record``: its routes, and their part of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from globus_action_provider_tools.data_types import ActionProviderDescription

from action_provider.auth import Authenticator, Caller
from action_provider.metrics import Metrics
from action_provider.operations import Operation
from action_provider.providers.action_store import EnumerateParameters
from action_provider.providers.base import ProviderBlueprint, describe_provider
from action_provider.providers.envelope import ActionLog, ActionPage, ActionStatus, Envelope, log_of
from action_provider.providers.record.actions import RecordActions, RecordAnswer
from action_provider.settings import Options
from provenance_store.rows import ActionRow

__all__ = ["OPERATIONS", "RecordBlueprint"]

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


class RecordBlueprint(ProviderBlueprint):
    """Records steps: by `record`, which is `RecordActions.run` here or in another process; `heard`
    is told of each request that was recorded."""

    def __init__(
        self,
        actions: RecordActions,
        record: Callable[[Caller, bytes], RecordAnswer],
        authenticator: Authenticator,
        metrics: Metrics,
        options: Options,
        input_schema: dict[str, Any],
        heard: Callable[[Caller, bytes], None] = lambda caller, data: None,
    ) -> None:
        self._answer = record
        self._heard = heard
        self._metrics = metrics
        description = _description(options, input_schema)
        super().__init__("record", description, actions, authenticator, options)

    def run(self, caller: Caller, data: bytes) -> tuple[str, bool]:
        return self.answered(caller, data, self._answer(caller, data))

    def answered(self, caller: Caller, data: bytes, answer: RecordAnswer) -> tuple[str, bool]:
        """Count what was recorded; the status of the action, and whether it is new."""
        self._metrics.recorded(answer.records, answer.steps)
        if answer.is_new:
            self._heard(caller, data)
        return answer.document, answer.is_new

    def log(self, row: ActionRow) -> ActionLog:
        return log_of(row.document, created_at=row.created_at)


def _description(options: Options, input_schema: dict[str, Any]) -> ActionProviderDescription:
    return describe_provider(
        options,
        title="Braid: record a step",
        subtitle="Keeps the provenance of a flow's steps, their inputs, outputs and models.",
        description=(
            "Records one step of a flow in a provenance store: what it used, what it made, and "
            "which versions of machine-learning models took part. It answers at once with a "
            "receipt, which later steps can pass on as their input."
        ),
        input_schema=input_schema,
    )
