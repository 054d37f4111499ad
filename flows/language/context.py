"""``$._context``: what a flow may know about its own run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.language.paths import CONTEXT_KEY

__all__ = ["RunContext", "with_context"]


@dataclass(frozen=True)
class RunContext:
    """The documented members of ``$._context``; times in token_info are seconds since 1970."""

    flow_id: str
    run_id: str
    username: str
    user_id: str
    email: str | None = None
    identities: tuple[str, ...] = ()
    token_info: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The JSON object, with the older name action_id for run_id that flows still use."""
        return {
            "flow_id": self.flow_id,
            "run_id": self.run_id,
            "action_id": self.run_id,
            "username": self.username,
            "email": self.email,
            "user_id": self.user_id,
            "identities": list(self.identities),
            "token_info": dict(self.token_info),
        }


def with_context(state: Any, context: RunContext) -> Any:
    """The state as references see it: itself plus ``_context``.

    A state that is not an object (a flow may put anything at ``$``) has no place for a context
    and is given back unchanged.
    """
    if not isinstance(state, dict):
        return state
    return {**state, CONTEXT_KEY: context.document()}
