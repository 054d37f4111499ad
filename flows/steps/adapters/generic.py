"""Any other step: what is known of it is in its documents; nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.steps.adapters.base import Action, Derived, mapping, tags

__all__ = ["GenericAdapter"]


class GenericAdapter:
    """Fits everything and never fails."""

    def knows(self, operation: str) -> bool:
        return True

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return True

    def derive(self, action: Action) -> Derived:
        """The label and display status of the action as tags of the step."""
        return Derived(tags=tags(mapping(action.result), "label", "display_status"))
