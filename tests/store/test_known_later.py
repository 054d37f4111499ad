"""Rows of what becomes known later: late links, records that are one thing, aliases of versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from provenance_store import Store, open_store
from provenance_store.batch import Batch, decode_batch, encode_batch
from provenance_store.enums import Role
from provenance_store.errors import InvalidInput
from provenance_store.ids import now
from provenance_store.rows import AliasRow, LateLinkRow, LinkRow, SameAsRow
from provenance_store.validation.batches import gated
from provenance_store.validation.limits import Gate, Policy

TABLES = ("late_link", "same_as", "alias")
DIGEST = "sha256:" + "5" * 64


def record_all(store: Store) -> dict[str, str]:
    """A scan under two records, a model, and one row of each table about them."""
    scan, copy = store.data("scan"), store.data("copy of it")
    model = store.model("braggnn")
    trained = model.update()
    things = {"scan": scan, "copy": copy, "model": model, "trained": trained}
    ids = {name: store.sink.resolve(thing.urn) for name, thing in things.items()}
    with store.transaction() as batch:
        new_id = store.sink.new_id
        batch.link.append(LinkRow(ids["scan"], ids["copy"], Role.DERIVED_FROM))
        batch.late_link.append(
            LateLinkRow(
                ids["copy"], new_id(), ids["scan"], Role.DERIVED_FROM, now(), "ada", "by hand"
            )
        )
        for one, other in (("scan", "copy"), ("copy", "scan")):
            batch.same_as.append(SameAsRow(ids[one], ids[other], new_id(), now(), DIGEST))
        batch.alias.append(AliasRow(ids["model"], "champion", new_id(), ids["trained"], now()))
        batch.alias.append(AliasRow(ids["model"], "champion", new_id(), None, now()))
    return {name: thing.urn for name, thing in things.items()}


def counts(store: Store) -> dict[str, int]:
    return {name: store.info()["tables"][name] for name in TABLES}


def test_they_are_written_checked_and_merged_and_again_changes_nothing(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "other.db"
    with open_store(f"sqlite:///{file}") as other:
        record_all(other)
        assert counts(other) == {"late_link": 1, "same_as": 2, "alias": 2}
        assert other.check() == []
    store.data("something else")  # so that numbers of origins differ
    store.merge(file)
    assert counts(store) == {"late_link": 1, "same_as": 2, "alias": 2}
    assert store.check() == []
    assert store.merge(file).rows == {}


def test_two_stores_may_both_find_that_records_are_one_thing(store: Store, tmp_path: Path) -> None:
    urns = record_all(store)
    file = tmp_path / "slice.db"
    store.slice(file)
    with open_store(f"sqlite:///{file}") as other:
        ids = {name: other.sink.resolve(urn) for name, urn in urns.items()}
        with other.transaction() as batch:
            for one, two in (("scan", "trained"), ("trained", "scan")):
                row = SameAsRow(ids[one], ids[two], other.sink.new_id(), now(), DIGEST)
                batch.same_as.append(row)
    ids = {name: store.sink.resolve(urn) for name, urn in urns.items()}
    with store.transaction() as batch:
        for one, two in (("scan", "trained"), ("trained", "scan")):
            batch.same_as.append(SameAsRow(ids[one], ids[two], store.sink.new_id(), now(), DIGEST))
    store.merge(file)
    assert counts(store)["same_as"] == 4


def test_a_slice_has_those_that_are_about_what_is_in_it(store: Store, tmp_path: Path) -> None:
    urns = record_all(store)
    for named, rows in (
        (["scan"], {"late_link": 1, "same_as": 2, "alias": 0}),
        (["copy"], {"late_link": 1, "same_as": 2, "alias": 0}),
        (["trained"], {"late_link": 0, "same_as": 0, "alias": 2}),
    ):
        file = tmp_path / f"{named[0]}.db"
        store.slice(file, [urns[name] for name in named], up=True)
        with open_store(f"sqlite:///{file}") as part:
            assert counts(part) == rows, named
            assert part.check() == []


def test_a_batch_without_them_can_be_read_by_the_version_before() -> None:
    plain, later = Batch(), Batch(alias=[AliasRow(1 << 32, "champion", 1 << 32 | 9, None, 5)])
    formats = [msgspec.msgpack.decode(encode_batch(batch))["format"] for batch in (plain, later)]
    assert formats == [2, 3]
    assert decode_batch(encode_batch(later)) == later


@pytest.mark.parametrize(
    "wrong",
    [
        {"alias": [AliasRow(1 << 32, "", 1 << 32 | 9, None, 5)]},
        {"alias": [AliasRow(1 << 32, "x", 1 << 32 | 9, None, 1 << 62)]},
        {"same_as": [SameAsRow(1 << 32, 1 << 32, 1 << 32 | 9, 5, DIGEST)]},
        {"same_as": [SameAsRow(1 << 32, 1 << 32 | 1, 1 << 32 | 9, 5, "no digest")]},
        {"late_link": [LateLinkRow(1 << 32, 1 << 32 | 9, 1 << 32 | 1, 99, 5, "ada", "by hand")]},
        {"late_link": [LateLinkRow(1 << 32, 1 << 32 | 9, 1 << 32, 1, 5, "ada", "by hand")]},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        gated(Gate(Policy.DEGRADE), Batch(**wrong), limit=1 << 20)
