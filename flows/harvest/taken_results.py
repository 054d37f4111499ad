"""What of earlier results a visit took, and the links of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flows.definition.paths import PathSyntaxError, Segment, overlaps
from flows.definition.state_reads import is_identity, reads, result_place
from flows.harvest.job import Job
from flows.harvest.state_visits import MISSING, Visit
from flows.steps import adapters
from flows.steps.adapters.base import Action
from flows.steps.outcome import outcome_of
from provenance_store.errors import InvalidInput
from provenance_store.redaction import redact

__all__ = ["TakenResult", "links_of", "note_outputs", "outputs_taken", "sources_of"]

_WRITERS_OF_NOTHING = frozenset({"Choice", "Wait", "Fail"})
_CONTEXT = "_context"
_LISTS = ("results", "result")


class TakenResult(NamedTuple):
    """A value out of the result of an earlier visit: which visit, and where in its result."""

    place: int
    """The visit's place in the list of visits."""
    path: tuple[Segment, ...]


class _Written(NamedTuple):
    path: tuple[Segment, ...]
    place: int


def sources_of(visits: Sequence[Visit], states: Mapping[str, Any]) -> list[list[TakenResult]]:
    """For each visit, what it took of the results of earlier ones.

    A result that was overwritten in between is not what was read; values of the run's own input
    and of its context come from no visit.
    """
    read: dict[str, list[tuple[Segment, ...]]] = {}
    written: list[_Written] = []
    found: list[list[TakenResult]] = []
    for place, visit in enumerate(visits):
        if visit.name not in read:
            read[visit.name] = _read_by(visit.name, states)
        found.append(_taken(read[visit.name], written))
        written = _after(written, visit, place, states)
    return found


def _read_by(name: str, states: Mapping[str, Any]) -> list[tuple[Segment, ...]]:
    state = states.get(name)
    if not isinstance(state, dict):
        return []
    try:
        found = dict.fromkeys(read.segments for read in reads({"States": {name: state}}))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return []
    return [path for path in found if path[:1] != (_CONTEXT,)]


def _taken(read: list[tuple[Segment, ...]], written: list[_Written]) -> list[TakenResult]:
    found: dict[TakenResult, None] = {}
    for path in read:
        for at, place in reversed(written):
            if not overlaps(at, path):
                continue
            found[TakenResult(place, path[len(at) :])] = None
            if path[: len(at)] == at:
                break  # what was written there before cannot be seen any more
    return list(found)


def _after(
    written: list[_Written], visit: Visit, place: int, states: Mapping[str, Any]
) -> list[_Written]:
    state = states.get(visit.name)
    if not isinstance(state, dict) or visit.type in _WRITERS_OF_NOTHING:
        return written
    try:
        if visit.failure is not None or visit.after is MISSING or is_identity(state):
            return written
        path = result_place(state)
    except (PathSyntaxError, KeyError, TypeError, AttributeError):
        return written
    left = [one for one in written if one.path[: len(path)] != path]
    return [*left, _Written(path, place)]


def outputs_taken(path: tuple[Segment, ...], result: Any, outputs: Sequence[int]) -> list[int]:
    """Which of the outputs of a visit a value is of: where it is one of the values that its result
    lists, as Compute does, the records of these come first among the outputs.

    Empty where the value is of no record, like the id of a task.
    """
    details = result.get("details") if isinstance(result, dict) else None
    if not isinstance(details, dict) or (path and path[0] != "details"):
        return []
    name = next((name for name in _LISTS if details.get(name) not in (None, [])), None)
    if name is None or (len(path) > 1 and path[1] not in _LISTS):
        return []
    count = len(details[name]) if isinstance(details[name], list) else 1
    if count > len(outputs):
        return []
    at = path[2] if len(path) > 2 else None
    if isinstance(at, int) and -count <= at < count:
        return [outputs[at % count]]
    return list(outputs[:count])


def links_of(
    job: Job, taken: Sequence[TakenResult], before: int | None
) -> tuple[list[int], list[int]]:
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
