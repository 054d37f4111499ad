"""From a body to records: the step, what it used, and what it made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

from flows.steps import adapters
from flows.steps.adapters.base import (
    FOLDER,
    Action,
    BarePath,
    Derived,
    Thing,
    ToldFiles,
    mapping,
    text,
)
from flows.steps.bare_paths import BarePaths
from flows.steps.body import Body, ModelEntry, Run
from flows.steps.choices import as_decided
from flows.steps.collections import Collections, collections_of_settings, read_collections
from flows.steps.decision import StepDecision
from flows.steps.lookup import Head, Lookup, MadeByStep
from flows.steps.models import Models
from flows.steps.outcome import Outcome, as_it_came_out, outcome_of
from flows.steps.receipt import Receipt
from flows.steps.record_resolver import RecordResolver, UrisOf, located, uris_in
from flows.steps.references import PathReference
from flows.steps.run_files import PATHS, are_moved, named_paths
from flows.steps.timestamps import Moment
from flows.steps.uris import norm_of
from provenance_store.decisions import Option
from provenance_store.enums import Role
from provenance_store.errors import TooLarge
from provenance_store.handles import StepHandle
from provenance_store.ids import looks_like_id
from provenance_store.queries.document_reader import Call
from provenance_store.queries.prefetch import Prefetch
from provenance_store.recording.recorder import Recorder
from provenance_store.redaction import redact
from provenance_store.values import Audience, TagValue, Viewer

__all__ = ["audience_of", "derived_of", "foresee", "is_moved", "record_step", "told_of"]


def foresee(bodies: Iterable[tuple[Body, Viewer | None, UrisOf]]) -> Prefetch:
    """What recording these bodies asks, as far as they tell; each with who asks, where it is known
    what that one may see, and a place for the URIs of its definitions."""
    wanted = Prefetch()
    with_paths = wanted.documents.setdefault(PATHS, set())
    for body, viewer, known in bodies:
        run_id = body.run.run_id
        wanted.runs.add(run_id)
        uris = [*uris_in(body.inputs or (), known)]
        if are_moved(uris):
            with_paths.add(run_id)
        wanted.uris.update((norm_of(uri), None) for uri in uris)
        if viewer is not None:
            names = (m.name for m in body.models or () if m.id is None and not m.new)
            wanted.heads.setdefault(viewer, set()).update(filter(None, names))
    return wanted


ENDS = frozenset({"SUCCEEDED", "FAILED", "ENDED"})
"""The statuses of a run that is over."""
BY_DEFAULT = "User"
"""Whose rights an action is run with when its state does not say."""
UNRECORDED = "unrecorded_inputs"
"""The tag of a step: how many of its references were to steps whose recording had failed."""


def audience_of(body: Body, audience: Audience, *, identities: Collection[str] = ()) -> Audience:
    """An action's audience, widened by what the body says of the run: its monitors may read, its
    managers manage. Make the Recorder for a body with it.

    The run's owner is what the body claims, so it may read only when it is one of `identities`:
    those that are known to be the caller's.
    """
    run = body.run
    readers = [*(run.monitor_by or ())]
    if run.run_owner and run.run_owner in identities:
        readers.insert(0, run.run_owner)
    return Audience(
        audience.owner,
        readers=(*audience.readers, *map(str, readers)),
        managers=(*audience.managers, *map(str, run.manage_by or ())),
    )


def record_step(
    recorder: Recorder,
    lookup: Lookup,
    body: Body,
    *,
    ordinal: int | None = None,
    label: str | None = None,
    also_used: Iterable[int] = (),
    informed_by: Iterable[int] = (),
    also_models: Sequence[ModelEntry] = (),
    collections: Collections | None = None,
    files: ToldFiles = ToldFiles(),  # noqa: B008 - it is frozen
    only_news: bool = False,
    uris: UrisOf | None = None,
) -> Receipt:
    """Record one step of a flow run, in one batch; each call is a visit of its own.

    The recorder carries the run, the audience and the environment of the body:
    ``store.recorder(run_id=body.run.run_id, audience=audience_of(body, ...),
    environment=body.environment)``. `ordinal` is the step's place in the run, where it is known;
    `label` is the run's, unless the body gives it one: Globus Flows labels actions like their run.
    `also_used` are records, `informed_by` earlier steps, and `also_models` models that are known to
    take part besides what the body tells. `collections` are those of Compute endpoints, by default
    what the settings say; `files` are what conventions tell besides those of the body. With
    `only_news` what the store says of the run already is not said again. `uris` are those of
    definitions of the body, as far as they were looked at before.
    Raises InvalidInput with the path of what cannot be recorded; nothing is written then.
    """
    if body.choice is not None:
        # A Choice makes and uses nothing by which it would hang together with what led to it.
        before = lookup.last_step(body.run.run_id)
        informed_by = informed_by if before is None else (*informed_by, before)
    body = as_decided(as_it_came_out(body))
    with recorder.transaction():
        step = _Recording(recorder, lookup, body, collections, uris)
        located("run", lambda: _record_run(recorder, body.run, label, step.outcome, only_news))
        step.things.steps.extend(informed_by)
        return step.record(ordinal, also_used, also_models, files)


def _record_run(
    recorder: Recorder, run: Run, label: str | None, step: Outcome, only_news: bool
) -> None:
    """A run that is said to have ended, not when, has ended now; one that is not said when it
    began had begun when this step did, and the store keeps the earliest that it is told."""
    now = recorder.clock()
    begun = step.started_at if run.start_time is None else run.start_time
    ended = run.completion_time
    if ended is None and run.status in ENDS:
        ended = Moment(now)
    say = recorder.run_news if only_news else recorder.run
    say(
        run.run_id,
        flow_id=run.flow_id or None,
        flow_title=run.flow_title or None,
        label=run.label or label or None,
        status=None if run.status is None else str(run.status),
        run_owner=None if run.run_owner is None else str(run.run_owner),
        start_time=now if begun is None else int(begun),
        completion_time=None if ended is None else int(ended),
        audience=recorder.audience,
        tags=run.tags or (),
    )


def derived_of(body: Body, outcome: Outcome) -> Derived:
    """What the documents of a step tell of what it used and made, unless the body says that."""
    if body.says_what:
        return Derived()
    step = body.step
    try:
        documents = redact(body.parameters), redact(body.result)
    except TooLarge:  # nested without end: nothing is read out of it
        return Derived()
    called = step.type in (None, "Action")
    action = Action(step.name, step.action_url, *documents, outcome.succeeded, called)
    return adapters.derive(action)


def told_of(body: Body, outcome: Outcome, files: ToldFiles) -> ToldFiles:
    """The files that rules tell of, those of the body too; none is made by what failed."""
    used, made = files.used, files.made
    if body.files:
        # Conventions read bodies: imported here, they may be imported first as well.
        from flows.harvest.convention_files import files_told_by

        told = files_told_by(body)
        used, made = (*used, *told.used), (*made, *told.made)
    return ToldFiles(used, made if outcome.succeeded else ())


def is_moved(thing: Thing) -> bool:
    """Whether an input is of a collection, and more than a folder that is looked into."""
    return FOLDER not in thing.tags and any(uri.uri.startswith("globus://") for uri in thing.uris)


class _Recording:
    """One step being recorded."""

    def __init__(
        self,
        recorder: Recorder,
        lookup: Lookup,
        body: Body,
        collections: Collections | None,
        uris: UrisOf | None,
    ) -> None:
        self.recorder = recorder
        self.body = body
        self.outcome = outcome_of(body)
        self.things = RecordResolver(recorder, lookup, uris)
        self.models = Models(self.things, body.step.name)
        self.lookup = lookup
        self.collections = collections
        self.paths: BarePaths | None = None
        self._named: list[dict[str, Any]] = []

    def record(
        self,
        ordinal: int | None,
        also_used: Iterable[int],
        also_models: Sequence[ModelEntry],
        files: ToldFiles,
    ) -> Receipt:
        told = told_of(self.body, self.outcome, files)
        derived = derived_of(self.body, self.outcome)
        self.paths = self._paths(derived, told)
        if self.paths is not None:
            self.things.left = self.paths.source
        uris = self.paths.uris if self.paths else ()
        self.things.prepare(self.body.inputs or (), (*derived.inputs, *told.used, *told.made), uris)
        inputs = self._inputs(derived)
        inputs += dict.fromkeys(self.things.derived_input(thing) for thing in told.used)
        inputs = [*dict.fromkeys(inputs)]
        inputs += [record_id for record_id in also_used if record_id not in inputs]
        self.models.read([*(self.body.models or ()), *also_models])
        self.models.use(derived.models)
        step = located("step", lambda: self._step(inputs, derived, ordinal))
        outputs = self._outputs(derived, inputs)
        made = self.models.make(inputs)
        # Files that rules tell of, and the step's own documents do not.
        known = {*outputs, *(head.id for head in made)}
        new = [thing for thing in told.made if self.things.known(thing.uris[0].uri) not in known]
        outputs += [self.things.derived(thing, ()) for thing in new]
        self.things.allowance.links(len(outputs) + len(made), "outputs")
        self.recorder.generated(step, [*outputs, *(head.id for head in made)])
        self._finish(step)
        self._note(step, derived, outputs, [head.id for head in made])
        return self._receipt(step, inputs, outputs, made)

    def _receipt(
        self, step: StepHandle, inputs: list[int], outputs: list[int], made: list[Head]
    ) -> Receipt:
        used = dict.fromkeys((*inputs, *self.models.exposed_to))
        models = self.models.taking_part(made)
        return Receipt(
            step.id,
            tuple(used),
            tuple(outputs),
            tuple(head for head, _ in models),
            tuple(how for _, how in models),
            self.recorder.sink.urn,
        )

    def _paths(self, derived: Derived, told: ToldFiles) -> BarePaths | None:
        """Who finds the files of the run, for a step that can have to do with any."""
        run_id = self.recorder.run_id
        given = (*derived.paths, *self._written())
        if run_id is None:
            return None
        moved = any(map(is_moved, (*derived.inputs, *told.used)))
        if not (given or moved):
            listed = are_moved(self.things.uris_in(self.body.inputs or ()))  # by the body itself
            if not (listed and self.lookup.names_paths(run_id)):
                return None
        succeeded = self.outcome.succeeded
        files = self.lookup.run_files(run_id)
        return BarePaths(
            self.things,
            files,
            given,
            self._collections(),
            succeeded=succeeded,
            step=self.body.step.name,
            derived=derived,
        )

    def _written(self) -> list[BarePath]:
        """The paths that the body itself lists as inputs and outputs."""
        found = [
            (item.path, returned)
            for items, returned in ((self.body.inputs, False), (self.body.outputs, True))
            for item in items or ()
            if isinstance(item, PathReference)
        ]
        if not found:
            return []
        endpoint = text(mapping(self.body.parameters), "endpoint", "endpoint_id") or ""
        return [BarePath(path, endpoint, returned) for path, returned in found]

    def _collections(self) -> Collections:
        known = collections_of_settings() if self.collections is None else self.collections
        said = read_collections(tuple(self.body.collections or ()))
        return {**known, **said} if said else known

    def _inputs(self, derived: Derived) -> list[int]:
        paths = self.paths
        if self.body.inputs is not None:
            ids = self.things.used(self.body.inputs, "inputs")
            return ids if paths is None else [*dict.fromkeys((*ids, *paths.used()))]
        if paths is None:
            return [self.things.derived_input(thing) for thing in derived.inputs]
        read = derived.inputs
        if derived.functions:  # what these write to is no input
            read = tuple(thing for thing in read if not paths.overwrites(thing))
        inputs = [self.things.derived_input(thing) for thing in read]
        return [*inputs, *(record_id for record_id in paths.used() if record_id not in inputs)]

    def _step(self, inputs: list[int], derived: Derived, ordinal: int | None) -> StepHandle:
        step, models = self.body.step, self.models
        used = dict.fromkeys((*inputs, *models.exposed_to))
        linked = (used, models.used, models.parents, models.deployed, self.things.steps)
        self.things.allowance.links(sum(map(len, linked)), "inputs")
        handle = self.recorder.step(
            step.name,
            inputs=used,
            models=[*(head.id for head in models.used), *models.parents],
            informed_by=self.things.steps,
            tags=self._tags(derived),
            type=step.type or "Action",
            action_url=step.action_url or None,
            action_id=self.outcome.action_id,
            run_as=step.run_as or (BY_DEFAULT if step.type in (None, "Action") else None),
            definition_digest=step.definition_digest or None,
            ordinal=ordinal,
            started_at=self.outcome.started_at,
        )
        if models.deployed:
            deployed = [head.id for head in models.deployed]
            self.recorder.used(handle, deployed, Role.DEPLOYED)
        if (decision := self.body.decided or derived.decision) is not None:
            self._decide(handle, decision)
        return handle

    def _decide(self, step: StepHandle, decision: StepDecision) -> None:
        """What the step decided. Options that the caller may not see stay as they are named."""
        names = {one.name for one in decision.options if one.id is None}
        ids = {one.id for one in decision.options} | {*decision.chosen} - names
        known = self.lookup.resolve_all(filter(looks_like_id, filter(None, ids)))
        self.things.allowance.links(len(known), "decision")
        options = [
            Option(known.get(one.id or ""), one.name or one.id, one.score, one.why)
            for one in decision.options
        ]
        chosen = [Option(known.get(one), one) for one in decision.chosen]
        self.recorder.decided(
            step,
            options,
            chosen,
            why=decision.why,
            question=decision.question,
            decider=decision.decider,
            policy=decision.policy,
        )

    def _tags(self, derived: Derived) -> dict[str, TagValue]:
        tags: dict[str, TagValue] = dict(derived.tags)
        if self.paths is not None:
            tags |= self.paths.tags()
        if self.body.step.comment:
            tags["comment"] = self.body.step.comment
        if self.body.run.username:
            tags["username"] = self.body.run.username
        if self.things.unrecorded:
            tags[UNRECORDED] = self.things.unrecorded
        return tags | (self.body.tags or {})

    def _outputs(self, derived: Derived, inputs: list[int]) -> list[int]:
        name = self.body.step.name
        if self.body.outputs is not None:
            made = [
                record_id
                for place, item in enumerate(self.body.outputs)
                for record_id in self.things.made(
                    item, f"outputs[{place}]", f"{name} output {place + 1}"
                )
            ]
        else:
            made = [
                self.things.derived(thing, dict.fromkeys(inputs[i] for i in thing.derived_from))
                for thing in derived.outputs
            ]
        if self.paths is None:
            return made
        models = self.models.places
        left = (thing for thing in self.paths.left() if thing.place not in models)
        return [*made, *(self.things.derived(thing, ()) for thing in left)]

    def _finish(self, step: StepHandle) -> None:
        if self.outcome.ended:
            step.finish(self.outcome.status, completed_at=self.outcome.completed_at)
        for name in ("parameters", "result", "error"):
            if (document := getattr(self.body, name)) is not None:
                keep = partial(self.recorder.decoded_payload, step, name, document)
                located(name, keep)
        if self.paths is not None and (paths := self.paths.document()):
            self.recorder.decoded_payload(step, PATHS, paths)
            self._named = paths

    def _note(
        self, step: StepHandle, derived: Derived, outputs: list[int], versions: list[int]
    ) -> None:
        self.things.note()
        if self.lookup.remembers_files and (run_id := self.recorder.run_id) is not None:
            at = self.recorder.clock()
            files = self.things.files(at, {*outputs, *versions})
            self.lookup.note_files(run_id, files, named_paths(step.id, at, self._named))
        functions = (self.things.known(uri) for uri in derived.functions)
        known = frozenset(i for i in functions if i is not None)
        call = Call(step.id, self.body.step.name, known)
        self.lookup.note_made(
            call, MadeByStep(tuple(outputs), tuple(versions)), run_id=self.recorder.run_id
        )
