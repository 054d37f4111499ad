"""Does a statement hold? Its own digests, its signature, and what a store says today."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from provenance_store.errors import BadFile
from provenance_store.statement.claims import derive
from provenance_store.statement.document import (
    DERIVED,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    evidence_of,
    subjects,
)
from provenance_store.statement.merkle import leaf_hash, root_hash
from provenance_store.values import digest_of

__all__ = ["Difference", "against_itself", "against_store", "read_statement"]

MAX_SHOWN = 200
DROPPED_BY_AGE = ("tags", "documents")
SAYS_NOTHING = (None, "")


class Difference(NamedTuple):
    """What does not hold: which record (or part of the statement), which field, and both values
    where there are two."""

    record: str
    field: str
    stated: object = None
    found: object = None

    def sentence(self) -> str:
        """For people."""
        if self.stated is None and self.found is None:
            return f"{self.record}: {self.field}."
        return f"{self.record}: {self.field} is stated as {_brief(self.stated)}, but is " + (
            f"{_brief(self.found)}."
        )

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "record": self.record,
            "field": self.field,
            "stated": self.stated,
            "found": self.found,
        }


def read_statement(document: Any, *, path: str = "") -> dict[str, Any]:
    """The document, if it is a statement of ours; raises BadFile, saying what it is not."""
    if not isinstance(document, dict) or document.get("_type") != STATEMENT_TYPE:
        what = "this is no in-toto Statement v1, nor an envelope around one."
        raise BadFile(what, path=path)
    if document.get("predicateType") != PREDICATE_TYPE:
        raise BadFile(
            f"this is an in-toto Statement of another kind: its predicateType is not "
            f"{PREDICATE_TYPE}.",
            path=path,
        )
    try:
        _Statement.check(document)
    except msgspec.ValidationError as error:
        raise BadFile(f"this statement is not complete: {error}.", path=path) from None
    return document


def against_itself(statement: Mapping[str, Any]) -> Iterator[Difference]:
    """Where the statement contradicts itself: leaves, the root, subjects, what is derived."""
    evidence = statement["predicate"]["evidence"]
    ids = [leaf["id"] for leaf in evidence["leaves"]]
    if ids != sorted(set(ids)):
        yield Difference("the evidence", "the records are not in order, or one is there twice")
        return
    if evidence["root"] not in ids:
        yield Difference(evidence["root"], "the record itself is not among the evidence")
        return
    altered = False
    for leaf in evidence["leaves"]:
        found = leaf_hash(leaf["record"]).hex()
        if found != leaf["leaf"] or leaf["record"].get("id") != leaf["id"]:
            altered = True
            yield Difference(leaf["id"], "its digest", leaf["leaf"], found)
    yield from _tree(evidence)
    for digest, document in evidence["environments"].items():
        if digest_of(document) != digest:
            yield Difference("the environment", "its digest", digest, digest_of(document))
    if not altered:
        yield from _derived(statement)


def _tree(evidence: Mapping[str, Any]) -> Iterator[Difference]:
    try:
        hashes = [bytes.fromhex(leaf["leaf"]) for leaf in evidence["leaves"]]
    except ValueError:
        yield Difference("the evidence", "a digest is not hexadecimal")
        return
    found = {"size": len(hashes), "root": root_hash(hashes).hex()}
    for name, value in found.items():
        if evidence["tree"].get(name) != value:
            yield Difference("the evidence", f"tree {name}", evidence["tree"].get(name), value)


def _derived(statement: Mapping[str, Any]) -> Iterator[Difference]:
    predicate = statement["predicate"]
    evidence = predicate["evidence"]
    try:
        follows = derive(evidence_of(statement))
        about = list(subjects(evidence["leaves"], evidence["root"]))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        yield Difference("the evidence", f"it is not complete: {type(error).__name__} {error}")
        return
    for name in DERIVED:
        if predicate.get(name) != follows[name]:
            yield Difference("the account", f"{name} does not follow from the evidence")
    if statement["subject"] != about:
        yield Difference("the subject", "it does not follow from the evidence")


def against_store(
    statement: Mapping[str, Any], present: Mapping[str, Any]
) -> tuple[list[Difference], list[str]]:
    """What a store says otherwise today, and what could not be compared, a sentence each.

    `present` is what `evidence.gather_these` finds of the statement's records, as of its time.
    """
    evidence = statement["predicate"]["evidence"]
    stated = {leaf["id"]: leaf["record"] for leaf in evidence["leaves"]}
    today = {record["id"]: record for record in present["records"]}
    stubs = {stub["id"] for stub in present["stubs"]}
    differences: list[Difference] = []
    dropped = 0
    for urn, record in stated.items():
        if urn not in today:
            why = "left out of this store, a slice" if urn in stubs else "not in the store"
            differences.append(Difference(urn, f"the record is {why}"))
            continue
        reduced = urn in present["reduced"] and urn not in evidence["reduced"]
        dropped += reduced
        differences += _compared(record, today[urn], reduced=reduced)
    differences += _invalidated(evidence, present, stated)
    differences += _around(evidence, present)
    return differences, list(_notes(evidence, present, stated, dropped))


def _compared(
    stated: Mapping[str, Any], today: Mapping[str, Any], *, reduced: bool
) -> Iterator[Difference]:
    urn = stated["id"]
    for name in sorted(stated.keys() | today.keys()):
        before, now = stated.get(name), today.get(name)
        if name == "hidden_links" or before == now:
            continue
        if name == "links":
            yield from _links(stated, today)
        elif isinstance(before, dict) and isinstance(now, dict):
            for key in sorted(before.keys() | now.keys()):
                if before.get(key) == now.get(key) or (reduced and _dropped(name, key, now)):
                    continue
                yield Difference(urn, f"{name}.{key}", before.get(key), now.get(key))
        elif name == "uris":
            yield from _uris(urn, before, now)
        else:
            yield Difference(urn, name, before, now)


def _dropped(name: str, key: str, now: Mapping[str, Any]) -> bool:
    """Whether this is gone from a record, and not another now, where things were dropped by age."""
    if name == "model":
        return (key == "scores" and not now[key]) or (key == "curve" and now[key]["values"] == 0)
    return name in DROPPED_BY_AGE and key not in now


def _uris(urn: str, before: Any, now: Any) -> Iterator[Difference]:
    stated, today = ({uri["uri"]: uri for uri in some or ()} for some in (before, now))
    for uri in sorted(stated.keys() | today.keys()):
        if uri not in today or uri not in stated:
            yield Difference(urn, f"the file {uri} is {_side(uri in stated)}")
            continue
        for key in ("size", "digest", "media_type", "checks"):
            if stated[uri].get(key) != today[uri].get(key):
                yield Difference(urn, f"{key} of {uri}", stated[uri].get(key), today[uri].get(key))


def _links(stated: Mapping[str, Any], today: Mapping[str, Any]) -> Iterator[Difference]:
    """Links that are gone; and new ones, beyond those that whoever asked could not see."""
    before = {(link["role"], link["to"]) for link in stated["links"]}
    now = {(link["role"], link["to"]) for link in today["links"]}
    for role, to in sorted(before - now):
        yield Difference(stated["id"], f"the link {role} {to} is stated only")
    added = sorted(now - before)
    if len(added) > stated.get("hidden_links", 0):
        for role, to in added:
            yield Difference(stated["id"], f"the link {role} {to} is in the store only")


def _side(is_stated: bool) -> str:
    return "stated only" if is_stated else "in the store only"


def _invalidated(
    evidence: Mapping[str, Any], present: Mapping[str, Any], stated: Mapping[str, Any]
) -> Iterator[Difference]:
    for urn, why in present["invalidated"].items():
        if urn in stated and urn not in evidence["invalidated"]:
            when = f" on {why['at'][:10]}" if why["at"] else ""
            cause = f"it was marked invalid{when}, because: {why['cause']}"
            yield Difference(urn, f"{cause} (beginning with {why['root']})")


def _around(evidence: Mapping[str, Any], present: Mapping[str, Any]) -> Iterator[Difference]:
    """Runs, environments and writing sessions: what was known must not be another now."""
    fixed = {
        "runs": ("flow_id", "run_owner", "recorded_by"),
        "origins": ("who", "host", "process", "software", "started_at"),
    }
    for part, names in fixed.items():
        for key, before in evidence[part].items():
            now = present[part].get(key, {})
            for name in names:
                if before.get(name) not in SAYS_NOTHING and before[name] != now.get(name):
                    yield Difference(f"{part[:-1]} {key}", name, before[name], now.get(name))
    for digest, document in evidence["environments"].items():
        if digest in present["environments"] and present["environments"][digest] != document:
            yield Difference(f"environment {digest}", "its document is another")


def _notes(
    evidence: Mapping[str, Any],
    present: Mapping[str, Any],
    stated: Mapping[str, Any],
    dropped: int,
) -> Iterator[str]:
    if dropped:
        yield (
            f"Of {dropped} records the tags, numbers and documents were dropped by age since; what "
            "is left of them was compared."
        )
    if back := [urn for urn in evidence["invalidated"] if urn not in present["invalidated"]]:
        yield f"{len(back)} records that were invalid then are valid again."
    if evidence["truncated"]:
        yield "The statement is over the nearest records only; the others were not looked at."


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 4] + " ..."


class _Leaf(msgspec.Struct):
    id: str
    leaf: str
    record: dict[str, Any]


class _Evidence(msgspec.Struct):
    as_of: str
    root: str
    limit: int
    truncated: bool
    restricted: int
    scope: str
    stubs: list[dict[str, Any]]
    missing: list[str]
    open: list[str]
    invalidated: dict[str, dict[str, Any]]
    reduced: dict[str, dict[str, Any]]
    runs: dict[str, dict[str, Any]]
    origins: dict[str, dict[str, Any]]
    environments: dict[str, Any]
    tree: dict[str, Any]
    leaves: list[_Leaf]


class _Predicate(msgspec.Struct):
    evidence: _Evidence


class _Statement(msgspec.Struct):
    subject: list[dict[str, Any]]
    predicate: _Predicate

    @classmethod
    def check(cls, document: Any) -> None:
        """Raise msgspec.ValidationError for a document of another shape."""
        msgspec.convert(document, cls)
