"""What a visit took of the visits before it, as links between records."""

from __future__ import annotations

from collections.abc import Sequence

from flows.harvest.job import Job
from flows.harvest.sources import Taken, outputs_taken
from flows.steps import adapters
from flows.steps.adapters.base import Action
from flows.steps.outcome import outcome_of
from provenance_store.errors import InvalidInput
from provenance_store.redaction import redact

__all__ = ["links_of", "note_outputs"]


def links_of(job: Job, taken: Sequence[Taken], before: int | None) -> tuple[list[int], list[int]]:
    """The records that a visit took values of, and the steps that it only followed."""
    used: dict[int, None] = {}
    informed: dict[int, None] = {}
    gave: set[int] = set()
    for place, path in taken:
        if place not in job.ids:
            continue
        result = job.teller.result(job.visits[place])
        if found := outputs_taken(path, result, job.outputs_of(place)):
            used.update(dict.fromkeys(found))
            gave.add(place)
        else:
            informed[job.ids[place]] = None
    if before is not None and before not in gave:
        informed[job.ids[before]] = None
    return list(used), list(informed)


def note_outputs(job: Job, place: int) -> None:
    """What a recorded step made is what later steps find at its URIs."""
    body = job.teller.body(place)
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
    things, outputs = adapters.derive(action).outputs, job.outputs_of(place)
    if len(things) != len(outputs):
        return
    for thing, record_id in zip(things, outputs, strict=True):
        for uri in thing.uris:
            job.lookup.note_uri(uri.uri, record_id, run_id=job.facts.run_id)
