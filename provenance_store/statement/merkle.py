"""A Merkle tree over records, hashed as RFC 6962 (Certificate Transparency) hashes its log.

A leaf is SHA-256 of a zero byte and the canonical JSON of a record, a node SHA-256 of a one byte
and its two children; of n leaves the left child holds the largest power of two below n. Leaves
are in the order of their record's URN, as text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from provenance_store.errors import InvalidInput
from provenance_store.values import canonical_json

__all__ = ["leaf_hash", "node_hash", "root_hash"]

LEAF, NODE = b"\x00", b"\x01"


def leaf_hash(record: Any) -> bytes:
    """The hash of a record as a statement lists it: text, whole numbers, booleans and nulls."""
    return hashlib.sha256(LEAF + canonical_json(record)).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours."""
    return hashlib.sha256(NODE + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """The hash of the whole tree; raises InvalidInput without leaves.

    Neighbours are joined level by level, and an odd last one moves up as it is: the same tree
    as the recursive definition of RFC 6962, section 2.1.
    """
    if not leaves:
        raise InvalidInput("A statement rests on one record at least.")
    level = list(leaves)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]
