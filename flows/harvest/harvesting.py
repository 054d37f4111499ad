"""A run's history out of its log: what is not recorded yet is added, nothing is there twice."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from flows.definition.problems import without_nulls
from flows.harvest.adding import Adder, add_files, add_models, complete
from flows.harvest.convention_files import Conventions
from flows.harvest.job import Harvested, Job, RunLog
from flows.harvest.log import read_log
from flows.harvest.recorded import (
    Trace,
    is_ours,
    keeps_failed,
    matched,
    receipts_of,
    records_follow,
    run_id_of,
)
from flows.harvest.run_metadata import RunFacts, read_run, run_named_by
from flows.harvest.sink import MAX_ORDINAL, HarvestSink
from flows.harvest.state_visits import check_states, gaps_of, has_more_pages, read_visits
from flows.harvest.taken_results import note_outputs, sources_of
from flows.steps.collections import Collections, collections_of_settings
from provenance_store.errors import Conflict, InvalidInput, NotFound, TooLarge
from provenance_store.queries.document_reader import DocumentReader, RunStep
from provenance_store.recording.recorder import Recorder
from provenance_store.service import StoreService
from provenance_store.sink import MemorySink
from provenance_store.store import Store
from provenance_store.times import format_time
from provenance_store.values import EVERYTHING, Viewer

__all__ = ["check_definition", "harvest", "is_harvested", "say_of_run"]


def say_of_run(job: Job) -> None:
    """Hold the event that says of the run what the store does not say yet: of one that is over
    and whose log is whole, the last there is, under an id of its own."""
    facts = job.facts
    if facts.is_over and job.gaps.is_whole:
        event_id = job.sink.final_event_id
        if job.service.is_said_of_run(event_id):
            return
    elif _is_said(facts, job.reader):
        return
    else:
        event_id = job.sink.new_event_id()
    held = MemorySink()
    Recorder(held, environment=None).run(
        facts.run_id,
        at=facts.ended if facts.is_over and facts.ended is not None else job.last_time,
        flow_id=facts.flow_id,
        flow_title=facts.flow_title,
        label=facts.label,
        status=facts.status,
        run_owner=facts.owner,
        start_time=facts.started,
        completion_time=facts.ended if facts.is_over else None,
        audience=facts.audience,
        tags=facts.tags,
    )
    (batch,) = held.batches
    batch.run_event = [event._replace(id=event_id) for event in batch.run_event]
    job.sink.hold(batch)


def _is_said(facts: RunFacts, reader: DocumentReader) -> bool:
    """Whether the store says the same of the run already."""
    try:
        said = reader.run(facts.run_id, limit=1)
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


ROWS_TOGETHER = 20_000
"""A long run is written in pieces of about so many rows."""


def is_harvested(store: Store, run_id: str) -> bool:
    """Whether a run was harvested after it had ended: there is nothing more to come."""
    event_id = HarvestSink.final_event_of(store, run_id)
    return event_id is not None and StoreService(store).is_said_of_run(event_id)


def check_definition(definition: Mapping[str, Any]) -> None:
    """Raise InvalidInput when it cannot be that of a flow."""
    if not isinstance(definition.get("States"), dict):
        raise InvalidInput("this is not a flow definition: it has no States.", path="$")


def harvest(
    store: Store,
    given: RunLog,
    *,
    conventions: Conventions = Conventions(),  # noqa: B008 - it is frozen
    who: str | None = None,
    alone_as: frozenset[str] | None = None,
    viewer: Viewer = EVERYTHING,
    collections: Collections | None = None,
) -> Harvested:
    """Record what a run's log tells and the store does not hold.

    Steps are as a record action would have recorded them, from the same documents, with the
    times of the run; what was recorded by the flow itself is found again. A state that is under
    way, or that the flow is about to record itself, waits for the next harvest. Harvesting a run
    again adds the difference only. One transaction, or several for a very long run. `conventions`
    tell which models the flow's results speak of; `who` is whom the rows are told to be made by,
    by default the login name. What the run refers to, such as earlier files and models, is looked
    for among what the `viewer` may see. `collections` are those of Compute endpoints, besides what
    the settings say.

    A log that lacks its beginning, pages or entries gives the steps that it is sure of, and notes
    that say what is missing; the whole log adds the rest later.

    Raises InvalidInput when the log or the definition is none, or the definition that of another
    flow; with `alone_as`, principals, NotAllowed when anything was recorded of the run by somebody
    whose things these do not manage.
    """
    check_definition(given.definition)
    entries = read_log(given.log)
    definition = without_nulls(given.definition)
    history = read_visits(entries, definition)
    check_states(history, definition["States"])
    gaps = gaps_of(history, definition["States"], more=has_more_pages(given.log))
    named = given.run_id or run_id_of(history.visits) or run_named_by(entries)
    facts = read_run(given.run, history, named)
    endpoints = {**collections_of_settings(), **(collections or {})}
    how = (conventions, who, alone_as, viewer, endpoints)
    job = partial(Job, store, facts, history, gaps, given.definition, *how)
    try:
        return _run(job())
    except Conflict:
        # Somebody else harvested, or the flow recorded, at the same moment: look once more.
        return _run(job())


def _run(job: Job) -> Harvested:
    places = [p for p, visit in enumerate(job.visits) if not is_ours(visit, job.states)]
    job.report.steps = len(places)
    ordered = _ordered(job, _ready(job, places))
    job.report.waiting = job.report.steps - len(ordered)
    if len(ordered) > MAX_ORDINAL:
        raise TooLarge(f"The run has more than {MAX_ORDINAL} steps.")
    _walk(job, ordered, _known(job, ordered))
    _say_what_is_missing(job)
    say_of_run(job)
    job.write()
    return job.report


def _ready(job: Job, places: list[int]) -> list[int]:
    """The visits that can be recorded: not one that is under way, nor one that the flow is
    about to record itself."""
    if (job.facts.is_over and not job.gaps.more) or not places:
        return places
    last = places[-1]
    visit = job.visits[last]
    behind = [v for v in job.visits[last + 1 :] if not keeps_failed(v.name, job.states)]
    recorded = any(each.is_over for each in behind)
    if not visit.is_over or (records_follow(visit.name, job.states) and not recorded):
        return places[:-1]
    return places


def _ordered(job: Job, places: list[int]) -> dict[int, int | None]:
    """Each visit that can be recorded, with its place among the author's own states: None behind a
    gap of the log, where a visit is known again by its action's id only."""
    found: dict[int, int | None] = {}
    for ordinal, place in enumerate(places, start=1):
        if job.gaps.is_placed(place):
            found[place] = ordinal
        elif job.teller.outcome(place).action_id is not None:
            found[place] = None
    return found


