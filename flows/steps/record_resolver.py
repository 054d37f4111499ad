"""From references, definitions and derived things to records: found again, or made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from flows.steps.adapters.base import FOLDER, RECURSIVE, Thing
from flows.steps.body import Defined, Definition, ModelEntry, UriDocument
from flows.steps.limits import Allowance
from flows.steps.lookup import Lookup, MadeByStep
from flows.steps.references import (
    IdReference,
    Item,
    PathReference,
    ReceiptReference,
    Reference,
    UriReference,
)
from flows.steps.run_files import RunFile
from flows.steps.uris import name_of_uri, norm_of, tidy_uri
from flows.steps.validation_errors import within
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.handles import Record
from provenance_store.recording.recorder import Recorder
from provenance_store.values import DIFFERS, Uri

__all__ = ["RecordResolver", "UrisOf", "located", "uris_in"]

T = TypeVar("T")
UrisOf = dict[int, tuple[Definition | ModelEntry, list[Uri]]]
"""The URIs of definitions by their ids, with the definition, for the id of one that is gone may
become another's."""


class RecordResolver:
    """The records that one step mentions. A URI stands for one record, however often it comes."""

    def __init__(self, recorder: Recorder, lookup: Lookup, uris: UrisOf | None = None) -> None:
        self.recorder = recorder
        self.lookup = lookup
        self.unrecorded = 0
        """How many references were to steps whose recording had failed."""
        self.steps: list[int] = []
        """Steps whose receipts named nothing that they made."""
        self.allowance = Allowance()
        self.generated: set[int] = set()
        """The records that this step tells of, and that earlier ones made."""
        self._created: dict[int, str | None] = {}
        """The records that this step is the first to tell of, with the tag of a folder."""
        self._made: dict[int, MadeByStep] = {}
        self._by_uri: dict[str, int] = {}
        self._asked: set[str] = set()
        self._ids: dict[str, int] = {}
        self.left: Callable[[Thing], int | None] | None = None
        """The record of what functions of the run left at the place of a thing, if they did; None
        where none can have left anything."""
        self._places: dict[int, list[Uri]] = {}
        self._uris: UrisOf = {} if uris is None else uris

    def prepare(
        self, items: Iterable[Item], things: Iterable[Thing] = (), uris: Iterable[str] = ()
    ) -> None:
        """Ask for everything that these mention at once, before they are looked at singly."""
        uris, ids, told = dict.fromkeys(uris), dict[str, None](), list[Uri]()
        for thing in things:
            told += thing.uris
        for item in _with_members(items):
            if isinstance(item, UriReference):
                uris[item.uri] = None
            elif isinstance(item, IdReference):
                ids[item.id] = None
            elif isinstance(item, ReceiptReference):
                versions = (*item.made_models, *item.used_models)
                ids.update(dict.fromkeys((item.step, *item.outputs, *versions)))
            elif isinstance(item, Defined):
                told += self.uris_of(item.definition)
        uris.update((uri.uri, None) for uri in told)
        if uris:
            found = self.lookup.find_uris(uris, run_id=self.recorder.run_id)
            self._by_uri = {norm_of(uri): record_id for uri, record_id in found.items()}
            self._asked = set(map(norm_of, uris))
            measured = (self._by_uri.get(norm_of(uri.uri)) for uri in told if _is_measured(uri))
            if there := {record_id for record_id in measured if record_id is not None}:
                self._places = self.lookup.places(there)
        if ids:
            self._ids = self.lookup.resolve_all(ids)

    def uris_of(self, document: Definition | ModelEntry) -> list[Uri]:
        """The URIs of a definition in this step's body, in the spelling that is stored."""
        return _uris_once(document, self._uris)

    def uris_in(self, items: Iterable[Item]) -> Iterator[str]:
        """The URIs that items of this step's body refer to or define."""
        return uris_in(items, self._uris)

    # ---- what exists ---------------------------------------------------------------------

    def resolve(self, reference: str, path: str) -> int:
        """The id of a URN or short id; raises InvalidInput when the caller knows no such."""
        if (found := self._ids.get(reference)) is not None:
            return found
        try:
            found = self.lookup.resolve(reference)
        except NotFound:
            raise InvalidInput(
                f"There is no record {reference} that you may see; check the id.", path=path
            ) from None
        except InvalidInput as error:
            raise within(error, path) from None
        self._ids[reference] = found
        return found

    def referred(self, reference: Reference, path: str, *, models: bool = False) -> list[int]:
        """What a reference means.

        Of a receipt: the outputs, or the model versions that the step made when there are none;
        when `models` are asked for, the versions that it made, or those that it used when it made
        none (as far as the receipt lists them).
        """
        if isinstance(reference, IdReference):
            return [self.resolve(reference.id, path)]
        if isinstance(reference, UriReference):
            return [self.at(reference.uri, path)]
        if isinstance(reference, PathReference):
            raise InvalidInput(
                f"The path {reference.path[:200]!r} can be an input or an output of a step, where "
                "the files of its run tell what it is; give its URI or id here.",
                path=path,
            )
        if isinstance(reference, ReceiptReference):
            self.allowance.receipt(reference.step, path)
            found = self._of_receipt(reference, path, models)
            self.allowance.mentions(len(found), path)
            return found
        self.unrecorded += 1
        return []

    def _of_receipt(self, receipt: ReceiptReference, path: str, models: bool) -> list[int]:
        step_id = self.resolve(receipt.step, path)
        if receipt.cut:
            made = self._made_by(step_id, path)
            outputs, versions = list(made.outputs), list(made.models)
        else:
            outputs = [self.resolve(urn, path) for urn in receipt.outputs]
            versions = [self.resolve(urn, path) for urn in receipt.made_models]
        if models:
            listed = (*receipt.made_models, *receipt.used_models)
            return versions or [self.resolve(urn, path) for urn in listed]
        if not (found := outputs or versions):
            self.steps.append(step_id)
        return found

    def _made_by(self, step_id: int, path: str) -> MadeByStep:
        """What a step made, asked once however often its receipt is passed."""
        if (made := self._made.get(step_id)) is None:
            made = self._made[step_id] = self.lookup.made_by(step_id)
            self.allowance.mentions(len(made.outputs) + len(made.models), path)
        return made

    def known(self, uri: str) -> int | None:
        """The record at a URI, if there is one: of this step, of this run, or the newest."""
        norm = norm_of(uri)
        if (found := self._by_uri.get(norm)) is None and norm not in self._asked:
            self._asked.add(norm)
            found = self.lookup.find_uri(uri, run_id=self.recorder.run_id)
            if found is not None:
                self._by_uri[norm] = found
        return found

    def differs(self, record_id: int, uris: Iterable[Uri]) -> bool:
        """Whether the size or the digest that is said of a place is another than that with which
        the record has it."""
        measured = {norm_of(uri.uri): uri for uri in uris if _is_measured(uri)}
        if not measured:
            return False
        if record_id not in self._places:
            self._places |= {record_id: [], **self.lookup.places([record_id])}
        pairs = ((measured.get(norm_of(o.uri)), o) for o in self._places[record_id])
        return any(new is not None and _are_apart(new, old) for new, old in pairs)

    def at(self, uri: str, path: str) -> int:
        """The record at a URI, made if there is none."""
        found = self._left_at(Uri(uri))
        if found is None and (found := self.known(uri)) is None:
            found = self._make(path, self.recorder.data, name_of_uri(uri), uris=[Uri(uri)])
        self._by_uri[norm_of(uri)] = found
        return found

    # ---- what is used --------------------------------------------------------------------

    def used(self, items: Iterable[Item], path: str) -> list[int]:
        """The records that are used, each once, in order."""
        ids: dict[int, None] = {}
        for place, item in enumerate(items):
            where = f"{path}[{place}]"
            if isinstance(item, Defined):
                ids[self._defined_input(item.definition, where)] = None
            elif isinstance(item, PathReference) and path == "inputs":
                continue  # found among the files of the run, together with the other paths
            elif isinstance(item, Reference):
                ids.update(dict.fromkeys(self.referred(item, where)))
        return list(ids)

    def references(
        self, references: Iterable[Reference] | None, path: str, *, models: bool = False
    ) -> list[int]:
        """The records that something depends on."""
        found = (
            self.referred(reference, f"{path}[{place}]", models=models)
            for place, reference in enumerate(references or ())
        )
        return list(dict.fromkeys(record_id for ids in found for record_id in ids))

    def _defined_input(self, definition: Definition, path: str) -> int:
        """An input described by the step that uses it, and its members likewise.

        What is known at its URI is what it derives from, so that the lineage goes on, unless that
        had other bytes.
        """
        uris = self.uris_of(definition)
        left = [] if self.left is None else map(self._left_at, uris)
        sources = [record_id for record_id in left if record_id is not None]
        before = None
        for record_id in () if sources else [self.known(uri.uri) for uri in uris]:
            if record_id is not None and self.differs(record_id, uris):
                before = record_id
            elif record_id is not None:
                sources.append(record_id)
        inner = definition.members
        members = self.used(inner, f"{path}.members") if inner else ()
        return self.define(definition, path, derived_from=sources, members=members, before=before)

    def _left_at(self, uri: Uri) -> int | None:
        return None if self.left is None else self.left(Thing(name_of_uri(uri.uri), uris=(uri,)))

    def derived_input(self, thing: Thing) -> int:
        """An input that an adapter found: the record at its URI, made if there is none, or if the
        bytes there are others now."""
        if self.left is not None and (left := self.left(thing)) is not None:
            return left
        before = None
        for uri in thing.uris:
            found = self.known(uri.uri)
            if found is not None and not self.differs(found, thing.uris):
                return found
            before = before or found
        if before is not None:
            thing = replace(thing, tags={**thing.tags, DIFFERS: self.urn(before)})
        return self.derived(thing, ())

    # ---- what is made --------------------------------------------------------------------

    def made(self, item: Item, path: str, name: str) -> list[int]:
        """An output: always a new record. A reference becomes one that derives from what it
        names; `name` is for those without any. Behind a dataset stand its members that are
        defined with it: they are outputs too."""
        if isinstance(item, Defined):
            return self._defined_output(item.definition, path)
        if isinstance(item, PathReference):
            return []  # what is left at paths is made for all of them together
        if isinstance(item, UriReference):
            made = self._make(path, self.recorder.data, name_of_uri(item.uri), uris=[Uri(item.uri)])
            self._by_uri[norm_of(item.uri)] = made
            return [made]
        sources = self.referred(item, path) if isinstance(item, Reference) else []
        return [self._make(path, self.recorder.data, name, depends_on=sources)]

    def _defined_output(self, definition: Definition, path: str) -> list[int]:
        members: list[int] = []
        inner: list[int] = []
        for place, member in enumerate(definition.members or ()):
            where = f"{path}.members[{place}]"
            if isinstance(member, Defined):
                made = self._defined_output(member.definition, where)
                inner += made
                members.append(made[0])
            elif isinstance(member, Reference):
                members += self.referred(member, where)
        return [self.define(definition, path, members=dict.fromkeys(members)), *inner]

    def define(
        self,
        definition: Definition,
        path: str,
        *,
        derived_from: Iterable[int] = (),
        members: Iterable[int] = (),
        before: int | None = None,
    ) -> int:
        """A new record as defined; `before` is one with other bytes at its place."""
        uris = self.uris_of(definition)
        differs = {} if before is None else {DIFFERS: self.urn(before)}
        given = definition.depends_on
        depends = self.references(given, f"{path}.depends_on") if given else ()
        make: Callable[..., Record] = getattr(self.recorder, str(definition.kind or "data"))
        made = self._make(
            path,
            make,
            definition.name,
            depends_on=[*derived_from, *depends],
            uris=uris,
            tags={**differs, **(definition.tags or {})},
            **({"members": list(members)} if definition.kind == "dataset" else {}),
        )
        self.lies_at(made, uris)
        return made

    def derived(self, thing: Thing, depends_on: Iterable[int]) -> int:
        """A new record as an adapter describes it."""
        make: Callable[..., Record] = getattr(self.recorder, thing.kind)
        sources = list(depends_on)
        self.allowance.links(len(sources), "result")
        made = make(thing.name, depends_on=sources, uris=thing.uris, tags=thing.tags)
        if thing.value is not None:
            self.recorder.payload(made, "value", thing.value)
        self.lies_at(made.id, thing.uris)
        self._created[made.id] = next((t for t in (FOLDER, RECURSIVE) if t in thing.tags), None)
        return made.id

    def lies_at(self, record_id: int, uris: Iterable[Uri]) -> None:
        """What later steps find at these URIs is that record."""
        there = [*uris]
        self._created.setdefault(record_id, None)
        for uri in there:
            self._by_uri[norm_of(uri.uri)] = record_id
        self._places[record_id] = there
        self.lookup.note_places(record_id, there)

    def urn(self, record_id: int) -> str:
        """The permanent name of a record."""
        return self.recorder.sink.urn(record_id)

    def files(self, at: int, made: Collection[int]) -> list[RunFile]:
        """Where the records are that this step told of first, `made` those that it made."""
        made = self.generated.union(made)
        told = self._created.keys() | made
        return [
            RunFile(record_id, at, uri, record_id in made, self._created.get(record_id))
            for uri, record_id in self._by_uri.items()
            if record_id in told
        ]

    def note(self) -> None:
        """Tell the lookup where the records of this step are."""
        for uri, record_id in self._by_uri.items():
            self.lookup.note_uri(uri, record_id, run_id=self.recorder.run_id)

    def _make(self, path: str, make: Callable[..., Record], name: str, **how: Any) -> int:
        links = len(how.get("depends_on", ())) + len(how.get("members", ()))
        self.allowance.links(links, path)
        try:
            made = make(name, **how).id
        except InvalidInput as error:
            raise within(error, path) from None
        self._created[made] = None
        return made


