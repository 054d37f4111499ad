"""The action provider at ``/harvest``."""

from __future__ import annotations

from globus_action_provider_tools.data_types import ActionProviderDescription

from action_provider.actions.blueprint import ProviderBlueprint
from action_provider.actions.description import describe_provider
from action_provider.actions.status import ActionLog, encode, read_status
from action_provider.auth import Authenticator, Caller
from action_provider.harvest.actions import Harvests
from action_provider.harvest.body import harvest_schema
from action_provider.harvest.status import read_harvest
from action_provider.settings import Options
from provenance_store.rows import ActionRow

__all__ = ["HarvestBlueprint"]


class HarvestBlueprint(ProviderBlueprint):
    """Harvests runs: an asynchronous action provider."""

    def __init__(self, harvests: Harvests, authenticator: Authenticator, options: Options) -> None:
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
