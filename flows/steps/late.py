"""Links of a recorded step that become known later: by a rule about files, or by bare paths."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from flows.steps.adapters.base import Thing, ToldFiles
from flows.steps.bare_paths import BarePaths
from flows.steps.body import Body
from flows.steps.collections import Collections
from flows.steps.lookup import Lookup
from flows.steps.outcome import outcome_of
from flows.steps.record import derived_of, is_moved, told_of
from flows.steps.record_resolver import RecordResolver
from flows.steps.run_files import PATHS, named_paths
from provenance_store.enums import Kind, Role
from provenance_store.handles import StepHandle
from provenance_store.recording.recorder import Recorder
from provenance_store.validation.uris import normal_uri

__all__ = ["LateLinks", "Links", "may_have_more"]

BY_RULE = "A [[file]] rule of the flow's conventions."
BY_PATH = "A path that a function of the run named."
BY_PARAMETERS = "The parameters of the step, without which it was recorded."


class Links(NamedTuple):
    """What is recorded of a step."""

    step_id: int
    used: Mapping[int, frozenset[str]]
    """The records that it used, each with its URIs in their normal form."""
    made: Mapping[str, int]
    """By their URIs in their normal form, the records that it made."""
    loose: Mapping[str, int]
    """By their URIs, records of the run of which nothing says what they come from, and that were
    recorded with this step or later."""
    shared: frozenset[int]
    """Those of these that other runs used too: what this run made there is not them."""
    documents: frozenset[str]

    @property
    def has_parameters(self) -> bool:
        """Whether the step was recorded with what tells its inputs."""
        return "parameters" in self.documents


def may_have_more(body: Body, files: ToldFiles, documents: Collection[str]) -> bool:
    """Whether a step can have files that nobody told of when it was recorded, with these
    documents."""
    derived = derived_of(body, outcome_of(body))
    if derived.inputs and "parameters" not in documents:
        return True
    return bool(files.used or files.made or derived.paths or any(map(is_moved, derived.inputs)))


class LateLinks:
    """Adds to one step, and to the files that it moved, what was not known before."""

    def __init__(
        self, recorder: Recorder, lookup: Lookup, body: Body, links: Links, by: str
    ) -> None:
        self._recorder = recorder
        self._lookup = lookup
        self._body = body
        self._links = links
        self._by = by
        self._things = RecordResolver(recorder, lookup)
        self._known = frozenset[str]().union(*links.used.values())
        self._new_made: list[int] = []
        self.added = 0
        """How many links there are more."""

    def add(self, files: ToldFiles, collections: Collections) -> None:
        """Add what is missing. Raises InvalidInput when it cannot be recorded."""
        recorder, things, body = self._recorder, self._things, self._body
        outcome = outcome_of(body)
        derived, told = derived_of(body, outcome), told_of(body, outcome, files)
        paths = BarePaths(
            things,
            self._lookup.run_files(recorder.run_id or ""),
            derived.paths,
            collections,
            succeeded=outcome.succeeded,
            step=body.step.name,
            derived=derived,
            known=self._known,
        )
        things.left = paths.source
        things.prepare((), (*derived.inputs, *told.used, *told.made), paths.uris)
        with recorder.transaction():
            if not self._links.has_parameters:
                self._use([*map(things.derived_input, self._new(derived.inputs))], BY_PARAMETERS)
            self._use([things.derived_input(thing) for thing in self._new(told.used)], BY_RULE)
            self._use(paths.used(), BY_PATH)
            for thing in filter(is_moved, derived.inputs if self._links.has_parameters else ()):
                self._moved(thing, paths)
            for things_made, rule in ((told.made, BY_RULE), (paths.left(), BY_PATH)):
                for thing in things_made:
                    self._made(thing, rule)
            document = paths.document()
            if document and PATHS not in self._links.documents:
                recorder.decoded_payload(self._links.step_id, PATHS, document)
                if tags := paths.tags():
                    recorder.tag(self._links.step_id, tags)
        things.note()
        at = recorder.clock()
        new = things.files(at, self._new_made)
        named = named_paths(self._links.step_id, at, document)
        self._lookup.note_files(recorder.run_id or "", new, named)

    def _new(self, used: tuple[Thing, ...]) -> list[Thing]:
        return [t for t in used if not any(normal_uri(u.uri) in self._known for u in t.uris)]

    def _use(self, ids: list[int], rule: str) -> None:
        self._link(self._links.step_id, [i for i in ids if i not in self._links.used], rule)

    def _link(self, record_id: int, ids: list[int], rule: str, role: Role = Role.USED) -> None:
        if ids:
            self._recorder.link_later(record_id, ids, rule=rule, role=role, by=self._by)
            self.added += len(ids)

    def _moved(self, thing: Thing, paths: BarePaths) -> None:
        """What functions left at a place that the step took something from."""
        uri = thing.place
        if (found := paths.evidence(thing)) is None:
            if self._links.loose.get(uri) in self._links.shared:
                self._use(paths.made_at(thing), BY_PATH)
            return
        there = self._loose(uri)
        if there in self._links.used and there is not None:
            sources = [i for i in found.depends_on if i != there]
            self._link(there, sources, BY_PATH, Role.DERIVED_FROM)
            if found.named is not None:
                self._link(there, [found.named.step_id], BY_PATH, Role.GENERATED_BY)
            return
        earlier = frozenset(found.depends_on)
        if any(uri in uris and i not in earlier for i, uris in self._links.used.items()):
            return  # it has a record of its own for what was there then
        if found.named is None:
            self._use([*found.depends_on], BY_PATH)
            return
        state = paths.state(thing, found)
        self._new_made.append(state)
        self._use([state], BY_PATH)

    def _loose(self, uri: str) -> int | None:
        there = self._links.loose.get(uri)
        return None if there in self._links.shared else there

    def _made(self, thing: Thing, rule: str) -> None:
        uri = thing.place
        if uri in self._links.made:
            return
        step = StepHandle(self._links.step_id, Kind.STEP, "", self._recorder)
        if (there := self._loose(uri)) is not None and there not in self._links.used:
            self._link(there, [step.id], rule, Role.GENERATED_BY)
            return
        made = self._things.derived(thing, ())
        self._recorder.generated(step, [made])
        self._new_made.append(made)
        self.added += 1