def _is_measured(uri: Uri) -> bool:
    return uri.size is not None or uri.digest is not None


def _are_apart(one: Uri, other: Uri) -> bool:
    """Whether what is said of two files cannot be of the same bytes."""
    if None not in (one.size, other.size) and one.size != other.size:
        return True
    mine, others = ((uri.digest or "").lower().partition(":") for uri in (one, other))
    return bool(mine[2] and others[2]) and mine[0] == others[0] and mine[2] != others[2]


def _with_members(items: Iterable[Item]) -> Iterator[Item]:
    """Items, and those that are defined inside them."""
    for item in items:
        yield item
        if isinstance(item, Defined) and item.definition.members:
            yield from _with_members(item.definition.members)


def located(path: str, act: Callable[[], T]) -> T:
    """The act's result; what it refuses is said of that place in the body."""
    try:
        return act()
    except InvalidInput as error:
        raise within(error, path) from None


def _uris_once(document: Definition | ModelEntry, known: UrisOf) -> list[Uri]:
    """The URIs of a definition, in the spelling that is stored; remembered among those known."""
    if (found := known.get(id(document))) is None:
        found = known[id(document)] = document, _uris_of(document)
    return found[1]


def uris_in(items: Iterable[Item], known: UrisOf) -> Iterator[str]:
    """The URIs that items, and those inside them, refer to or define."""
    for item in _with_members(items):
        if isinstance(item, UriReference):
            yield item.uri
        elif isinstance(item, Defined):
            yield from (uri.uri for uri in _uris_once(item.definition, known))


def _uris_of(document: Definition | ModelEntry) -> list[Uri]:
    """The URIs of a definition, in the spelling that is stored.

    Digest, size and media type said of the whole hold for each URI that does not say its own;
    a digest without a URI makes a URI that names the bytes, ``hash://sha256/<hex>``.
    """
    size, digest = document.size, document.digest
    media = document.media_type if isinstance(document, Definition) else None
    given = [*(document.uris or ()), *([document.uri] if document.uri is not None else ())]
    if not given and digest is not None:
        return [Uri(f"hash://{digest.replace(':', '/').lower()}", size, digest, media)]
    return [
        Uri(
            tidy_uri(place.uri),
            size if place.size is None else place.size,
            place.digest or digest,
            place.media_type or media,
        )
        if isinstance(place, UriDocument)
        else Uri(tidy_uri(place), size, digest, media)
        for place in given
    ]
