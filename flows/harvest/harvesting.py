"""A run's history out of its log: what is not recorded yet is added, nothing is there twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from flows.definition.digest import definition_digest
from flows.definition.strip import strip
from flows.harvest.conventions import Conventions
from flows.harvest.facts import RunFacts, read_run, run_named_by
from flows.harvest.log import read_log
from flows.harvest.lookup import LookupOfThen
from flows.harvest.recorded import (
    Trace,
    is_ours,
    is_record_of,
    matched,
    receipts_of,
    records_follow,
    run_id_of,
)
from flows.harvest.sink import MAX_ORDINAL, HarvestSink
from flows.harvest.sources import Taken, outputs_taken, sources_of
from flows.harvest.spoken import SAID, said_of
from flows.harvest.telling import Teller, spare_body
from flows.harvest.visits import History, read_visits
from flows.steps import adapters
from flows.steps.adapters.base import Action
from flows.steps.body import Body, ModelEntry
from flows.steps.lookup import MemoryLookup
from flows.steps.models import Models
from flows.steps.outcome import outcome_of
from flows.steps.receipt import Receipt
from flows.steps.record import record_step
from flows.steps.things import Things
from provenance_store.errors import Conflict, InvalidInput, NotFound, TooLarge
from provenance_store.kinds import Role
from provenance_store.reader import RunStep
from provenance_store.recorder import Recorder
from provenance_store.redaction import redact
from provenance_store.sink import MemorySink
from provenance_store.store import Store
from provenance_store.times import format_time

__all__ = ["Harvested", "RunLog", "harvest", "is_harvested"]

ROWS_TOGETHER = 20_000
"""A long run is written in pieces of about so many rows."""
LOG = "log"
"""The document of a step that holds the entries whose codes say neither begin nor end."""


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
    skipped: bool = False
    """Whether the log was not even read, for all of it was harvested before."""
    notes: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def is_harvested(store: Store, run_id: str) -> bool:
    """Whether a run was harvested after it had ended: there is nothing more to come."""
    event_id = HarvestSink.final_event_of(store, run_id)
    return event_id is not None and store.reader().is_said_of_run(event_id)


def harvest(
    store: Store,
    given: RunLog,
    *,
    conventions: Conventions = Conventions(),  # noqa: B008 - it is frozen
    who: str | None = None,
) -> Harvested:
    """Record what a run's log tells and the store does not hold.

    Steps are as a record action would have recorded them, from the same documents, with the
    times of the run; what was recorded by the flow itself is found again. A state that is under
    way, or that the flow is about to record itself, waits for the next harvest. Harvesting a run
    again adds the difference only. One transaction, or several for a very long run. `conventions`
    tell which models the flow's results speak of; `who` is whom the rows are told to be made by,
    by default the login name.

    Raises InvalidInput when the log or the definition is none.
    """
    states = given.definition.get("States")
    if not isinstance(states, dict):
        raise InvalidInput("this is not a flow definition: it has no States.", path="$")
    entries = read_log(given.log)
    history = read_visits(entries, given.definition)
    named = given.run_id or run_id_of(history.visits) or run_named_by(entries)
    facts = read_run(given.run, history, named)
    try:
        return _Harvest(store, facts, history, given.definition, conventions, who).run()
    except Conflict:
        # Somebody else harvested, or the flow recorded, at the same moment: look once more.
        return _Harvest(store, facts, history, given.definition, conventions, who).run()


class _Clock:
    """Tells the time of the run."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


