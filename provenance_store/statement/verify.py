"""Does a statement hold in itself? Its shape, its digests, and what follows from its evidence.

The evidence says some things twice: links name what must be in it as a record or as left out, and
records name their runs, environments and writing sessions. Here all of that has to agree. What only
the store knows is compared in `statement.compare`. Fields that are not known are refused, since a
reader would take them for part of what was verified; a later version that adds a field gives it a
default, so that older statements stay valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import msgspec

from provenance_store.display import counted
from provenance_store.errors import BadFile, InvalidInput
from provenance_store.ids import Urn, now, parse_id
from provenance_store.queries.documents import RESTRICTED
from provenance_store.statement.claims import derive
from provenance_store.statement.curve import contradictions
from provenance_store.statement.document import (
    DERIVED,
    HASHING,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    check_shape,
    evidence_of,
    subjects,
)
from provenance_store.statement.evidence import LINKS_A_RECORD, MAX_RECORDS
from provenance_store.statement.format import time_of
from provenance_store.statement.graph import with_later_links
from provenance_store.statement.record_hash import leaf_hash, root_hash
from provenance_store.times import format_time, parse_time
from provenance_store.values import canonical_json, digest_of

__all__ = ["Difference", "against_itself", "read_statement", "same"]

MAX_SHOWN = 200


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


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: to Python true is 1, and 1 is 1.0."""
    return one == other and canonical_json(one) == canonical_json(other)


def _brief(value: object) -> str:
    if isinstance(value, Mapping) and value.keys() == {"at", "cause", "root"}:
        since = f" since {time_of(value['at'])}" if isinstance(value["at"], str) else ""
        value = f"invalid{since} because: {value['cause']}; beginning with {value['root']}"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 4] + " ..."


Evidence = Mapping[str, Any]

MADE_WITH = re.compile(r"braid-provenance( [0-9A-Za-z.+!-]{1,64})?")
MAX_DEPTH = 200
"""Environments are nested less deeply than this: no store takes others."""
TOLD_TOGETHER = ("late_links", "same_things", "unconnected")
"""Older versions told none of these."""
AHEAD = 24 * 3600 * 1_000_000
"""How far, in microseconds, the clock of whoever made a statement may be ahead of ours."""


def read_statement(document: Any, *, path: str = "") -> dict[str, Any]:
    """The document, if it is a statement of ours; raises BadFile, saying what it is not."""
    if not isinstance(document, dict) or document.get("_type") != STATEMENT_TYPE:
        what = "this is neither an in-toto Statement v1 nor an envelope around one."
        raise BadFile(what, path=path)
    if document.get("predicateType") != PREDICATE_TYPE:
        raise BadFile(
            f"this is an in-toto Statement of another kind: its predicateType is not "
            f"{PREDICATE_TYPE}.",
            path=path,
        )
    try:
        check_shape(document)
    except msgspec.ValidationError as error:
        raise BadFile(_misshapen(str(error)), path=path) from None
    for digest, one in document["predicate"]["evidence"]["environments"].items():
        if _is_deep(one):
            raise BadFile(f"the environment {digest:.80} is nested too deeply.", path=path)
    return document


def _misshapen(error: str) -> str:
    if "unknown field" in error:
        return (
            f"this statement has a field that this Braid does not know, and so could not verify: "
            f"{error}. It was added, or a newer Braid made the statement: verify it with that."
        )
    return f"this statement is not complete: {error}."


def _is_deep(document: Any) -> bool:
    level = [document]
    for _ in range(MAX_DEPTH):
        inside: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inside += value.values()
            elif isinstance(value, list):
                inside += value
        if not inside:
            return False
        level = inside
    return True


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
    altered = [*_ids(ids), *_leaves(evidence)]
    yield from altered
    yield from _tree(evidence)
    yield from _environments(evidence)
    yield from _made(statement["predicate"])
    if not altered:
        yield from _derived(statement)
        yield from _lists(evidence)
        yield from _later(evidence)
        yield from _imports(evidence)
        yield from _belonging(evidence)
        yield from _seen(evidence)
        yield from _extent(evidence)


def _ids(ids: Sequence[str]) -> Iterator[Difference]:
    for urn in ids:
        try:
            is_urn = isinstance(parse_id(urn), Urn)
        except InvalidInput:
            is_urn = False
        if not is_urn:
            yield Difference(urn[:200], "it is not the permanent name of a record")


