"""A statement says of what came by an import that nobody here saw it happen, and holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from provenance_store import Store, Viewer, open_store
from provenance_store.display import counted
from provenance_store.exchange.formats import import_file
from provenance_store.statement.document import evidence_of, state
from provenance_store.statement.page import account, page
from tests.support.crates import CRATES, crate_folder
from tests.support.exchange import braid_db, whole
from tests.support.needs import need_module
from tests.support.science import ADA, some_science
from tests.support.statements import gaps, verified

need_module("prov.model")

Make = Callable[[Path, Store], Path]
T = "2022-11-01 12:00:00"


def foreign(folder: Path, _: Store) -> Path:
    things = {"prefix": {"ex": "http://example.org/"}, "entity": {"ex:scan": {}, "ex:peaks": {}}}
    ends = {"prov:generatedEntity": "ex:peaks", "prov:usedEntity": "ex:scan"}
    (folder / "peaks.json").write_text(json.dumps(things | {"wasDerivedFrom": {"_:d": ends}}))
    return folder / "peaks.json"


def ours(folder: Path, other: Store) -> Path:
    some_science(other)
    (folder / "ours.json").write_text(whole(other))
    return folder / "ours.json"


def old(folder: Path, _: Store) -> Path:
    records = [(1, "CFG", T, None), (2, "peaks", T, None)]
    return braid_db(folder / "old.db", records=records, derivations=[(1, 2, T)])


def crate(folder: Path, _: Store) -> Path:
    return crate_folder(folder / "crate", CRATES["provenance"])


@pytest.mark.parametrize(
    ("make", "format_"),
    [(foreign, "PROV-JSON"), (ours, "PROV-JSON"), (old, "Braid-DB"), (crate, "RO-Crate")],
)
def test_it_tells_of_an_import_in_a_sentence_and_holds_here_and_where_it_goes(
    store: Store, other: Store, tmp_path: Path, make: Make, format_: str
) -> None:
    import_file(store, make(tmp_path, other))
    some = [r["id"] for r in store.documents().records()["records"] if r["kind"] != "step"]
    mine = store.data("mine", depends_on=some)
    statement = store.documents().statement(mine.urn)
    (one,) = statement["predicate"]["evidence"]["imports"]
    gap = gaps(statement)["imported"]
    assert gap["records"] == one["records"]
    assert mine.urn not in one["records"]
    assert {*some} <= {*one["records"]}
    told = f"import of {format_} by account {one['by']} on {one['at'][:10]}"
    for text in (page(statement), account(statement)):
        assert "nobody here saw" in " ".join(text.split())
        assert f"{counted(gap['count'], 'record')}: {told}" in " ".join(text.split())
        assert f"account {one['by']} on unknown" not in text
    assert verified(store, statement).notes == ()
    assert verified(store, statement).holds
    shown = store.documents().record(some[0])["imported"]
    assert shown == {name: one[name] for name in ("id", "format", "at", "by")}
    assert "imported" not in store.documents().record(mine.urn)
    assert "It came by an import." in " ".join(page(store.documents().statement(some[0])).split())
    assert "It came by an import." not in page(statement)
    store.slice(tmp_path / "part.db", [mine.urn])
    with open_store(f"sqlite:///{tmp_path / 'part.db'}") as part:
        assert verified(part, statement).holds
        assert gaps(part.documents().statement(mine.urn))["imported"] == gap


def test_it_names_no_account_to_who_may_not_see_everything(store: Store, tmp_path: Path) -> None:
    crate_of_all = ours
    with open_store(f"sqlite:///{tmp_path / 'theirs.db'}") as theirs:
        import_file(store, crate_of_all(tmp_path, theirs))
    reader = store.documents(Viewer(principals=frozenset({ADA})))
    (record, *_) = reader.records()["records"]
    assert reader.record(record["id"])["imported"]["by"] is None
    (one,) = reader.statement(record["id"])["predicate"]["evidence"]["imports"]
    assert one["by"] is None


def test_one_of_before_that_tells_of_no_import_holds_with_a_note(
    store: Store, other: Store, tmp_path: Path
) -> None:
    import_file(store, ours(tmp_path, other))
    root = store.documents().records()["records"][0]["id"]
    found = evidence_of(store.documents().statement(root))
    del found["imports"]
    verdict = verified(store, state(found))
    assert verdict.holds
    assert "which the statement does not tell" in verdict.notes[0]
    verdict = verified(store, state(found | {"imports": []}))
    assert "it came by the import" in verdict.differences[0].sentence()


def test_one_of_records_with_later_digests_holds_where_they_are_imported_and_back(
    store: Store, other: Store, tmp_path: Path
) -> None:
    science = some_science(other)
    place = "globus://collection/scan-17.h5"
    other.found_file(science.scan.urn, place, size=3, digest="sha512:" + "ab" * 64)
    bare = other.data("bare", uris=["file:///bare"], depends_on=[science.peaks])
    other.found_file(bare.urn, "file:///bare", size=4, digest="sha256:" + "cd" * 32)
    statement = other.documents().statement(bare.urn)
    (tmp_path / "all.json").write_text(whole(other))
    import_file(store, tmp_path / "all.json")
    there = verified(store, statement)
    assert there.holds, there.differences
    assert any("the import alone tells of them" in note for note in there.notes)
    back = verified(other, store.documents().statement(bare.urn))
    assert back.holds, back.differences
    assert any("to this store in another way" in note for note in back.notes)
    assert whole(store) == whole(other)
    store.merge(tmp_path / "other.db")
    assert store.check() == []
    assert verified(store, statement).holds
