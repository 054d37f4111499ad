"""The action provider at ``/record``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from globus_action_provider_tools.data_types import ActionProviderDescription

from action_provider.actions.blueprint import ProviderBlueprint
from action_provider.actions.description import describe_provider
from action_provider.actions.status import ActionLog, log_of
from action_provider.auth import Authenticator, Caller
from action_provider.metrics import Metrics
from action_provider.record.actions import Actions, Answer
from action_provider.settings import Options
from provenance_store.rows import ActionRow

__all__ = ["RecordBlueprint"]


class RecordBlueprint(ProviderBlueprint):
    """Records steps: by `record`, which is `Actions.run` here or in another process; `heard` is
    told of each request that was recorded."""

    def __init__(
        self,
        actions: Actions,
        record: Callable[[Caller, bytes], Answer],
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

    def answered(self, caller: Caller, data: bytes, answer: Answer) -> tuple[str, bool]:
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