def _leaves(evidence: Evidence) -> Iterator[Difference]:
    for leaf in evidence["leaves"]:
        found = leaf_hash(leaf["record"]).hex()
        if found != leaf["leaf"] or leaf["record"].get("id") != leaf["id"]:
            yield Difference(leaf["id"], "its digest", leaf["leaf"], found)


def _tree(evidence: Evidence) -> Iterator[Difference]:
    try:
        hashes = [bytes.fromhex(leaf["leaf"]) for leaf in evidence["leaves"]]
    except ValueError:
        yield Difference("the evidence", "a digest is not hexadecimal")
        return
    found = {"hashing": HASHING, "size": len(hashes), "root": root_hash(hashes).hex()}
    for name, value in found.items():
        if not same(evidence["tree"].get(name), value):
            yield Difference("the evidence", f"tree {name}", evidence["tree"].get(name), value)


def _environments(evidence: Evidence) -> Iterator[Difference]:
    for digest, document in evidence["environments"].items():
        if (found := digest_of(document)) != digest:
            yield Difference("the environment", "its digest", digest, found)


def _made(predicate: Mapping[str, Any]) -> Iterator[Difference]:
    """What no record says: the program, the time, and the limit that was asked for."""
    evidence = predicate["evidence"]
    if not MADE_WITH.fullmatch(predicate["made_with"]):
        what = "made_with does not name Braid and its version"
        yield Difference("the account", what, predicate["made_with"], "braid-provenance VERSION")
    try:
        at = parse_time(evidence["as_of"], now=0)
    except InvalidInput:
        at = None
    if at is None or format_time(at) != evidence["as_of"]:
        yield Difference("the evidence", f"as_of is not a time: {evidence['as_of']:.40}")
    elif at > now() + AHEAD:
        yield Difference("the evidence", f"as_of is in the future: {evidence['as_of']}")
    if not 1 <= evidence["limit"] <= MAX_RECORDS:
        yield Difference("the evidence", f"limit is not 1 to {MAX_RECORDS}: {evidence['limit']}")


def _derived(statement: Mapping[str, Any]) -> Iterator[Difference]:
    predicate = statement["predicate"]
    evidence = predicate["evidence"]
    try:
        follows = derive(evidence_of(statement))
        root, leaves = evidence["root"], evidence["leaves"]
        about = [list(subjects(leaves, root, before=before)) for before in (False, True)]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        yield Difference("the evidence", f"it is not complete: {type(error).__name__} {error}")
        return
    for name in DERIVED:
        if not same(predicate.get(name), follows[name]):
            yield Difference("the account", f"{name} does not follow from the evidence")
    if not any(same(statement["subject"], one) for one in about):
        yield Difference("the subject", "it does not follow from the evidence")


def _lists(evidence: Evidence) -> Iterator[Difference]:
    """Each list is in order, and nothing is in it twice."""
    for name in ("stubs", "missing", "open"):
        urns = [one["id"] if name == "stubs" else one for one in evidence[name]]
        if urns != sorted(set(urns)):
            yield Difference("the evidence", f"{name} is not in order, or has something twice")
    for leaf in evidence["leaves"]:
        record = leaf["record"]
        ends = [(link["role"], link["to"]) for link in record["links"]]
        if ends != sorted(set(ends)):
            yield Difference(leaf["id"], "its links are not in order, or one is there twice")
        uris = [uri["uri"] for uri in record["uris"]]
        if uris != sorted(set(uris)):
            yield Difference(leaf["id"], "its files are not in order, or one is there twice")
        for uri in record["uris"]:
            checks = [(check["at"], check["digest"]) for check in uri["checks"]]
            if checks != sorted(checks):
                yield Difference(leaf["id"], f"the checks of {uri['uri']} are not in order")
        if "model" in record:
            for wrong in contradictions(record["model"]["curve"]):
                yield Difference(leaf["id"], wrong)


