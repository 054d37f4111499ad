"""Records made of what other programs wrote in PROV."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from provenance_store.batch import Batch
from provenance_store.enums import Kind, Mark
from provenance_store.errors import InvalidInput
from provenance_store.exchange.import_target import Numbers
from provenance_store.exchange.parsing import micros, plain_value, sentence
from provenance_store.exchange.prov.reading import PROV, Element, Name, Prov, Relation
from provenance_store.exchange.prov.verbatim import documents_of
from provenance_store.redaction import scrub_text
from provenance_store.rows import (
    MarkRow,
    OutcomeRow,
    PayloadRow,
    RecordRow,
    StepRow,
    UriRow,
    VersionRow,
)
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.validation.limits import MAX_NAME, MAX_TAG_NAME, MAX_TAG_TEXT, MAX_URI, Gate
from provenance_store.validation.rows import payload_document, tag_row, uri_row

__all__ = ["FACT", "IMPORTED", "MODEL", "Foreign", "infer_kind"]

IMPORTED: Final = "imported"
"""The tag of what was imported from elsewhere; its value names the format."""

MODEL = re.compile(r"model(?!l?ing\b)|neural.?net|classifier|regressor", re.IGNORECASE)
FACT = re.compile(
    r"software|configuration|config\b|settings|script|code\b|plan\b|literature|constant",
    re.IGNORECASE,
)
_COLLECTION = re.compile(r"(collection|dataset)$", re.IGNORECASE)
_GENERATED_AT = (f"{PROV}generatedAtTime", "http://purl.org/dc/terms/created")
_BEGIN = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def infer_kind(element: Element, *, has_members: bool) -> Kind:
    """What kind of record a thing is, in this order.

    An activity is a step. What has members, or a type that ends in Collection or Dataset, is a
    dataset. Then the types of an entity decide: one that speaks of a model makes a model, one of
    software, configuration, plan, script or literature a fact. All else is data.
    """
    if "activity" in element.kinds:
        return Kind.STEP
    types = [re.split(r"[#/:]", str(value))[-1] for value in element.all(f"{PROV}type")]
    if has_members or any(_COLLECTION.search(text) for text in types):
        return Kind.DATASET
    if any(MODEL.search(text) for text in types):
        return Kind.MODEL
    return Kind.FACT if any(FACT.search(text) for text in types) else Kind.DATA


class Foreign:
    """Makes the rows of records of others."""

    def __init__(
        self,
        found: Prov,
        batch: Batch,
        numbers: Numbers,
        ids: Mapping[str, int],
        agents: Mapping[str, Element],
    ) -> None:
        self.notes: list[str] = []
        self.told: set[str] = set()
        """The URIs of what the document describes that is kept with some record."""
        self._said = found.said
        self._prefixes = found.prefixes
        self._meant: dict[str, set[str]] = {}
        for element in found.elements.values():
            for key, label in element.labels.items():
                self._meant.setdefault(label, set()).add(key)
        self._batch = batch
        self._numbers = numbers
        self._ids = ids
        self._agents = agents
        self._limit = MAX_PAYLOAD_BYTES.get()
        self._about: dict[str, list[Relation]] = {}
        members: set[str] = set()
        for relation in found.relations:
            subject = _subject(relation)
            if subject is not None:
                self._about.setdefault(subject, []).append(relation)
            if relation.name == "hadMember":
                members.add(relation.ends.get("collection", ""))
        foreign = {uri: e for uri, e in found.elements.items() if uri in ids}
        self._kinds = {
            uri: infer_kind(element, has_members=uri in members) for uri, element in foreign.items()
        }
        self._parents = self._revisions(found)
        # When it is not known when something came about; 0 where the document has no times.
        self.fallback = min(_times(found), default=0)

    def revises(self, source: str | None, target: str | None) -> bool:
        """Whether a revision makes a version of a model, and not just something derived."""
        return source is not None and self._parents.get(source) == target

    def record(self, element: Element) -> None:
        """The rows of one record. Raises InvalidInput with its place."""
        try:
            self._record(element)
        except InvalidInput as error:
            raise InvalidInput(sentence(error), path=element.place) from None

    def _record(self, element: Element) -> None:
        record_id = self._ids[element.uri]
        kind = self._kinds[element.uri]
        created = self._created(element)
        name = _name(element)
        row = RecordRow(record_id, kind.value, name, created, 0, None, None, None)
        self._batch.record.append(row)
        uris: dict[str, UriRow] = {}
        for text in (element.uri, *self._locations(element)):
            if len(text) <= MAX_URI:
                made = uri_row(Gate(), record_id, text)
                uris[made.uri] = made
        self._batch.uri.extend(uris.values())
        self._tags(element, record_id, created)
        self._invalid(element, record_id)
        if kind is Kind.STEP:
            self._batch.step.append(
                StepRow(record_id, "Activity", None, None, None, None, None, element.start)
            )
            if element.end is not None:
                self._batch.outcome.append(OutcomeRow(record_id, "ENDED", element.end))
        elif kind is Kind.MODEL:
            self._version(element.uri, record_id)

    def _created(self, element: Element) -> int:
        """When it came about, as far as the document tells: else its earliest time, else 1970."""
        times = [micros(value) for name in _GENERATED_AT for value in element.all(name)]
        times += [r.time for r in self._about.get(element.uri, ()) if r.name == "wasGeneratedBy"]
        times.append(element.start)
        return min((t for t in times if t is not None), default=self.fallback)

    def _locations(self, element: Element) -> list[str]:
        return [str(v) for v in element.all(f"{PROV}location") if _BEGIN.match(str(v))]

    def _tags(self, element: Element, record_id: int, at: int) -> None:
        tags: dict[str, Any] = {IMPORTED: "PROV"}
        for key, values in sorted(element.attributes.items()):
            name = self._label(element, key)
            shown = [_shown(value) for value in values]
            if len(values) == 1 and _is_elsewhere(name, values[0]):
                continue
            value = shown[0] if len(shown) == 1 else ", ".join(map(str, shown))
            fits = len(name) <= MAX_TAG_NAME and len(str(value)) <= MAX_TAG_TEXT
            if fits:
                tags[name] = value
        for relation in self._about.get(element.uri, ()):
            if relation.name in ("wasAttributedTo", "wasAssociatedWith"):
                who = self._agent(relation.ends.get("agent"))
                if who and who not in tags.get(relation.name, ""):
                    said = tags.get(relation.name)
                    tags[relation.name] = f"{said}, {who}"[:MAX_TAG_TEXT] if said else who
        for name, value in tags.items():
            row = tag_row(Gate(), record_id, self._numbers.next(), name, value, at)
            self._batch.tag.append(row)
        self.keep(record_id, element.uri)

    def _label(self, element: Element, key: str) -> str:
        """How a document writes the name of an attribute; its URI where that means two things."""
        label = element.labels[key]
        return label if self._meant[label] == {key} else key

    def keep(self, record_id: int, *uris: str) -> None:
        """Keep with a record what the document says of things, and of the agents in that."""
        said = [statement for uri in uris for statement in self._said.get(uri, ())]
        people = {uri: None for s in said for uri in s.ends if uri in self._agents}
        own = set(uris)
        for uri in people:
            if uri not in own:
                about = self._said.get(uri, ())
                said += [s for s in about if s.is_element or uri not in self.told]
        self.told.update(uris, people)
        documents = documents_of(said, self._prefixes, self._limit)
        for number, document in enumerate(documents, start=1):
            gate = Gate()
            text = payload_document(gate, document, limit=self._limit, decoded=True)
            self.notes += gate.notes
            name = "prov" if number == 1 else f"prov_{number}"
            self._batch.payload.append(PayloadRow(record_id, name, text))

    def _agent(self, uri: str | None) -> str | None:
        if uri is None:
            return None
        agent = self._agents.get(uri)
        label = None if agent is None else agent.one(f"{PROV}label")
        return f"{label} ({uri})" if isinstance(label, str) else uri

    def _invalid(self, element: Element, record_id: int) -> None:
        for relation in self._about.get(element.uri, ()):
            if relation.name == "wasInvalidatedBy":
                by = relation.ends.get("activity")
                note = f"Invalidated by {by}" if by else "Invalidated, says the imported document"
                at = self.fallback if relation.time is None else relation.time
                row = (record_id, Mark.INVALIDATED.value, at, note[:16384], record_id)
                self._batch.mark.append(MarkRow(self._numbers.next(), *row))

    # ---- versions of models ----------------------------------------------------------------

    def _revisions(self, found: Prov) -> dict[str, str]:
        """The version before, for models that revise one: the first named, and no cycles."""
        parents: dict[str, str] = {}
        pairs = sorted(
            (r.ends.get("generatedEntity", ""), r.ends.get("usedEntity", ""))
            for r in found.relations
            if r.name == "wasDerivedFrom" and f"{PROV}Revision" in r.all(f"{PROV}type")
        )
        for later, earlier in pairs:
            models = self._kinds.get(later) is Kind.MODEL and self._kinds.get(earlier) is Kind.MODEL
            if models and later not in parents and not _leads(parents, earlier, later):
                parents[later] = earlier
        return parents

    def _version(self, uri: str, record_id: int) -> None:
        depth, line = 0, uri
        while line in self._parents:
            depth, line = depth + 1, self._parents[line]
        parent = self._parents.get(uri)
        before = None if parent is None else self._ids[parent]
        self._batch.version.append(VersionRow(record_id, self._ids[line], before, depth))


def _leads(parents: Mapping[str, str], start: str, end: str) -> bool:
    while start != end:
        if start not in parents:
            return False
        start = parents[start]
    return True


def _subject(relation: Relation) -> str | None:
    if relation.name in ("wasGeneratedBy", "wasInvalidatedBy", "wasAttributedTo"):
        return relation.ends.get("entity")
    return relation.ends.get("activity") if relation.name == "wasAssociatedWith" else None


def _times(found: Prov) -> list[int]:
    times = [t for e in found.elements.values() for t in (e.start, e.end) if t is not None]
    return times + [r.time for r in found.relations if r.time is not None]


def _name(element: Element) -> str:
    labels = sorted(name for name in element.names if name[1])
    name = labels[0][1] if labels else element.text.partition(":")[2] or element.text
    name = scrub_text(name) if "://" in name else name
    return name[:MAX_NAME]


def _is_elsewhere(name: str, value: Any) -> bool:
    """Whether it is kept as the record's name or as a URI, and needs no tag."""
    return name == "prov:label" or (name == "prov:location" and bool(_BEGIN.match(str(value))))


def _shown(value: Any) -> Any:
    if isinstance(value, Name):
        return value.text
    return value.isoformat() if isinstance(value, datetime) else plain_value(value)
