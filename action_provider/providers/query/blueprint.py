"""The action provider at ``/query``: its routes, and their part of the OpenAPI document."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from globus_action_provider_tools.data_types import ActionProviderDescription

from action_provider.auth import Authenticator, Caller
from action_provider.operations import Operation
from action_provider.providers.base import ProviderBlueprint, describe_provider
from action_provider.providers.envelope import ActionLog, Envelope, LogEntry, read_status
from action_provider.providers.query.actions import QueryActions
from action_provider.providers.query.questions import question_schema
from action_provider.providers.record import blueprint as record
from action_provider.settings import Options
from provenance_store.rows import ActionRow
from provenance_store.times import format_time

__all__ = ["OPERATIONS", "QueryBlueprint", "QueryEnvelope"]


class QueryEnvelope(Envelope, frozen=True):
    """A request to answer a question: Globus Flows sends it."""


_ASK = "Ask. 202 for a new action, 200 for a repeated request; both are final."
_SUMMARIES = {
    "introspect": "What can be asked, and the schema of the questions.",
    "run": _ASK,
    "run_action": _ASK,
    "cancel": "Always refused, for answers are given at once.",
    "cancel_action": "Always refused, for answers are given at once.",
    "release": "Forget an action.",
    "release_action": "Forget an action.",
}


def _asking(operation: Operation) -> Operation:
    return replace(
        operation,
        name=f"query_{operation.name}",
        path=operation.path.replace("/record", "/query", 1),
        summary=_SUMMARIES.get(operation.name, operation.summary),
        body=operation.body and QueryEnvelope,
    )


OPERATIONS: tuple[Operation, ...] = tuple(_asking(operation) for operation in record.OPERATIONS)
"""The same as the other provider's, for another body."""


class QueryBlueprint(ProviderBlueprint):
    """Answers what flows ask in the middle of a run."""

    def __init__(
        self, advice: QueryActions, authenticator: Authenticator, options: Options
    ) -> None:
        self._advice = advice
        super().__init__("query", _description(options), advice, authenticator, options)

    def run(self, caller: Caller, data: bytes) -> tuple[str, bool]:
        return self._advice.run(caller, data)

    def log(self, row: ActionRow) -> ActionLog:
        details: Any = read_status(row.document).details
        counts = {name: details[name] for name in ("ask", "found", "count")}
        time = format_time(row.created_at) or ""
        entry = LogEntry(time, "QuestionAnswered", "The answer is in the status.", counts)
        return ActionLog([entry], 1, False, None)


def _description(options: Options) -> ActionProviderDescription:
    return describe_provider(
        options,
        title="Braid: ask for models, records, validity",
        subtitle="Answers questions about provenance, for a flow to act on.",
        description=(
            "Answers at once and small: which models or records there are, and whether records "
            "can be relied on. A Choice state behind it decides by the answer. It tells only "
            "what its caller may see."
        ),
        input_schema=question_schema(),
    )
