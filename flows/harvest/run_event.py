"""What a harvest says of the run itself."""

from __future__ import annotations

from flows.harvest.facts import RunFacts
from flows.harvest.job import Job
from provenance_store.errors import NotFound
from provenance_store.reader import Reader
from provenance_store.recorder import Recorder
from provenance_store.sink import MemorySink
from provenance_store.times import format_time

__all__ = ["say_of_run"]


def say_of_run(job: Job) -> None:
    """Hold the event that says of the run what the store does not say yet: of one that is over
    and whose log is whole, the last there is, under an id of its own."""
    facts = job.facts
    if facts.is_over and job.gaps.is_whole:
        event_id = job.sink.final_event_id
        if job.reader.is_said_of_run(event_id):
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


def _is_said(facts: RunFacts, reader: Reader) -> bool:
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
