"""From a PROV document to a batch.

What carries our own URNs and terms becomes the very record it was exported from. Everything else
is imported as a new record that is tagged ``imported``, keeps its identifier as a URI and its
attributes as tags; what kind it is, is inferred by `infer_kind`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from provenance_store.batch import Batch
from provenance_store.enums import CARRIES, Kind, Mark, Role
from provenance_store.errors import InvalidInput
from provenance_store.exchange.import_target import Imported, Numbers, take_in
from provenance_store.exchange.parsing import json_in, sentence
from provenance_store.exchange.prov.foreign import IMPORTED, Foreign
from provenance_store.exchange.prov.names import NAMESPACES, principal_of
from provenance_store.exchange.prov.own import SAME, Own, attribute_of
from provenance_store.exchange.prov.reading import PROV, Element, Prov, Relation, read_prov
from provenance_store.ids import looks_like_id
from provenance_store.redaction import scrub_text
from provenance_store.rows import LinkRow, MarkRow, RecordRow, StubRow
from provenance_store.times import parse_time
from provenance_store.validation.limits import Gate
from provenance_store.validation.rows import tag_row

if TYPE_CHECKING:
    from provenance_store.store import Store

__all__ = ["import_prov"]

BRAID: Final = NAMESPACES["braid"]

ENDS: Final = {
    "used": ("activity", "entity", Role.USED),
    "wasGeneratedBy": ("entity", "activity", Role.GENERATED_BY),
    "wasDerivedFrom": ("generatedEntity", "usedEntity", Role.DERIVED_FROM),
    "wasInformedBy": ("informed", "informant", Role.INFORMED_BY),
    "wasStartedBy": ("activity", "trigger", Role.USED),
    "hadMember": ("collection", "entity", Role.HAS_MEMBER),
    "wasInfluencedBy": ("influencee", "influencer", None),
    "specializationOf": ("specificEntity", "generalEntity", Role.DERIVED_FROM),
    "mentionOf": ("specificEntity", "generalEntity", Role.DERIVED_FROM),
}
"""Relations that become links: what depends, what it depends on, and the role."""

USES = (Role.DEPLOYED, Role.CHOSEN, Role.CONSIDERED)
"""How a step uses something, where ``prov:role`` says more."""
_BY_KINDS = {
    (False, False): Role.DERIVED_FROM,
    (True, False): Role.USED,
    (False, True): Role.GENERATED_BY,
    (True, True): Role.INFORMED_BY,
}
"""The role of an influence, by whether its ends are activities."""

_SPACES = re.compile(
    "|".join(re.escape(NAMESPACES[p]) for p in ("environment", "run", "flow", "hidden"))
)


def import_prov(
    store: Store,
    file: Path,
    *,
    value: Any = None,
    dry_run: bool = False,
    format_: str = "PROV-JSON",
    of: Path | None = None,
) -> Imported:
    """Import a PROV-JSON file in one transaction; again changes nothing.

    `value` is the JSON in it where that is read already, `format_` what that was made of, and `of`
    what the file is a part of, such as a crate: the import is listed so.

    Raises InvalidInput with the place of what is wrong, TooLarge beyond the limits, Conflict when
    the store has one of its records as something else. Nothing is then written.
    """
    found = read_prov(file, value)
    try:
        batch, numbers, notes = _Import(found, format_).batch()
    except InvalidInput as error:
        if error.path.startswith("$"):
            raise type(error)(sentence(error), path=f"{file}: {error.path}") from None
        raise
    return take_in(store, batch, numbers, notes, file=of or file, dry_run=dry_run)


class _Import:
    """Makes the batch of one document."""

    def __init__(self, found: Prov, format_: str) -> None:
        self._found = found
        self._numbers = Numbers(f"prov {found.digest}", format_)
        self._batch = Batch()
        self._left_out: Counter[str] = Counter()
        self._no_links: Counter[str] = Counter()
        self._ids: dict[str, int] = {}
        self._acts: dict[str, bool] = {}
        self._undescribed: set[str] = set()
        self._said_invalid = self._claims()

    def batch(self) -> tuple[Batch, Numbers, list[str]]:
        self._implied()
        agents = self._agents()
        own, foreign, stubs = self._sorted(agents)
        for number, element in enumerate(foreign, start=1):
            self._ids[element.uri] = self._numbers.named(number)
        for element in (*own, *stubs):
            self._ids[element.uri] = self._numbers.of(element.uri)
        owners = self._owners()
        writer = Own(self._found, self._batch, self._numbers, owners)
        for element in own:
            writer.record(element)
        writer.runs()
        others = Foreign(self._found, self._batch, self._numbers, self._ids, agents)
        for element in foreign:
            others.record(element)
        for element in stubs:
            self._stub(element)
            self._undescribed.add(element.uri)
        self._rest(others)
        self._links(others)
        self._invalid(own)
        return self._batch, self._numbers, [*self._found.notes, *others.notes, *self._told()]

    # ---- what things are -----------------------------------------------------------------

    def _implied(self) -> None:
        """Things that only relations speak of are what the relation makes them."""
        for relation in self._found.relations:
            for end, uri in relation.ends.items():
                element = self._found.elements.get(uri)
                if element is None:
                    element = Element(uri, self._found.texts[uri])
                    self._found.elements[uri] = element
                if not element.kinds and (kind := _IMPLIED.get((relation.name, end))):
                    element.kinds.add(kind)

    def _agents(self) -> dict[str, Element]:
        """Agents that are nothing else."""
        return {u: e for u, e in self._found.elements.items() if e.kinds == {"agent"}}

    def _sorted(self, agents: Iterable[str]) -> tuple[list[Element], list[Element], list[Element]]:
        """Our own records, records of others, and mentions of our own that are not described."""
        own: list[Element] = []
        foreign: list[Element] = []
        stubs: list[Element] = []
        for uri in sorted(self._found.elements.keys() - set(agents)):
            element = self._found.elements[uri]
            self._acts[uri] = "activity" in element.kinds
            if looks_like_id(uri):
                described = bool(element.all(f"{BRAID}created_at"))
                (own if described else stubs).append(element)
            elif _SPACES.match(uri):
                self._left_out["hidden records"] += uri.startswith(NAMESPACES["hidden"])
            elif element.kinds:
                foreign.append(element)
        return own, foreign, stubs

    def _owners(self) -> dict[str, str]:
        """Who is responsible for a thing, by its URI: identities, not whoever had a role in it."""
        found: dict[str, str] = {}
        for relation in self._found.relations:
            if relation.name == "wasAttributedTo":
                uri = relation.ends.get("entity")
            elif relation.name == "wasAssociatedWith" and not relation.all(f"{PROV}role"):
                uri = relation.ends.get("activity")
            else:
                continue
            agent = relation.ends.get("agent")
            if uri and agent and (principal := principal_of(agent)):
                found[uri] = min(principal, found.get(uri, principal))
        return found

    def _stub(self, element: Element) -> None:
        kinds = [str(k) for k in element.all(f"{BRAID}kind")]
        kind = next((k for k in Kind if k.label in kinds), None)
        if kind is None:
            kind = Kind.STEP if self._acts[element.uri] else Kind.DATA
        label = element.one(f"{PROV}label")
        name = label[:1024] if isinstance(label, str) else None
        self._batch.stub.append(StubRow(self._ids[element.uri], kind.value, name))

    def _rest(self, others: Foreign) -> None:
        """Keep with a record of its own what is said of things that are no records here."""
        rest = [
            uri
            for uri, said in self._found.said.items()
            if said and uri not in others.told and not _is_ours(uri)
        ]
        if rest:
            record_id = self._numbers.next()
            name = f"PROV document {self._found.digest[7:19]}"
            row = (record_id, Kind.FACT.value, name, others.fallback, 0, None, None, None)
            self._batch.record.append(RecordRow(*row))
            self._batch.tag.append(
                tag_row(Gate(), record_id, self._numbers.next(), IMPORTED, "PROV", others.fallback)
            )
            others.keep(record_id, *rest)

    # ---- links ---------------------------------------------------------------------------

    def _links(self, others: Foreign) -> None:
        found: dict[LinkRow, None] = {}
        for relation in self._found.relations:
            if relation.name not in ENDS:
                if relation.name in ("wasEndedBy", "alternateOf", "actedOnBehalfOf"):
                    if relation.name == "alternateOf" and self._is_same(relation):
                        continue
                    self._no_links[relation.name] += 1
                continue
            source, target, role = ENDS[relation.name]
            ends = relation.ends.get(source), relation.ends.get(target)
            if relation.name == "wasStartedBy" and None in ends:
                continue
            row = self._link(relation, ends, role, others)
            if row is not None:
                found[row] = None
        self._batch.link.extend(sorted(found))

    def _is_same(self, relation: Relation) -> bool:
        """Whether one of the two says itself that they are one thing."""
        found = map(self._found.elements.get, relation.ends.values())
        return any(element is not None and element.all(SAME) for element in found)

    def _link(
        self,
        relation: Relation,
        ends: tuple[str | None, str | None],
        role: Role | None,
        others: Foreign,
    ) -> LinkRow | None:
        source, target = (self._ids.get(uri or "") for uri in ends)
        if ends[0] in self._undescribed:
            self._left_out[f"{relation.name} relations of records that are not described"] += 1
            return None
        if source is None or target is None or source == target:
            self._left_out[f"{relation.name} relations without two records"] += 1
            return None
        acts = (self._acts[ends[0] or ""], self._acts[ends[1] or ""])
        return LinkRow(target, source, self._role(relation, acts, ends, role, others).value)

    def _role(
        self,
        relation: Relation,
        acts: tuple[bool, bool],
        ends: tuple[str | None, str | None],
        role: Role | None,
        others: Foreign,
    ) -> Role:
        types = relation.all(f"{PROV}type")
        if role is None:
            said = [str(value) for value in relation.all(f"{BRAID}role")]
            return next((r for r in Role if r.label in said), _BY_KINDS[acts])
        if role is Role.USED:
            said = relation.all(f"{PROV}role")
            return next((r for r in USES if f"{BRAID}{r.label}" in said), role)
        if role is Role.DERIVED_FROM and f"{BRAID}TrainedOn" in types:
            return Role.TRAINED_ON
        if role is Role.DERIVED_FROM and f"{PROV}Revision" in types:
            own = looks_like_id(ends[0] or "")
            return Role.REVISION_OF if own or others.revises(*ends) else role
        return role

    def _invalid(self, own: Iterable[Element]) -> None:
        """Mark what is said to be invalid because of something that is not in the document.

        What derives from an invalid record of the document follows it by itself.
        """
        urns = {self._ids[element.uri]: element.uri for element in own}
        claimed = {i for i, urn in urns.items() if urn in self._said_invalid}
        while left := sorted(claimed - invalidated(self._batch)):
            up = {x.from_id for x in self._batch.link if _carries(x) and x.to_id in claimed}
            for record_id in [i for i in left if i not in up] or left:
                at, cause, root = self._said_invalid[urns[record_id]]
                note = scrub_text(f"{cause} (because of {root})")[:16384]
                row = (record_id, Mark.INVALIDATED.value, at, note, record_id)
                self._batch.mark.append(MarkRow(self._numbers.next(), *row))

    def _claims(self) -> dict[str, tuple[int, str, str]]:
        """What is said to be invalid: since when, why, and because of what."""
        found: dict[str, tuple[int, str, str]] = {}
        for relation in self._found.relations:
            entity = relation.ends.get("entity")
            if relation.name == "wasInvalidatedBy" and entity and relation.time is not None:
                why = [str(v) for v in relation.all(f"{BRAID}cause")[:1]]
                because = [str(v) for v in relation.all(f"{BRAID}root")[:1]]
                found[entity] = (relation.time, "".join(why), "".join(because))
        for element in self._found.elements.values():
            for text in element.all(f"{BRAID}invalidated"):
                with attribute_of(element, "braid:invalidated"):
                    said = json_in(text, "braid:invalidated")
                if not isinstance(said, dict) or not isinstance(said.get("at", 0), str | None):
                    raise InvalidInput(
                        "braid:invalidated has at, cause and root.", path=element.place
                    )
                cause, root = str(said.get("cause", "")), str(said.get("root", ""))
                with attribute_of(element, "braid:invalidated"):
                    at = said.get("at") and parse_time(said["at"], now=0)
                found[element.uri] = (at or 0, cause, root)
        return found

    def _told(self) -> list[str]:
        kept = "are kept as they were said, and are no links"
        told = [f"{count} {name} relations {kept}." for name, count in self._no_links.items()]
        both = [e.text for e in self._found.elements.values() if {"entity", "activity"} <= e.kinds]
        if both:
            more = f" and {len(both) - 1} more" if len(both) > 1 else ""
            told.append(
                "What is said to be both an entity and an activity is a step here: "
                f"{both[0][:80]}{more}."
            )
        left_out = self._left_out.items()
        return told + [f"{count} {what} were left out." for what, count in left_out if count]


def _is_ours(uri: str) -> bool:
    """Whether this names something of Braid: a record, run, flow, person or placeholder."""
    return looks_like_id(uri) or bool(_SPACES.match(uri)) or principal_of(uri) is not None


def invalidated(batch: Batch) -> set[int]:
    """The records that a batch invalidates, and those that follow them by its links, and by what it
    says is one thing."""
    last: dict[int, tuple[int, int]] = {}
    for mark in batch.mark:
        if mark.mark in (Mark.INVALIDATED, Mark.RESTORED):
            last[mark.record_id] = max(last.get(mark.record_id, (0, 0)), (mark.at, mark.mark))
    down: dict[int, list[int]] = {}
    for link in batch.link:
        if _carries(link):
            down.setdefault(link.to_id, []).append(link.from_id)
    for same in batch.same_as:
        down.setdefault(same.record_id, []).append(same.other_id)
    waiting = [i for i, (_, mark) in last.items() if mark == Mark.INVALIDATED]
    found = set(waiting)
    while waiting:
        new = [i for i in down.get(waiting.pop(), ()) if i not in found]
        found.update(new)
        waiting += new
    return found


def _carries(link: LinkRow) -> bool:
    """Whether what depends follows when what it depends on is invalid."""
    return link.role in CARRIES


_IMPLIED: Final = {
    (name, end): kind
    for name, ends in {
        "used": {"activity": "activity", "entity": "entity"},
        "wasGeneratedBy": {"entity": "entity", "activity": "activity"},
        "wasDerivedFrom": {
            "generatedEntity": "entity",
            "usedEntity": "entity",
            "activity": "activity",
        },
        "wasInformedBy": {"informed": "activity", "informant": "activity"},
        "wasStartedBy": {"activity": "activity", "trigger": "entity", "starter": "activity"},
        "wasEndedBy": {"activity": "activity", "trigger": "entity", "ender": "activity"},
        "wasInvalidatedBy": {"entity": "entity", "activity": "activity"},
        "wasAttributedTo": {"entity": "entity", "agent": "agent"},
        "wasAssociatedWith": {"activity": "activity", "agent": "agent", "plan": "entity"},
        "actedOnBehalfOf": {"delegate": "agent", "responsible": "agent", "activity": "activity"},
        "wasInfluencedBy": {"influencee": "entity", "influencer": "entity"},
        "specializationOf": {"specificEntity": "entity", "generalEntity": "entity"},
        "alternateOf": {"alternate1": "entity", "alternate2": "entity"},
        "mentionOf": {"specificEntity": "entity", "generalEntity": "entity"},
        "hadMember": {"collection": "entity", "entity": "entity"},
    }.items()
    for end, kind in ends.items()
}
"""What a relation says of its ends."""
