"""Adds the visits that are not recorded yet, and to recorded steps what they lack."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from flows.harvest.job import Job
from flows.harvest.recorded import is_record_of
from flows.harvest.state_visits import MISSING, Visit
from flows.harvest.step_body import spare_body
from flows.harvest.taken_results import TakenResult, links_of
from flows.language import put, render
from flows.language.paths import CONTEXT_KEY
from flows.language.templates import bare_key, hide_private_parameters
from flows.steps.adapters.base import ToldFiles
from flows.steps.body import Body, ModelEntry, parse_body
from flows.steps.late import LateLinks, Links, may_have_more
from flows.steps.models import Models
from flows.steps.outcome import outcome_of
from flows.steps.receipt import Receipt
from flows.steps.record import record_step
from flows.steps.record_resolver import RecordResolver
from flows.steps.run_files import PATHS, RunFile
from provenance_store.enums import Role
from provenance_store.errors import InvalidInput
from provenance_store.queries.document_reader import RunStep
from provenance_store.recording.recorder import Recorder

__all__ = ["SAID", "Adder", "Receipts", "add_files", "add_models", "complete", "said_of"]

SAID = ("inputs", "outputs", "models", "tags", "files", "collections", "decision")

Receipts = Mapping[str, Mapping[str, Any]]
"""The receipts of harvested steps, by the ResultPath of the state that should have recorded."""


def said_of(
    place: int,
    visits: Sequence[Visit],
    states: Mapping[str, Any],
    *,
    receipts: Receipts,
    context: Mapping[str, Any],
) -> Body | None:
    """A body with the inputs, outputs, models and tags of the record state behind the
    visit at a place; None where there is no such state, or it says none of them.

    Raises InvalidInput when it could not have been recorded, or cannot be filled in any more.
    """
    following = place + 1
    if following >= len(visits):
        return None
    record = visits[following]
    state = states.get(record.name)
    if not isinstance(state, dict) or not is_record_of(state, visits[place].name):
        return None
    wanted = {k: v for k, v in state["Parameters"].items() if bare_key(k) in SAID}
    if not wanted or record.before is MISSING or not isinstance(record.before, dict):
        return None
    try:
        view: Any = {**record.before, CONTEXT_KEY: context}
        for path, receipt in receipts.items():
            view = put(path, view, {"status": "SUCCEEDED", "details": receipt})
        said = render(hide_private_parameters(wanted), view)
        text = json.dumps({"run": {"run_id": "-"}, "step": {"name": "-"}, **said})
    except (ValueError, TypeError, RecursionError):
        raise InvalidInput("its Parameters are not JSON.", path="Parameters") from None
    return parse_body(text)


LOG = "log"
"""The document of a step that holds the entries whose codes say neither begin nor end."""


class Adder:
    """Records visits of one run, in their order."""

    def __init__(self, job: Job, recorder: Recorder) -> None:
        self._job = job
        self._recorder = recorder
        self._receipts: dict[str, Mapping[str, Any]] = {}
        """What record states that were not answered should have got, by their ResultPaths."""

    def add(
        self, place: int, ordinal: int | None, taken: Sequence[TakenResult], before: int | None
    ) -> None:
        """Record a visit: with what conventions tell of if that can be recorded, else without;
        without its documents if they cannot be. `before` is the place of the step before it."""
        job = self._job
        links = links_of(job, taken, before)
        body = self._said(place, job.teller.body(place))
        models, files = job.models_of(body), job.files_of(body)
        if models or files.used or files.made:
            try:
                self._record(place, ordinal, body, models, links, files)
            except InvalidInput as error:
                job.note(place, error)
        if place not in job.ids:
            try:
                self._record(place, ordinal, body, (), links)
            except InvalidInput as error:
                job.note(place, error)
                self._record(place, ordinal, spare_body(body, error.message[:1000]), (), links)
        job.report.added += 1

    def _record(
        self,
        place: int,
        ordinal: int | None,
        body: Body,
        models: Sequence[ModelEntry],
        links: tuple[list[int], list[int]],
        files: ToldFiles = ToldFiles(),  # noqa: B008 - it is frozen
    ) -> None:
        job = self._job
        used, informed = links
        job.sink.at(ordinal)
        with self._recorder.transaction():
            receipt = record_step(
                self._recorder,
                job.lookup,
                body,
                ordinal=ordinal,
                also_used=used,
                informed_by=informed,
                also_models=models,
                collections=job.collections,
                files=files,
            )
            self._keep_others(place, receipt.step)
        job.ids[place] = receipt.step
        job.keep_outputs(place, receipt.outputs)
        self._keep_receipt(place, receipt)

    def _said(self, place: int, body: Body) -> Body:
        """The body with what the author's own record state, which was not answered, says."""
        job = self._job
        try:
            said = said_of(
                place,
                job.visits,
                job.states,
                receipts=self._receipts,
                context=job.facts.context,
            )
        except InvalidInput as error:
            job.note(place, error)
            return body
        if said is None:
            return body
        given = {name: getattr(said, name) for name in SAID}
        more = {name: value for name, value in given.items() if value is not None}
        return msgspec.structs.replace(body, **more)

    def _keep_receipt(self, place: int, receipt: Receipt) -> None:
        """What later record states refer to where this one's receipt should have been."""
        job = self._job
        following = job.visits[place + 1].name if place + 1 < len(job.visits) else ""
        state = job.states.get(following)
        if isinstance(state, dict) and is_record_of(state, job.visits[place].name):
            models = (head.id for head in receipt.models)
            ids = (receipt.step, *receipt.inputs, *receipt.outputs, *models)
            job.lookup_of_then.note({job.store.sink.urn(i): i for i in ids})
            if isinstance(path := state.get("ResultPath"), str):
                self._receipts[path] = receipt.document()

    def _keep_others(self, place: int, step_id: int) -> None:
        if others := self._job.visits[place].others:
            self._recorder.payload(step_id, LOG, [entry.document() for entry in others])


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
        with recorder.transaction():
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
        with recorder.transaction():
            things = RecordResolver(recorder, job.lookup)
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
