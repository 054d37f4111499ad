"""A visit of a Choice as the decision that it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from flows.language.branches import ABSENT, branches, way_taken
from flows.steps.adapters.base import clean
from flows.steps.body import Body, Decision, OptionEntry
from flows.steps.values import StepStatus, Tags

__all__ = ["as_decided", "decision_of"]

QUESTION = "Which way does the run go?"
LONGEST_NAME = 128
"""Characters of the name of the state that it went to, where that is a tag."""


def decision_of(state: Mapping[str, Any], taken: str | None) -> Decision | None:
    """The ways that a Choice could go, with the conditions that lead there; `taken` is the name of
    the state that it went to, None where that is not known. None for what is no Choice."""
    options = [OptionEntry(name=name, why=why) for name, why in branches(state).items()]
    return Decision(options=options, chosen=taken, question=QUESTION) if options else None


def as_decided(body: Body) -> Body:
    """A body that tells the rules of a Choice and what they compare, with the decision that follows
    from these, as a harvest of the run tells it. What the body says itself stays."""
    if body.choice is None:
        return body
    state = {"Choices": body.choice.choices, "Default": body.choice.default}
    told = body.parameters if isinstance(body.parameters, dict) else {}
    taken, goes_on = way_taken(state, told)
    looked_at = {path: value for path, value in told.items() if value != ABSENT}
    new: dict[str, Any] = {"parameters": looked_at or None, "choice": None}
    if body.decision is None:
        new["decision"] = decision_of(state, taken)
    if taken is not None:
        new["tags"] = Tags({"next": clean(taken, LONGEST_NAME), **(body.tags or {})})
    if body.step.status is None and not goes_on:
        new["step"] = msgspec.structs.replace(body.step, status=StepStatus("FAILED"))
    return msgspec.structs.replace(body, **new)
