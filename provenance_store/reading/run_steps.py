"""The steps of a run in brief: what tells whether a visit of a state is recorded already."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from provenance_store.kinds import Role
from provenance_store.reading.view import View
from provenance_store.sql import harvest

__all__ = ["Call", "RunPlace", "RunStep", "run_steps"]


class RunPlace(NamedTuple):
    """A place of a record of a run, in its normal form, or a document of one of its steps."""

    record_id: int
    at: int
    uri: str | None
    folder: str | None
    role: int | None
    """The first of the roles in which it depends on others; None when it depends on nothing."""
    document: str | None

    @property
    def is_made(self) -> bool:
        """Whether a step made it."""
        return self.role == Role.GENERATED_BY


class Call(NamedTuple):
    """A step by what it did: its state's name, and the functions that it called."""

    step_id: int
    name: str
    functions: frozenset[int]
    same_flow: bool = True
    """Whether its run is one of the flow that was asked for."""

    def is_like(self, other: Call) -> bool:
        """Whether it did what a step of that flow does: it has the name of its state, or called
        one of its functions."""
        same_state = self.same_flow and self.name == other.name
        return same_state or not self.functions.isdisjoint(other.functions)


class RunStep(NamedTuple):
    """A recorded step. `status` is None where its end is not known; `documents` are the names of
    what is kept with it; `reduced` when some of that was dropped by age."""

    id: int
    name: str
    type: str
    action_id: str | None
    ordinal: int | None
    status: str | None
    reduced: bool
    documents: frozenset[str]


def run_steps(view: View, run_id: str) -> list[RunStep]:
    """All visible steps of a run in the order in which they began."""
    rows = view.all(harvest.steps(run_id, view.viewer))
    kept: dict[int, set[str]] = defaultdict(set)
    for record_id, name in view.all(harvest.payload_names(run_id)) if rows else ():
        kept[record_id].add(name)
    return [RunStep._make((*row[:6], bool(row[6]), frozenset(kept[row[0]]))) for row in rows]
