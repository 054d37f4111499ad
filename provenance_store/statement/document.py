"""The statement itself: an in-toto Statement v1 whose predicate holds evidence and account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from provenance_store.statement.claims import derive
from provenance_store.statement.record_hash import leaf_hash, root_hash
from provenance_store.version import VERSION

__all__ = [
    "DERIVED",
    "HASHING",
    "PREDICATE_TYPE",
    "RECORD_DIGEST",
    "STATEMENT_TYPE",
    "check_shape",
    "evidence_of",
    "state",
    "subjects",
]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:braid:predicate:statement:v1"
"""The version counts up when a verifier of the one before would misread the next."""
RECORD_DIGEST = "braidRecordSha256"
"""Under this name statements of earlier versions have the digest of their record."""
DIGESTS = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"})
"""The digests of subjects: readers such as sigstore refuse a statement that has another one."""
HASHING = "rfc6962-sha256"
"""How the tree over the evidence is hashed: see `record_hash`."""
DERIVED = ("claim", "counts", "chain", "models", "facts", "begins_with", "not_supported")
"""The parts of a predicate that follow from its evidence."""

_SOFTWARE = f"braid-provenance {VERSION}"
_HEX = re.compile(r"[0-9a-f]+")


def state(found: Mapping[str, Any]) -> dict[str, Any]:
    """The in-toto Statement over gathered evidence.

    Subjects are the record and each of its files that has a digest of DIGESTS.
    """
    evidence = dict(found)
    records = evidence.pop("records")
    hashes = [leaf_hash(record) for record in records]
    leaves = [
        {"id": record["id"], "leaf": leaf.hex(), "record": record}
        for record, leaf in zip(records, hashes, strict=True)
    ]
    tree = {"hashing": HASHING, "size": len(leaves), "root": root_hash(hashes).hex()}
    return {
        "_type": STATEMENT_TYPE,
        "subject": list(subjects(leaves, evidence["root"])),
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "made_with": _SOFTWARE,
            **derive(found),
            "evidence": {**evidence, "tree": tree, "leaves": leaves},
        },
    }


def evidence_of(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence of a statement as it was gathered."""
    evidence = dict(statement["predicate"]["evidence"])
    leaves = evidence.pop("leaves")
    evidence.pop("tree")
    return evidence | {"records": [leaf["record"] for leaf in leaves]}


def subjects(
    leaves: list[dict[str, Any]], root: str, *, before: bool = False
) -> Iterator[dict[str, Any]]:
    """What the statement is about: the record, then its files.

    The digest of the record is the leaf of its evidence: SHA-256 of a zero byte and its canonical
    JSON. With `before` as earlier versions wrote it: under a name of our own, and with every
    digest that a file has.
    """
    (about,) = (leaf for leaf in leaves if leaf["id"] == root)
    yield {"name": root, "digest": {RECORD_DIGEST if before else "sha256": about["leaf"]}}
    for uri in about["record"]["uris"]:
        digests = {n: value for n, value in _digests(uri) if before or n in DIGESTS}
        if digests:
            yield {"name": uri["uri"], "digest": digests}


def _digests(uri: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Digests by algorithm: the one recorded, then the first found, and so first comes last."""
    texts = [uri["digest"], *(check["digest"] for check in uri["checks"])][::-1]
    for text in texts:
        algorithm, _, value = (text or "").partition(":")
        if algorithm and _HEX.fullmatch(value):
            yield algorithm, value


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """An object with these fields and no others."""


class _Check(_Part):
    at: str
    size: int | None
    digest: str | None


class _Uri(_Part):
    uri: str
    size: int | None
    digest: str | None
    media_type: str | None
    checks: list[_Check]


class _Tag(_Part):
    type: str
    value: str


class _Document(_Part):
    bytes: int
    digest: str
    text: str | msgspec.UnsetType = msgspec.UNSET


class _Link(_Part):
    role: str
    to: str


class _CurveEnd(_Part):
    by: Literal["epoch", "step"]
    name: str
    points: int
    last: str


class _Curve(_Part):
    values: int
    digest: str
    ends: list[_CurveEnd] | msgspec.UnsetType = msgspec.UNSET


class _Model(_Part):
    line: str
    parent: str | None
    version: int
    scores: dict[str, str | None]
    curve: _Curve


class _Step(_Part):
    type: str
    status: str
    action_url: str | None
    action_id: str | None
    run_as: str | None
    definition_digest: str | None
    started_at: str | None
    completed_at: str | None


class _Record(_Part):
    id: str
    kind: str
    name: str
    created_at: str
    opened_live: bool
    owner: str | None
    run_id: str | None
    environment: str | None
    uris: list[_Uri]
    tags: dict[str, _Tag]
    documents: dict[str, _Document]
    links: list[_Link]
    hidden_links: int
    model: _Model | msgspec.UnsetType = msgspec.UNSET
    step: _Step | msgspec.UnsetType = msgspec.UNSET


class _Leaf(_Part):
    id: str
    leaf: str
    record: _Record


class _Stub(_Part):
    id: str
    kind: str
    name: str | None


class _Invalidated(_Part):
    at: str | None
    cause: str
    root: str


class _Reduced(_Part):
    at: str
    note: str


class _Run(_Part):
    run_id: str
    flow_id: str | None
    flow_title: str | None
    label: str | None
    status: str | None
    run_owner: str | None
    recorded_by: str | None
    start_time: str | None
    completion_time: str | None
    tags: list[str]


class _Origin(_Part):
    who: str | None
    host: str | None
    process: int | None
    software: str | None
    started_at: str


class _Tree(_Part):
    hashing: str
    size: int
    root: str


class _Late(_Part, rename={"from_": "from"}):
    from_: str
    to: str
    role: str
    at: str
    by: str
    rule: str


class _Same(_Part, rename={"from_": "from"}):
    from_: str
    to: str
    digest: str
    at: str


class _Unconnected(_Part):
    id: str
    name: str
    status: str


class _Import(_Part):
    id: str
    format: str
    at: str
    by: str | None
    records: list[str]


class _Evidence(_Part):
    as_of: str
    root: str
    limit: int
    truncated: bool
    restricted: int
    scope: Literal["everything", "restricted"]
    stubs: list[_Stub]
    missing: list[str]
    open: list[str]
    invalidated: dict[str, _Invalidated]
    reduced: dict[str, _Reduced]
    runs: dict[str, _Run]
    origins: dict[str, _Origin]
    environments: dict[str, Any]
    tree: _Tree
    leaves: list[_Leaf]
    late_links: list[_Late] = []
    same_things: list[_Same] = []
    unconnected: list[_Unconnected] = []
    imports: list[_Import] = []


class _Predicate(_Part):
    """What is derived is compared as a whole, whatever its shape."""

    made_with: str
    claim: Any
    counts: Any
    chain: Any
    models: Any
    facts: Any
    begins_with: Any
    not_supported: Any
    evidence: _Evidence


class _Statement(_Part, rename={"type_": "_type", "predicate_type": "predicateType"}):
    type_: str
    subject: list[dict[str, Any]]
    predicate_type: str
    predicate: _Predicate


def check_shape(document: Any) -> None:
    """Raise msgspec.ValidationError, with the place, for a document of another shape."""
    msgspec.convert(document, _Statement)
