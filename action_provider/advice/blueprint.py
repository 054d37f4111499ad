"""The action provider at ``/query``."""

from __future__ import annotations

from typing import Any

from globus_action_provider_tools.data_types import ActionProviderDescription

from action_provider.actions.blueprint import ProviderBlueprint
from action_provider.actions.description import describe_provider
from action_provider.actions.status import ActionLog, LogEntry, read_status
from action_provider.advice.advice import Advice
from action_provider.advice.questions import question_schema
from action_provider.auth import Authenticator, Caller
from action_provider.settings import Options
from provenance_store.rows import ActionRow
from provenance_store.times import format_time

__all__ = ["AdviceBlueprint"]


class AdviceBlueprint(ProviderBlueprint):
    """Answers what flows ask in the middle of a run."""

    def __init__(self, advice: Advice, authenticator: Authenticator, options: Options) -> None:
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