def _say_what_is_missing(job: Job) -> None:
    job.report.notes += job.gaps.notes
    if not job.gaps.is_whole and job.report.waiting:
        job.report.notes.append(
            f"{job.report.waiting} of {job.report.steps} steps wait for the whole log, which adds "
            "what is missing."
        )


def _known(job: Job, places: Mapping[int, int | None]) -> dict[int, RunStep]:
    """The recorded steps of visits, by place."""
    steps = job.reader.run_steps(job.facts.run_id)
    receipts = receipts_of(job.visits, job.states)
    ids = job.reader.resolve_all(receipts.values())
    traces = [
        Trace(
            place,
            job.visits[place].name,
            ordinal,
            job.teller.outcome(place).action_id,
            ids.get(receipts.get(place, "")),
        )
        for place, ordinal in places.items()
    ]
    return matched(traces, steps)


def _walk(job: Job, places: Mapping[int, int | None], known: Mapping[int, RunStep]) -> None:
    """Add or complete each visit in its turn."""
    recorder = job.recorder()
    adder = Adder(job, recorder)
    new = [place for place in places if place not in known]
    taken = sources_of(job.visits, job.states) if new else []
    before: int | None = None
    for place, ordinal in places.items():
        job.go_to(place, ordinal)
        if place in known:
            job.ids[place] = known[place].id
            complete(job, recorder, place, known[place])
            models = add_models(job, recorder, place, ordinal)
            add_files(job, recorder, place, ordinal, known[place], models)
            job.lookup.note_files(job.facts.run_id, models, ())
            if new and place < new[-1]:
                note_outputs(job, place)
        else:
            adder.add(place, ordinal, taken[place], before)
        before = place if place in job.ids else before
        if job.sink.rows > ROWS_TOGETHER:
            job.write()