def _later(evidence: Evidence) -> Iterator[Difference]:
    """Links that came late are of its records, in order and until its time; steps that are not
    connected with it are none of its records."""
    known = {leaf["id"]: leaf["record"] for leaf in evidence["leaves"]}
    if len(evidence.keys() & TOLD_TOGETHER) not in (0, len(TOLD_TOGETHER)):
        yield Difference("the evidence", f"some of {', '.join(TOLD_TOGETHER)} are left out")
    late = evidence.get("late_links", [])
    if [link["at"] for link in late] != sorted(link["at"] for link in late):
        yield Difference("the evidence", "late_links is not in order")
    for link in late:
        if link["from"] not in known:
            yield Difference(link["from"], "a late link is of no record of the evidence")
        elif {"role": link["role"], "to": link["to"]} in known[link["from"]]["links"]:
            yield Difference(link["from"], "a late link is one of its own links too")
        if link["at"] > evidence["as_of"]:
            yield Difference(link["from"], "a late link is later than the evidence")
    yield from _same_things(evidence, known.keys())
    apart = [step["id"] for step in evidence.get("unconnected", [])]
    if apart and evidence["truncated"]:
        yield Difference("the evidence", "what is cut off does not tell what is not connected")
    if len(apart) != len(set(apart)):
        yield Difference("the evidence", "unconnected has a step twice")
    for urn in known.keys() & set(apart):
        yield Difference(urn, "it is there, and is stated as not connected")


def _same_things(evidence: Evidence, known: Set[str]) -> Iterator[Difference]:
    """What is one thing with another is so the other way round, and was so then."""
    ends = [(link["from"], link["to"]) for link in evidence.get("same_things", ())]
    shown = [pair for pair in ends if pair[1] != RESTRICTED]  # of others the order tells nothing
    if shown != sorted(set(shown)) or [one for one, _ in ends] != sorted(one for one, _ in ends):
        yield Difference("the evidence", "same_things is not in order, or has something twice")
    for link in evidence.get("same_things", ()):
        if link["from"] not in known:
            yield Difference(link["from"], "it is one thing with others, and no record here")
        elif link["to"] in known and (link["to"], link["from"]) not in ends:
            yield Difference(link["to"], f"it is not stated to be one thing with {link['from']}")
        if link["from"] == link["to"]:
            yield Difference(link["from"], "it is stated to be one thing with itself")
        if link["at"] > evidence["as_of"]:
            yield Difference(link["from"], "it was one thing with others only after the evidence")


def _imports(evidence: Evidence) -> Iterator[Difference]:
    """Imports are in order and of its time, and each record came by one at most."""
    known = {leaf["id"] for leaf in evidence["leaves"]}
    ids = [one["id"] for one in evidence.get("imports", ())]
    if ids != sorted(set(ids)):
        yield Difference("the evidence", "imports is not in order, or has one twice")
    seen: set[str] = set()
    for one in evidence.get("imports", ()):
        where, urns = f"import {one['id']:.200}", one["records"]
        if not urns or urns != sorted(set(urns)) or not known.issuperset(urns):
            yield Difference(where, "its records are none of the evidence, or not in order")
        if not seen.isdisjoint(urns):
            yield Difference(where, "a record of it came by another import")
        if one["at"] > evidence["as_of"]:
            yield Difference(where, "it is later than the evidence")
        seen.update(urns)


def _belonging(evidence: Evidence) -> Iterator[Difference]:
    """Whatever stands around the records is named by one of them."""
    records = {leaf["id"]: leaf["record"] for leaf in evidence["leaves"]}
    sessions = {urn.split(":")[2] for urn in records if urn.count(":") == 3}
    named = {
        "invalidated": records.keys(),
        "reduced": records.keys(),
        "open": {urn for urn, record in records.items() if record["opened_live"]},
        "runs": {record["run_id"] for record in records.values()},
        "environments": {record["environment"] for record in records.values()},
        "origins": sessions,
    }
    for name, known in named.items():
        for key in evidence[name]:
            if key not in known:
                yield Difference("the evidence", f"no record of it belongs to {name} {key:.200}")
    for session in sorted(sessions - evidence["origins"].keys()):
        yield Difference("the evidence", f"the writing session {session} is not among origins")
    for run_id, run in evidence["runs"].items():
        if run["run_id"] != run_id or run["tags"]:
            yield Difference(f"run {run_id}", "it has another id inside, or tags, which none has")


