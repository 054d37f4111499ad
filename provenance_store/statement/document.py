"""The statement itself: an in-toto Statement v1 whose predicate holds evidence and account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from provenance_store.statement.claims import derive
from provenance_store.statement.merkle import leaf_hash, root_hash
from provenance_store.version import VERSION

__all__ = [
    "DERIVED",
    "HASHING",
    "PREDICATE_TYPE",
    "RECORD_DIGEST",
    "STATEMENT_TYPE",
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
"""How the tree over the evidence is hashed: see `statement.merkle`."""
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
