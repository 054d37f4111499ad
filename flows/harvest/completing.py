"""Adds to steps that are recorded already what they lack."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from flows.harvest.job import Job
from flows.harvest.recorded import is_record_of
from flows.language.templates import bare_key
from flows.steps.body import Body
from flows.steps.late import LateLinks, Links, may_have_more
from flows.steps.models import Models
from flows.steps.outcome import outcome_of
from flows.steps.run_files import PATHS, RunFile
from flows.steps.things import Things
from provenance_store.errors import InvalidInput
from provenance_store.kinds import Role
from provenance_store.reader import RunStep
from provenance_store.recorder import Recorder

__all__ = ["add_files", "add_models", "complete"]


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


def add_files(
    job: Job,
    recorder: Recorder,
    place: int,
    ordinal: int | None,
    step: RunStep,
    models: list[RunFile],
) -> None:
    """Links of a recorded step that rules about files, or bare paths, tell of now; `models` are the
    places of versions that were added to it just now."""
    body = _as_said(job, place)
    files = job.files_of(body)
    if step.reduced or not may_have_more(body, files, step.documents):
        return
    late = LateLinks(recorder, job.lookup, body, _links_of(job, step, models), job.sink.who)
    # What was known when the step was recorded: not what it recorded itself, or came later.
    job.lookup_of_then.at = job.clock.at - 1
    job.sink.apart()
    try:
        late.add(files, job.collections)
    except InvalidInput as error:
        job.note(place, error)
    finally:
        job.lookup_of_then.at = job.clock.at
        job.sink.at(ordinal)
    job.report.linked += late.added


def _as_said(job: Job, place: int) -> Body:
    """The body of a visit; where its author's own record state says what it used or made, nothing
    but rules can add to that."""
    body = job.teller.body(place)
    following = job.visits[place + 1].name if place + 1 < len(job.visits) else ""
    state = job.states.get(following)
    if not isinstance(state, dict) or not is_record_of(state, body.step.name):
        return body
    said = {bare_key(key) for key in state["Parameters"]} & {"inputs", "outputs", "models"}
    return msgspec.structs.replace(body, inputs=[]) if said else body


def _links_of(job: Job, step: RunStep, models: list[RunFile]) -> Links:
    document = job.reader.record(job.store.sink.urn(step.id))
    used = [end["id"] for end in document["links"] if end["role"] == Role.USED.label]
    made = [end["id"] for end in document["dependents"] if end["role"] == Role.GENERATED_BY.label]
    ids = job.reader.resolve_all([*used, *made])
    uris: dict[int, set[str]] = defaultdict(set)
    loose: dict[str, int] = {}
    for place in job.reader.run_files(job.facts.run_id, PATHS):
        if place.uri is not None:
            uris[place.record_id].add(place.uri)
            if place.role is None and place.at >= job.clock.at:
                loose[place.uri] = place.record_id
    return Links(
        step.id,
        {ids[urn]: frozenset(uris[ids[urn]]) for urn in used},
        {
            **{uri: ids[urn] for urn in made for uri in uris[ids[urn]]},
            **{file.uri: file.record_id for file in models},
        },
        loose,
        frozenset(job.reader.used_elsewhere(loose.values(), job.facts.run_id) if loose else ()),
        step.documents,
    )


def add_models(job: Job, recorder: Recorder, place: int, ordinal: int | None) -> list[RunFile]:
    """Versions that the flow's conventions find in a step that was recorded without any; the places
    of those that are added."""
    if not job.conventions.rules:
        return []
    body, step_id = job.teller.body(place), job.ids[place]
    making = [entry for entry in job.models_of(body) if entry.makes_version]
    if not making or job.lookup.made_by(step_id).models:
        return []
    used = _used_by(job, step_id)
    job.sink.at(ordinal, addition=True)
    try:
        with recorder.together():
            things = Things(recorder, job.lookup)
            models = Models(things, body.step.name)
            models.read(making)
            made = [head.id for head in models.make(used)]
            recorder.generated(step_id, made)
    except InvalidInput as error:
        job.note(place, error)
        return []
    job.report.completed += 1
    return things.files(job.clock.at, made)


def _used_by(job: Job, step_id: int) -> list[int]:
    """The records that a step used, its models aside."""
    links = job.reader.record(job.store.sink.urn(step_id))["links"]
    used = [x["id"] for x in links if x["role"] == Role.USED.label and x["kind"] != "model"]
    return list(job.reader.resolve_all(used).values())