class _Harvest:
    """One run being harvested."""

    def __init__(
        self,
        store: Store,
        facts: RunFacts,
        history: History,
        definition: Mapping[str, Any],
        conventions: Conventions,
        who: str | None,
    ) -> None:
        self._store = store
        self._conventions = conventions
        self._facts = facts
        self._visits = history.visits
        self._states: Mapping[str, Any] = definition["States"]
        self._teller = Teller(facts, history, self._states, _digest(definition))
        self._reader = store.reader()
        self._sink = HarvestSink(store, facts.run_id, who=who)
        self._clock = _Clock(facts.started or history.last_time or 0)
        self._last_time = history.last_time or self._clock.at
        self._lookup_of_then = LookupOfThen(self._reader)
        self._lookup = MemoryLookup(self._lookup_of_then)
        self._ids: dict[int, int] = {}
        """Ids of steps by the places of their visits."""
        self._outputs: dict[int, Sequence[int]] = {}
        self._receipts: dict[str, Mapping[str, Any]] = {}
        """What record states that were not answered should have got, by their ResultPaths."""
        self._report = Harvested(facts.run_id, facts.status)

    def run(self) -> Harvested:
        places = [p for p, visit in enumerate(self._visits) if not is_ours(visit, self._states)]
        self._report.steps = len(places)
        places = self._ready(places)
        self._report.waiting = self._report.steps - len(places)
        if len(places) > MAX_ORDINAL:
            raise TooLarge(f"The run has more than {MAX_ORDINAL} steps.")
        recorder = self._recorder()
        known = self._known(places)
        self._walk(recorder, places, known)
        self._say_of_run()
        self._write()
        return self._report

    def _recorder(self) -> Recorder:
        return Recorder(
            self._sink,
            run_id=self._facts.run_id,
            audience=self._facts.audience,
            environment=None,
            clock=self._clock,
        )

    # ---- what is there -------------------------------------------------------------------

    def _ready(self, places: list[int]) -> list[int]:
        """The visits that can be recorded: not one that is under way, nor one that the flow is
        about to record itself."""
        if self._facts.is_over or not places:
            return places
        last = places[-1]
        visit = self._visits[last]
        recorded = any(each.is_over for each in self._visits[last + 1 :])
        if not visit.is_over or (records_follow(visit.name, self._states) and not recorded):
            return places[:-1]
        return places

    def _known(self, places: list[int]) -> dict[int, RunStep]:
        """The recorded steps of visits, by place."""
        steps = self._reader.run_steps(self._facts.run_id)
        receipts = receipts_of(self._visits, self._states)
        ids = self._reader.resolve_all(receipts.values())
        traces = [
            Trace(
                place,
                self._visits[place].name,
                ordinal,
                self._teller.outcome(place).action_id,
                ids.get(receipts.get(place, "")),
            )
            for ordinal, place in enumerate(places, start=1)
        ]
        return matched(traces, steps)

    # ---- what is added -------------------------------------------------------------------

    def _walk(self, recorder: Recorder, places: list[int], known: Mapping[int, RunStep]) -> None:
        new = [place for place in places if place not in known]
        taken = sources_of(self._visits, self._states) if new else []
        before: int | None = None
        for ordinal, place in enumerate(places, start=1):
            self._go_to(place, ordinal)
            if place in known:
                self._ids[place] = known[place].id
                self._complete(recorder, place, known[place])
                self._add_models(recorder, place, ordinal)
                if new and place < new[-1]:
                    self._note_outputs(place)
            else:
                self._add(recorder, place, ordinal, taken[place], before)
            before = place if place in self._ids else before
            if self._sink.rows > ROWS_TOGETHER:
                self._write()

    def _go_to(self, place: int, ordinal: int) -> None:
        visit = self._visits[place]
        times = (visit.ended, visit.started, self._clock.at)
        self._clock.at = next(time for time in times if time is not None)
        self._lookup_of_then.at = self._clock.at
        self._sink.at(ordinal)

    def _add(
        self,
        recorder: Recorder,
        place: int,
        ordinal: int,
        taken: Sequence[Taken],
        before: int | None,
    ) -> None:
        used, informed = self._links(taken, before)

        def record(body: Body, models: Sequence[ModelEntry]) -> None:
            self._sink.at(ordinal)
            with recorder.together():
                receipt = record_step(
                    recorder,
                    self._lookup,
                    body,
                    ordinal=ordinal,
                    also_used=used,
                    informed_by=informed,
                    also_models=models,
                )
                self._keep_others(recorder, place, receipt.step)
            self._ids[place], self._outputs[place] = receipt.step, receipt.outputs
            self._keep_receipt(place, receipt)

        body = self._said(place, self._teller.body(place))
        if models := self._models(body):
            try:
                record(body, models)
            except InvalidInput as error:
                self._note(place, error)
        if place not in self._ids:
            try:
                record(body, ())
            except InvalidInput as error:
                self._note(place, error)
                record(spare_body(body, error.message[:1000]), ())
        self._report.added += 1

    def _said(self, place: int, body: Body) -> Body:
        """The body with what the author's own record state, which was not answered, says."""
        try:
            said = said_of(
                place,
                self._visits,
                self._states,
                receipts=self._receipts,
                context=self._facts.context,
            )
        except InvalidInput as error:
            self._note(place, error)
            return body
        if said is None:
            return body
        given = {name: getattr(said, name) for name in SAID}
        more = {name: value for name, value in given.items() if value is not None}
        return msgspec.structs.replace(body, **more)

    def _keep_receipt(self, place: int, receipt: Receipt) -> None:
        """What later record states refer to where this one's receipt should have been."""
        following = self._visits[place + 1].name if place + 1 < len(self._visits) else ""
        state = self._states.get(following)
        if isinstance(state, dict) and is_record_of(state, self._visits[place].name):
            models = (head.id for head in receipt.models)
            ids = (receipt.step, *receipt.inputs, *receipt.outputs, *models)
            self._lookup_of_then.note({self._store.sink.urn(i): i for i in ids})
            if isinstance(path := state.get("ResultPath"), str):
                self._receipts[path] = receipt.document()

    def _models(self, body: Body) -> list[ModelEntry]:
        """The models that the flow's conventions find in a step."""
        if not self._conventions.rules or not outcome_of(body).succeeded:
            return []
        found, notes = self._conventions.models_of(body)
        self._report.notes += [f"{body.step.name}: {note}" for note in notes]
        return found

    def _note(self, place: int, error: InvalidInput) -> None:
        self._report.notes.append(f"{self._visits[place].name}: {error.message}")

    def _links(self, taken: Sequence[Taken], before: int | None) -> tuple[list[int], list[int]]:
        """The records that a visit took values of, and the steps that it only followed."""
        used: dict[int, None] = {}
        informed: dict[int, None] = {}
        gave: set[int] = set()
        for place, path in taken:
            if place not in self._ids:
                continue
            visit = self._visits[place]
            result = self._teller.result(visit)
            if found := outputs_taken(path, result, self._outputs_of(place)):
                used.update(dict.fromkeys(found))
                gave.add(place)
            else:
                informed[self._ids[place]] = None
        if before is not None and before not in gave:
            informed[self._ids[before]] = None
        return list(used), list(informed)

    def _outputs_of(self, place: int) -> Sequence[int]:
        if place not in self._outputs:
            self._outputs[place] = self._lookup.made_by(self._ids[place]).outputs
        return self._outputs[place]

    def _note_outputs(self, place: int) -> None:
        """What a recorded step made is what later steps find at its URIs."""
        body = self._teller.body(place)
        step = body.step
        try:
            action = Action(
                step.name,
                step.action_url,
                redact(body.parameters),
                redact(body.result),
                outcome_of(body).succeeded,
                step.type == "Action",
            )
        except InvalidInput:
            return
        things, outputs = adapters.derive(action).outputs, self._outputs_of(place)
        if len(things) != len(outputs):
            return
        for thing, record_id in zip(things, outputs, strict=True):
            for uri in thing.uris:
                self._lookup.note_uri(uri.uri, record_id, run_id=self._facts.run_id)

    def _keep_others(self, recorder: Recorder, place: int, step_id: int) -> None:
        if others := self._visits[place].others:
            recorder.payload(step_id, LOG, [entry.document() for entry in others])

    # ---- what is completed ---------------------------------------------------------------

    def _complete(self, recorder: Recorder, place: int, step: RunStep) -> None:
        """Add to a recorded step what it lacks: its end, its documents."""
        self._report.known += 1
        wanted = {"parameters", "result", "error"} - step.documents
        if step.reduced or (step.status is not None and not wanted):
            return
        body = self._teller.body(place)
        documents = {name: getattr(body, name) for name in sorted(wanted)}
        missing = {name: value for name, value in documents.items() if value is not None}
        outcome = outcome_of(body)
        ends = step.status is None and outcome.ended
        if not (missing or ends):
            return
        try:
            with recorder.together():
                if ends:
                    recorder.finish(step.id, outcome.status, completed_at=outcome.completed_at)
                for name, value in missing.items():
                    recorder.payload(step.id, name, value)
        except InvalidInput as error:
            self._report.notes.append(f"{step.name}: {error.message}")
        else:
            self._report.completed += 1

    def _add_models(self, recorder: Recorder, place: int, ordinal: int) -> None:
        """Versions that the flow's conventions find in a step that was recorded without any."""
        if not self._conventions.rules:
            return
        body, step_id = self._teller.body(place), self._ids[place]
        making = [entry for entry in self._models(body) if entry.makes_version]
        if not making or self._lookup.made_by(step_id).models:
            return
        used = self._used_by(step_id)
        self._sink.at(ordinal, addition=True)
        try:
            with recorder.together():
                models = Models(Things(recorder, self._lookup), body.step.name)
                models.read(making)
                recorder.generated(step_id, [head.id for head in models.make(used)])
        except InvalidInput as error:
            self._note(place, error)
        else:
            self._report.completed += 1

    def _used_by(self, step_id: int) -> list[int]:
        """The records that a step used, its models aside."""
        links = self._reader.record(self._store.sink.urn(step_id))["links"]
        used = [x["id"] for x in links if x["role"] == Role.USED.label and x["kind"] != "model"]
        return list(self._reader.resolve_all(used).values())

    # ---- the run -------------------------------------------------------------------------

    def _say_of_run(self) -> None:
        facts = self._facts
        is_last = facts.is_over
        if is_last:
            event_id = self._sink.final_event_id
            if self._reader.is_said_of_run(event_id):
                return
        elif self._is_said():
            return
        else:
            event_id = self._sink.new_event_id()
        held = MemorySink()
        Recorder(held, environment=None).run(
            facts.run_id,
            at=facts.ended if is_last and facts.ended is not None else self._last_time,
            flow_id=facts.flow_id,
            flow_title=facts.flow_title,
            label=facts.label,
            status=facts.status,
            run_owner=facts.owner,
            start_time=facts.started,
            completion_time=facts.ended if is_last else None,
            audience=facts.audience,
            tags=facts.tags,
        )
        (batch,) = held.batches
        batch.run_event = [event._replace(id=event_id) for event in batch.run_event]
        self._sink.hold(batch)

    def _is_said(self) -> bool:
        """Whether the store says the same of the run already."""
        facts = self._facts
        try:
            said = self._reader.run(facts.run_id, limit=1)
        except NotFound:
            return False
        wanted = {
            "flow_id": facts.flow_id,
            "flow_title": facts.flow_title,
            "label": facts.label,
            "status": facts.status,
            "run_owner": facts.owner,
            "start_time": None if facts.started is None else format_time(facts.started),
        }
        same = all(value is None or said.get(name) == value for name, value in wanted.items())
        return same and set(facts.tags) <= set(said.get("tags") or ())

    def _write(self) -> None:
        batch = self._sink.take()
        if len(batch):
            self._store.sink.write(batch)


def _digest(definition: Mapping[str, Any]) -> str | None:
    """The digest of the definition as its author wrote it."""
    try:
        return definition_digest(strip(definition))
    except (InvalidInput, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
