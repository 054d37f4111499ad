"""The routes of ``/harvest`` as declared in the OpenAPI document; the toolkit adds them."""

from __future__ import annotations

from dataclasses import replace

from action_provider.actions.envelope import Envelope
from action_provider.actions.status import ActionStatus
from action_provider.operations import Operation
from action_provider.record import operations as record

__all__ = ["OPERATIONS", "HarvestEnvelope"]


class HarvestEnvelope(Envelope, frozen=True):
    """A request to harvest a run: Globus Flows sends it."""


_HARVEST = "Harvest a run. 202 for a new action, 200 for a repeated request; ask for its status."
_CANCEL = "Stop a harvest; what was recorded until then stays. Refused when it is final."
_RESUME = "Go on with a harvest that waited for a consent."
_RELEASE = "Forget an action that is final; the records stay."
_SUMMARIES = {
    "introspect": "What can be harvested, and the schema of what is asked.",
    "run": _HARVEST,
    "cancel": _CANCEL,
    "resume": _RESUME,
    "release": _RELEASE,
}


def _harvesting(operation: Operation) -> Operation:
    plain = operation.name.removesuffix("_action")
    is_cancel = plain == "cancel"
    can_conflict = is_cancel or plain == "release"
    return replace(
        operation,
        name=f"harvest_{operation.name}",
        path=operation.path.replace("/record", "/harvest", 1),
        summary=_SUMMARIES.get(plain, operation.summary),
        body=operation.body and HarvestEnvelope,
        answers={200: ActionStatus} if is_cancel else operation.answers,
        errors=tuple(sorted({*operation.errors, *({409} if can_conflict else ())})),
    )


OPERATIONS: tuple[Operation, ...] = tuple(_harvesting(operation) for operation in record.OPERATIONS)
"""The same as the recording provider's, for another body, and actions that take their time."""
