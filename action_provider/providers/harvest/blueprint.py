"""The action provider at ``/harvest``: its routes, and their part of the OpenAPI document."""

from __future__ import annotations

from dataclasses import replace

from globus_action_provider_tools.data_types import ActionProviderDescription

from action_provider.auth import Authenticator, Caller
from action_provider.operations import Operation
from action_provider.providers.base import ProviderBlueprint, describe_provider
from action_provider.providers.envelope import (
    ActionLog,
    ActionStatus,
    Envelope,
    encode,
    read_status,
)
from action_provider.providers.harvest.actions import HarvestActions
from action_provider.providers.harvest.body import harvest_schema
from action_provider.providers.harvest.leases import read_harvest
from action_provider.providers.record import blueprint as record
from action_provider.settings import Options
from provenance_store.rows import ActionRow

__all__ = ["OPERATIONS", "HarvestBlueprint", "HarvestEnvelope"]


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


class HarvestBlueprint(ProviderBlueprint):
    """Harvests runs: an asynchronous action provider."""

    def __init__(
        self, harvests: HarvestActions, authenticator: Authenticator, options: Options
    ) -> None:
        self._harvests = harvests
        super().__init__("harvest", _description(options), harvests, authenticator, options)

    def run(self, caller: Caller, data: bytes) -> tuple[str, bool]:
        document, is_new = self._harvests.run(caller, data)
        return _public(document).decode(), is_new

    def shown(self, row: ActionRow) -> bytes:
        return _public(row.document)

    def log(self, row: ActionRow) -> ActionLog:
        entries = read_harvest(row.document).work.log
        return ActionLog(entries, len(entries), False, None)


def _public(document: str) -> bytes:
    """The status without the server's own notes."""
    return encode(read_status(document))


def _description(options: Options) -> ActionProviderDescription:
    return describe_provider(
        options,
        title="Braid: harvest a run",
        subtitle="Keeps the provenance of a whole run, read from its log.",
        description=(
            "Records every step of a run from its log in Globus Flows: what it used, what it made, "
            "and how it ended. One state at the end of a flow is enough for all its steps. What is "
            "recorded already is found again, and only completed."
        ),
        input_schema=harvest_schema(),
        synchronous=False,
    )
