"""One run that is being harvested: what is given, what the parts of a harvest share, what it
says that it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.definition.load import definition_digest
from flows.definition.problems import without_nulls
from flows.definition.strip import strip
from flows.harvest.convention_files import Conventions
from flows.harvest.run_metadata import RunFacts
from flows.harvest.sink import HarvestSink
from flows.harvest.state_visits import Gaps, History
from flows.harvest.step_body import StepBodies
from flows.steps.adapters.base import FUNCTIONS, ToldFiles
from flows.steps.body import Body, ModelEntry
from flows.steps.collections import Collections
from flows.steps.lookup import MemoryLookup, StoreLookup, files_of_run
from flows.steps.outcome import outcome_of
from flows.steps.run_files import RunFiles
from provenance_store.errors import InvalidInput
from provenance_store.recording.recorder import Recorder
from provenance_store.service import StoreService
from provenance_store.store import Store
from provenance_store.values import Viewer

__all__ = ["Harvested", "Job", "LookupOfThen", "RunLog"]


@dataclass(frozen=True, slots=True)
class RunLog:
    """What the Flows service tells of a run: its log (any form that `read_log` takes), the
    definition as it was when the run started, and the run object if there is one."""

    log: Any
    definition: Mapping[str, Any]
    run: Mapping[str, Any] | None = None
    run_id: str | None = None


@dataclass(slots=True)
class Harvested:
    """What a harvest did. `steps` are the visits that the log tells of, Braid's own aside: each
    was `added`, `known` or is `waiting`; of the known ones `completed` got what they lacked."""

    run_id: str
    status: str
    steps: int = 0
    added: int = 0
    known: int = 0
    completed: int = 0
    waiting: int = 0
    linked: int = 0
    """How many links were added to known steps and their files, which nobody had told of."""
    records: int = 0
    """How many records were written, steps among them."""
    skipped: bool = False
    """Whether the log was not even read, for all of it was harvested before."""
    notes: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class LookupOfThen(StoreLookup):
    """A store's lookup as of the time `at`, in microseconds UTC."""

    def __init__(self, service: StoreService, viewer: Viewer) -> None:
        reader = service.documents(viewer)
        super().__init__(reader)
        self._service = service
        self._viewer = viewer
        self._all = reader
        self.at = 0
        self._new: dict[str, int] = {}

    def note(self, urns: Mapping[str, int]) -> None:
        """Told of what is recorded but not written yet."""
        self._new.update(urns)

    def resolve(self, reference: str) -> int:
        found = self._new.get(reference)
        return super().resolve(reference) if found is None else found

    def resolve_all(self, references: Iterable[str]) -> dict[str, int]:
        asked = list(references)
        new = {urn: self._new[urn] for urn in asked if urn in self._new}
        return new | super().resolve_all(urn for urn in asked if urn not in new)

    def find_uri(self, uri: str, *, run_id: str | None = None) -> int | None:
        return self.find_uris([uri], run_id=run_id).get(uri)

    def run_files(self, run_id: str) -> RunFiles:
        return RunFiles(*files_of_run(self._all, run_id, self.at))

    def called(self, run_id: str) -> set[int]:
        return self._all.called(run_id, FUNCTIONS, until=self.at)

    def find_uris(self, uris: Iterable[str], *, run_id: str | None = None) -> dict[str, int]:
        return self._service.find_uris_of_then(uris, viewer=self._viewer, at=self.at, run_id=run_id)


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
        self.service = StoreService(store)
        self.reader = store.documents()
        self.facts = facts
        self.visits = history.visits
        self.gaps = gaps
        self.states: Mapping[str, Any] = without_nulls(definition)["States"]
        self.conventions = conventions
        self.collections = collections
        self.teller = StepBodies(facts, history, self.states, _digest(definition))
        self.sink = HarvestSink(store, facts.run_id, who=who)
        self._behind = self.service.recorder(run_id=facts.run_id, alone_as=alone_as).sink
        self.clock = _Clock(facts.started or history.last_time or 0)
        self.last_time = history.last_time or self.clock.at
        self.lookup_of_then = LookupOfThen(self.service, viewer)
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
