"""One run that is being harvested: what the parts of a harvest share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.definition.digest import definition_digest
from flows.definition.nulls import without_nulls
from flows.definition.strip import strip
from flows.harvest.conventions import Conventions
from flows.harvest.facts import RunFacts
from flows.harvest.gaps import Gaps
from flows.harvest.lookup import LookupOfThen
from flows.harvest.report import Harvested
from flows.harvest.sink import HarvestSink
from flows.harvest.telling import Teller
from flows.harvest.visits import History
from flows.steps.adapters.base import ToldFiles
from flows.steps.body import Body, ModelEntry
from flows.steps.collections import Collections
from flows.steps.lookup import MemoryLookup
from flows.steps.outcome import outcome_of
from provenance_store.errors import InvalidInput
from provenance_store.recorder import Recorder
from provenance_store.store import Store
from provenance_store.viewer import Viewer

__all__ = ["Job"]


class _Clock:
    """Tells the time of the run."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


class Job:
    """A run's visits, what is known of them, and where the harvest stands."""

    def __init__(
        self,
        store: Store,
        facts: RunFacts,
        history: History,
        gaps: Gaps,
        definition: Mapping[str, Any],
        conventions: Conventions,
        who: str | None,
        alone_as: frozenset[str] | None,
        viewer: Viewer,
        collections: Collections,
    ) -> None:
        self.store = store
        self.reader = store.reader()
        self.facts = facts
        self.visits = history.visits
        self.gaps = gaps
        self.states: Mapping[str, Any] = without_nulls(definition)["States"]
        self.conventions = conventions
        self.collections = collections
        self.teller = Teller(facts, history, self.states, _digest(definition))
        self.sink = HarvestSink(store, facts.run_id, who=who)
        self._behind = store.recorder(run_id=facts.run_id, alone_as=alone_as).sink
        self.clock = _Clock(facts.started or history.last_time or 0)
        self.last_time = history.last_time or self.clock.at
        self.lookup_of_then = LookupOfThen(store.reader(viewer))
        self.lookup = MemoryLookup(self.lookup_of_then)
        self.ids: dict[int, int] = {}
        """Ids of steps by the places of their visits."""
        self.report = Harvested(facts.run_id, facts.status)
        self._outputs: dict[int, Sequence[int]] = {}

    def recorder(self) -> Recorder:
        """Records into the run's own sink, at the time of the run."""
        return Recorder(
            self.sink,
            run_id=self.facts.run_id,
            audience=self.facts.audience,
            environment=None,
            clock=self.clock,
        )

    def go_to(self, place: int, ordinal: int | None) -> None:
        """From now on it is the time of that visit, and ids are those of its place in the run."""
        visit = self.visits[place]
        times = (visit.ended, visit.started, self.clock.at)
        self.clock.at = next(time for time in times if time is not None)
        self.lookup_of_then.at = self.clock.at
        self.sink.at(ordinal)

    def models_of(self, body: Body) -> list[ModelEntry]:
        """The models that the flow's conventions find in a step."""
        if not self.conventions.rules or not outcome_of(body).succeeded:
            return []
        found, notes = self.conventions.models_of(body)
        self.report.notes += [f"{body.step.name}: {note}" for note in notes]
        return found

    def files_of(self, body: Body) -> ToldFiles:
        """The files that the flow's conventions find in a step."""
        used, made, notes = self.conventions.files_of(body)
        self.report.notes += [f"{body.step.name}: {note}" for note in notes]
        return ToldFiles(tuple(used), tuple(made))

    def note(self, place: int, error: InvalidInput) -> None:
        """Report what could not be recorded as it was."""
        self.report.notes.append(f"{self.visits[place].name}: {error.message}")

    def keep_outputs(self, place: int, outputs: Sequence[int]) -> None:
        """What a visit that is added made."""
        self._outputs[place] = outputs

    def outputs_of(self, place: int) -> Sequence[int]:
        """The records that a visit made."""
        if place not in self._outputs:
            self._outputs[place] = self.lookup.made_by(self.ids[place]).outputs
        return self._outputs[place]

    def write(self) -> None:
        """Write all that is held, in one transaction."""
        batch = self.sink.take()
        if len(batch):
            self._behind.write(batch)
            self.report.records += len(batch.record)


def _digest(definition: Mapping[str, Any]) -> str | None:
    """The digest of the definition as its author wrote it."""
    try:
        return definition_digest(strip(definition))
    except (InvalidInput, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
