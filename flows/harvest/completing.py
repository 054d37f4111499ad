"""Adds to steps that are recorded already what they lack."""

from __future__ import annotations

from flows.harvest.job import Job
from flows.steps.models import Models
from flows.steps.outcome import outcome_of
from flows.steps.things import Things
from provenance_store.errors import InvalidInput
from provenance_store.kinds import Role
from provenance_store.reader import RunStep
from provenance_store.recorder import Recorder

__all__ = ["add_models", "complete"]


def complete(job: Job, recorder: Recorder, place: int, step: RunStep) -> None:
    """Add to a recorded step what it lacks: its end, its documents."""
    job.report.known += 1
    wanted = {"parameters", "result", "error"} - step.documents
    if step.reduced or (step.status is not None and not wanted):
        return
    body = job.teller.body(place)
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
        job.report.notes.append(f"{step.name}: {error.message}")
    else:
        job.report.completed += 1


def add_models(job: Job, recorder: Recorder, place: int, ordinal: int | None) -> None:
    """Versions that the flow's conventions find in a step that was recorded without any."""
    if not job.conventions.rules:
        return
    body, step_id = job.teller.body(place), job.ids[place]
    making = [entry for entry in job.models_of(body) if entry.makes_version]
    if not making or job.lookup.made_by(step_id).models:
        return
    used = _used_by(job, step_id)
    job.sink.at(ordinal, addition=True)
    try:
        with recorder.together():
            models = Models(Things(recorder, job.lookup), body.step.name)
            models.read(making)
            recorder.generated(step_id, [head.id for head in models.make(used)])
    except InvalidInput as error:
        job.note(place, error)
    else:
        job.report.completed += 1


def _used_by(job: Job, step_id: int) -> list[int]:
    """The records that a step used, its models aside."""
    links = job.reader.record(job.store.sink.urn(step_id))["links"]
    used = [x["id"] for x in links if x["role"] == Role.USED.label and x["kind"] != "model"]
    return list(job.reader.resolve_all(used).values())
