"""The routes of ``/query`` as declared in the OpenAPI document; the toolkit adds them."""

from __future__ import annotations

from dataclasses import replace

from action_provider.actions.envelope import Envelope
from action_provider.operations import Operation
from action_provider.record import operations as record

__all__ = ["OPERATIONS", "QueryEnvelope"]


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
