"""From model entries to versions: found, begun or carried on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flows.steps.body import ModelEntry
from flows.steps.lookup import Head
from flows.steps.record_resolver import RecordResolver, located
from flows.steps.uris import norm_of
from provenance_store.enums import Kind
from provenance_store.errors import InvalidInput
from provenance_store.handles import ModelVersion, VersionAbout

__all__ = ["Models"]

FIRST_SEEN = "first_seen_in"
"""The tag of a version whose history before the named step is not known."""
LISTED_CHOICES = 5


@dataclass(slots=True)
class _Making:
    """A version that the step makes."""

    entry: ModelEntry
    path: str
    parent: Head | None
    trained_on: list[int] | None
    depends_on: list[int]


@dataclass(slots=True)
class Models:
    """The models of one step: `used` and `deployed` ones, and those it makes."""

    things: RecordResolver
    step_name: str
    used: list[Head] = field(default_factory=list)
    deployed: list[Head] = field(default_factory=list)
    _making: list[_Making] = field(default_factory=list)

    @property
    def exposed_to(self) -> list[int]:
        """What the versions in the making were trained on, as far as their entries say."""
        return [i for making in self._making for i in making.trained_on or ()]

    @property
    def parents(self) -> list[int]:
        """The versions that the step was given to go on from: those that it updates, and those
        named by id. A model trained under a name known before need not have read its last version.
        """
        return [
            making.parent.id
            for making in self._making
            if making.parent is not None
            and (making.entry.verb == "updated" or making.entry.id is not None)
        ]

    @property
    def places(self) -> frozenset[str]:
        """The normal form of each URI of a version in the making."""
        return frozenset(
            norm_of(uri.uri) for making in self._making for uri in self.things.uris_of(making.entry)
        )

    def taking_part(self, made: Sequence[Head]) -> list[tuple[Head, str]]:
        """All models of the step with how they took part, the versions that it made first."""
        hows = [making.entry.verb for making in self._making]
        return [
            *zip(made, hows, strict=True),
            *((head, "used") for head in self.used),
            *((head, "deployed") for head in self.deployed),
        ]

    # ---- before the step is recorded -----------------------------------------------------

    def read(self, entries: Sequence[ModelEntry]) -> None:
        """Find what the entries mean; raises InvalidInput naming the entry."""
        for place, entry in enumerate(entries):
            path = f"models[{place}]"
            if entry.makes_version:
                self._making.append(self._read_made(entry, path))
            else:
                found = self._read_used(entry, path)
                (self.deployed if entry.how == "deployed" else self.used).extend(found)

    def use(self, names: Iterable[str]) -> None:
        """Models that an adapter found to be used."""
        self.read([ModelEntry(name=name) for name in names])

    def _read_used(self, entry: ModelEntry, path: str) -> list[Head]:
        if entry.id is not None:
            return self._by_id(entry, path)
        uris = self.things.uris_of(entry)
        known = [self.things.known(uri.uri) for uri in uris]
        there = [i for i in known if i is not None and not self.things.differs(i, uris)]
        heads = self._kept_there(entry, there) or self._named(entry)
        if len(heads) > 1:
            raise self._several(heads, path)
        return heads or [self._first_seen(entry, there, path)]

    def _kept_there(self, entry: ModelEntry, there: Sequence[int]) -> list[Head]:
        """The version of that name with its weights where the entry says; not always the newest."""
        versions = (self.things.lookup.version(record_id) for record_id in there)
        return [head for head in versions if head is not None and head.name == entry.name][:1]

    def _read_made(self, entry: ModelEntry, path: str) -> _Making:
        things = self.things
        trained_on = entry.trained_on
        return _Making(
            entry,
            path,
            self._parent(entry, path),
            None if trained_on is None else things.used(trained_on, f"{path}.trained_on"),
            things.references(entry.depends_on, f"{path}.depends_on", models=True),
        )

    def _parent(self, entry: ModelEntry, path: str) -> Head | None:
        """The version to go on from; None when a line begins."""
        if entry.new:
            return None
        if entry.id is not None:
            heads = self._by_id(entry, path)
        else:
            heads = self._named(entry)
            if entry.how == "trained" and len(heads) != 1:
                return None
        if not heads:
            raise InvalidInput(
                f"There is no model {entry.name!r} to update; say that it was trained, to begin "
                "it.",
                path=path,
            )
        if len(heads) > 1:
            raise self._several(heads, path)
        return heads[0]

    def _by_id(self, entry: ModelEntry, path: str) -> list[Head]:
        assert entry.id is not None
        where = f"{path}.id"
        heads = []
        for record_id in self.things.referred(entry.id, where, models=True):
            if (head := self.things.lookup.version(record_id)) is None:
                raise InvalidInput("This is not a model; give the id of a version.", path=where)
            heads.append(head)
        return heads

    def _named(self, entry: ModelEntry) -> list[Head]:
        """The newest versions of that name: those of this run when it made any."""
        run_id = self.things.recorder.run_id
        heads = self.things.lookup.heads(entry.name or "", run_id=run_id)
        own = [head for head in heads if run_id is not None and head.run_id == run_id]
        return own or heads

    def _several(self, heads: Sequence[Head], path: str) -> InvalidInput:
        urn = self.things.recorder.sink.urn
        listed = ", ".join(urn(head.id) for head in heads[:LISTED_CHOICES])
        more = ", ..." if len(heads) > LISTED_CHOICES else ""
        return InvalidInput(
            f"{len(heads)} versions are the newest of {heads[0].name[:80]!r}; give the id of one: "
            f"{listed}{more}",
            path=path,
        )

    def _first_seen(self, entry: ModelEntry, there: Sequence[int], path: str) -> Head:
        """A line that begins here; from what is known where its weights are, if anything is."""
        recorder, name, uris = self.things.recorder, entry.name or "", self.things.uris_of(entry)
        tags = {**(entry.tags or {}), FIRST_SEEN: self.step_name}
        begun = located(path, lambda: recorder.model(name, depends_on=there, uris=uris, tags=tags))
        return self._noted(begun, entry, None)

    # ---- after the step is recorded ------------------------------------------------------

    def make(self, inputs: Sequence[int]) -> list[Head]:
        """Make the versions; what does not say what it was trained on was exposed to `inputs`."""
        for making in self._making:
            exposed = inputs if making.trained_on is None else making.trained_on
            links = 1 + len(exposed) + len(making.depends_on)
            self.things.allowance.links(links, making.path)
        return [self._made(making, inputs) for making in self._making]

    def _made(self, making: _Making, inputs: Sequence[int]) -> Head:
        entry, parent, recorder = making.entry, making.parent, self.things.recorder
        exposed = inputs if making.trained_on is None else making.trained_on

        def make() -> ModelVersion:
            about: VersionAbout = {
                "depends_on": making.depends_on,
                "uris": self.things.uris_of(entry),
                "tags": entry.tags,
                "hyperparameters": entry.hyperparameters,
                "metrics": entry.metrics or (),
                "scores": entry.scores,
            }
            if parent is None:
                return recorder.model(entry.name or "", trained_on=exposed, **about)
            before = ModelVersion(
                parent.id, Kind.MODEL, parent.name, recorder, parent.line_id, parent.version
            )
            return recorder.update(before, exposed, **about)

        return self._noted(located(making.path, make), entry, parent)

    def _noted(self, made: ModelVersion, entry: ModelEntry, parent: Head | None) -> Head:
        self.things.lies_at(made.id, self.things.uris_of(entry))
        run_id = self.things.recorder.run_id
        head = Head(made.id, made.line_id, made.version, made.name, run_id)
        self.things.lookup.note_version(head, parent=None if parent is None else parent.id)
        return head