def _seen(evidence: Evidence) -> Iterator[Difference]:
    """Who sees everything misses nothing; who does not is not told what others left out."""
    everything = evidence["scope"] == "everything"
    told = {
        "restricted": bool(evidence["restricted"]) and everything,
        "stubs": bool(evidence["stubs"]) and not everything,
        "missing": bool(evidence["missing"]) and not everything,
    }
    for name, wrong in told.items():
        if wrong:
            yield Difference("the evidence", f"{name} does not go with scope {evidence['scope']}")
    for key, origin in evidence["origins"].items():
        hidden = origin["process"] is None and not origin["who"] and not origin["host"]
        if hidden == everything:
            yield Difference(f"origin {key}", f"it does not go with scope {evidence['scope']}")
    later = (*evidence.get("late_links", ()), *evidence.get("same_things", ()))
    late_hidden = {link["from"] for link in later if link["to"] == RESTRICTED}
    for leaf in evidence["leaves"]:
        model = leaf["record"].get("model", {})
        hides = (
            leaf["record"]["hidden_links"]
            or leaf["id"] in late_hidden
            or RESTRICTED
            in (
                model.get("line"),
                model.get("parent"),
            )
        )
        if hides and everything:
            yield Difference(leaf["id"], "it hides something, where scope is everything")
    known = {leaf["id"] for leaf in evidence["leaves"]}
    for urn in _left_out(evidence):
        if urn in known:
            yield Difference(urn, "it is there, and is stated as left out or missing")


def _left_out(evidence: Evidence) -> list[str]:
    return [*(stub["id"] for stub in evidence["stubs"]), *evidence["missing"]]


def _extent(evidence: Evidence) -> Iterator[Difference]:
    """The records are those that the links lead to from the root, the nearest first, no others."""
    leaves = (leaf["record"] for leaf in evidence["leaves"])
    records = with_later_links(leaves, evidence)
    left_out = set(_left_out(evidence))
    told = records.keys() | left_out
    distances = _distances(evidence["root"], records)
    beyond = sorted(distances.keys() - told)
    count = len(told) + evidence["restricted"]
    if count > evidence["limit"]:
        yield Difference("the evidence", f"it has {counted(count, 'record')}, and limit is less")
    if evidence["truncated"]:
        yield from _cut(evidence, records, beyond, distances)
    elif beyond:
        yield Difference(beyond[0], "it is depended on, and neither a record here nor left out")
    hidden = sum(record["hidden_links"] for record in records.values())
    if evidence["restricted"] and not hidden:
        yield Difference("the evidence", "restricted counts records that no link leads to")
    if hidden and not evidence["restricted"] and not evidence["truncated"]:
        yield Difference("the evidence", "links lead to hidden records, and restricted is 0")
    # What is hidden or gone may have led on to others; what nothing leads to was made up.
    passed = evidence["restricted"] or left_out & distances.keys()
    for urn in sorted(told - distances.keys()):
        if not passed:
            yield Difference(urn, "nothing in the evidence depends on it")


def _cut(
    evidence: Evidence,
    records: Mapping[str, Any],
    beyond: Sequence[str],
    distances: Mapping[str, int],
) -> Iterator[Difference]:
    """Where the limit was reached: there are as many as it allows, and something lies beyond."""
    left_out = _left_out(evidence)
    links = sum(len(r["links"]) + r["hidden_links"] for r in records.values())
    if links >= LINKS_A_RECORD * evidence["limit"]:
        return  # then the links were too many, however many records there are
    if (count := len(records) + len(left_out) + evidence["restricted"]) < evidence["limit"]:
        yield Difference(
            "the evidence", f"truncated, but it has {counted(count, 'record')}, fewer than limit"
        )
    if evidence["restricted"] or left_out:
        return
    if not beyond:
        yield Difference("the evidence", "truncated, but no link leads further")
    farthest = max(distances.get(urn, 0) for urn in records)
    for urn in beyond:
        if distances[urn] < farthest:
            yield Difference(urn, "it is nearer than others, and not among the evidence")


def _distances(root: str, records: Mapping[str, Any]) -> dict[str, int]:
    """How many links from the root each record is, and each end of their links."""
    found, frontier, distance = {root: 0}, [root], 0
    while frontier:
        distance += 1
        ends = {k["to"] for urn in frontier if urn in records for k in records[urn]["links"]}
        frontier = [urn for urn in ends if urn not in found]
        found |= dict.fromkeys(frontier, distance)
    return found
