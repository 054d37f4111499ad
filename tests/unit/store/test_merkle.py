"""The Merkle tree of a statement is that of RFC 6962, and tells records apart."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance_store.errors import InvalidInput
from provenance_store.statement.record_hash import leaf_hash, node_hash, root_hash

hashes = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def by_definition(leaves: list[bytes]) -> bytes:
    """Section 2.1 of RFC 6962, word for word: split at the largest power of two below n."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(by_definition(leaves[:half]), by_definition(leaves[half:]))


@given(hashes)
def test_the_root_is_that_of_the_definition(leaves: list[bytes]) -> None:
    assert root_hash(leaves) == by_definition(leaves)


@given(hashes, st.data())
def test_any_change_of_leaves_changes_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.binary(min_size=32, max_size=32).filter(lambda b: b != leaves[place]))
    root = root_hash(leaves)
    assert root_hash([*leaves[:place], other, *leaves[place + 1 :]]) != root
    assert root_hash([*leaves, other]) != root
    if len(leaves) > 1:
        assert root_hash(leaves[:-1]) != root


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_node_is_never_taken_for_a_leaf(left: bytes, right: bytes) -> None:
    assert node_hash(left, right) != hashlib.sha256(b"\x00" + left + right).digest()


@given(plain)
def test_a_leaf_can_be_hashed_with_the_standard_library_alone(record: Any) -> None:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    assert leaf_hash(record) == hashlib.sha256(b"\x00" + data).digest()


def test_known_answers_of_the_certificate_transparency_log() -> None:
    """The tree over no input but empty leaves, by hand."""
    empty = hashlib.sha256(b"\x00").digest()
    pair = hashlib.sha256(b"\x01" + empty + empty).digest()
    assert root_hash([empty]) == empty
    assert root_hash([empty, empty]) == pair
    assert root_hash([empty] * 3) == hashlib.sha256(b"\x01" + pair + empty).digest()


def test_there_is_no_tree_without_leaves() -> None:
    with pytest.raises(InvalidInput, match="one record"):
        root_hash([])
