"""Imports are listed, and taken back as a whole while nothing here depends on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provenance_store import Store, open_store
from provenance_store.enums import Mark
from provenance_store.errors import Ambiguous, Conflict, NotFound
from provenance_store.exchange.formats import import_file
from provenance_store.exchange.imports import list_imports, undo_import
from provenance_store.exchange.prov.export import to_prov_json
from tests.support.crates import CRATES, crate_folder
from tests.support.exchange import braid_db, some_science, whole
from tests.support.needs import need_module

need_module("prov.model")

T = "2022-11-01 12:00:00"


def foreign(folder: Path) -> Path:
    document = {
        "prefix": {"ex": "http://example.org/"},
        "entity": {"ex:in": {"ex:a": [1, 2]}, "ex:model": {"prov:type": "model"}},
        "activity": {"ex:step": {"prov:startTime": "2024-01-01T00:00:00Z"}},
        "agent": {"ex:nobody": {}},
        "used": {"_:u": {"prov:activity": "ex:step", "prov:entity": "ex:in"}},
        "wasGeneratedBy": {"_:g": {"prov:activity": "ex:step", "prov:entity": "ex:model"}},
        "wasInvalidatedBy": {"_:i": {"prov:entity": "ex:in"}},
    }
    (folder / "foreign.json").write_text(json.dumps(document))
    return folder / "foreign.json"


def ours(folder: Path) -> Path:
    with open_store(f"sqlite:///{folder / 'theirs.db'}") as theirs:
        some_science(theirs)
        (folder / "ours.json").write_text(whole(theirs))
    return folder / "ours.json"


def old(folder: Path) -> Path:
    return braid_db(
        folder / "old.db",
        records=[(1, "CFG", T, None), (2, "scan", T, "a" * 32)],
        derivations=[(1, 2, T)],
        tags=[(1, 2, "a", "1", 2)],
        uris=[(1, 2, "h:/x")],
        invalidations=[("a" * 32, None, "bad", T)],
    )


def crate(folder: Path) -> Path:
    return crate_folder(folder / "crate", CRATES["provenance"])


FORMATS = pytest.mark.parametrize(
    ("make", "format_"),
    [(foreign, "PROV-JSON"), (ours, "PROV-JSON"), (old, "Braid-DB"), (crate, "RO-Crate")],
)
Make = Callable[[Path], Path]


def rows(store: Store) -> dict[str, int]:
    """How many rows there are, but for what is shared and who wrote."""
    shared = ("origin", "environment", "audience", "audience_member")
    return {n: c for n, c in store.info()["tables"].items() if n not in shared}


@FORMATS
def test_an_import_is_listed_and_taken_back_without_a_trace(
    store: Store, tmp_path: Path, make: Make, format_: str
) -> None:
    mine = store.data("mine", tags={"a": 1}, uris=["globus://c/mine"])
    store.mark(mine, Mark.INVALIDATED, "mine too")
    before, everything = rows(store), whole(store)
    file = make(tmp_path)
    found = import_file(store, file)[1]
    assert import_file(store, file)[1].records == {}
    (listed,) = list_imports(store)
    assert (listed["id"], listed["format"], listed["file"]) == (found.origin, format_, file.name)
    assert listed["records"] == sum(found.records.values())
    assert listed["by"]
    imported = rows(store)
    dry = undo_import(store, found.origin[:8], dry_run=True)
    assert rows(store) == imported
    done = undo_import(store, found.origin[:8])
    assert dry == done
    assert done.rows["record"] == listed["records"]
    assert (rows(store), whole(store), list_imports(store)) == (before, everything, [])
    assert store.check() == []
    assert import_file(store, file)[1].records == found.records
    assert rows(store) == imported


@pytest.mark.parametrize(
    ("make", "how"), [(foreign, "link"), (ours, "tag"), (ours, "link"), (old, "mark")]
)
def test_an_import_that_something_here_needs_stays(
    store: Store, tmp_path: Path, make: Make, how: str
) -> None:
    found = import_file(store, make(tmp_path))[1]
    record = next(r for r in store.documents().records()["records"] if r["kind"] != "step")
    named = record["id"]
    if how == "link":
        named = store.data("mine", depends_on=[record["id"]]).urn
    elif how == "tag":
        store.tag(record["id"], {"seen": True})
    else:
        store.mark(record["id"], Mark.INVALIDATED, "no")
    before = rows(store)
    for dry_run in (True, False):
        with pytest.raises(Conflict, match="cannot be taken back") as caught:
            undo_import(store, found.origin, dry_run=dry_run)
        assert named in caught.value.message
    assert rows(store) == before


def test_a_database_that_grew_is_taken_back_with_what_it_brought_later(
    store: Store, tmp_path: Path
) -> None:
    before = rows(store)
    found = import_file(store, old(tmp_path))[1]
    grown = braid_db(tmp_path / "old.db", records=[(3, "more", T, None)], derivations=[(1, 3, T)])
    assert import_file(store, grown)[1].origin == found.origin
    (listed,) = list_imports(store)
    assert listed["records"] == 3
    undo_import(store, found.origin)
    assert rows(store) == before


def test_marks_on_records_that_were_known_are_taken_back_alone(
    store: Store, other: Store, tmp_path: Path
) -> None:
    scan = other.data("scan")
    made = other.data("made", depends_on=[scan])
    file = tmp_path / "document.json"
    file.write_text(whole(other))
    import_file(store, file)
    other.mark(scan, Mark.INVALIDATED, "beam was off")
    file.write_text(whole(other))
    found = import_file(store, file)[1]
    assert "invalidated" in store.documents().record(made.urn)
    undo_import(store, found.origin)
    assert "invalidated" not in store.documents().record(made.urn)
    assert store.check() == []
    assert len(list_imports(store)) == 1


def test_what_was_here_before_is_no_part_of_an_import(store: Store, tmp_path: Path) -> None:
    some_science(store)
    before = store.info()
    file = tmp_path / "home.json"
    file.write_text(whole(store))
    found = import_file(store, file)[1]
    assert (found.records, list_imports(store), store.info()) == ({}, [], before)


def test_an_id_that_is_no_imports_is_refused(store: Store, tmp_path: Path) -> None:
    for id_ in ("", "nothing", "%"):
        with pytest.raises(NotFound, match="braid import --list"):
            undo_import(store, id_)
    documents: dict[str, Any] = {}
    for number in range(17):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps({"entity": {f"prov:{number}": {}}}))
        origin = import_file(store, file)[1].origin
        if documents.setdefault(origin[0], origin) != origin:
            with pytest.raises(Ambiguous, match="the beginning of 2 imports"):
                undo_import(store, origin[0])
            return
    raise AssertionError("Of 17 UUIDs two begin with the same digit.")


def test_what_was_said_here_of_a_run_of_an_import_keeps_it(store: Store, tmp_path: Path) -> None:
    import_file(store, ours(tmp_path))
    (entry,) = list_imports(store)
    (run,) = store.documents().runs()["runs"]
    store.recorder(run_id=run["run_id"]).run(run["run_id"], status="FAILED")
    before = rows(store)
    with pytest.raises(Conflict, match="says more of a run of it"):
        undo_import(store, entry["id"])
    assert rows(store) == before


def test_a_stub_that_something_here_depends_on_stays(store: Store, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'theirs.db'}") as theirs:
        source = theirs.data("source")
        for number in range(2):
            copy = theirs.data(f"copy {number}", depends_on=[source])
            result = theirs.data(f"result {number}", depends_on=[copy])
            near = theirs.documents().extract([result.urn], depth=1)
            (tmp_path / f"{number}.json").write_text(to_prov_json(near))
    for number in range(2):
        import_file(store, tmp_path / f"{number}.json")
    undo_import(store, list_imports(store)[0]["id"])
    assert store.check() == []


def test_a_record_that_was_here_is_valid_again_when_its_mark_goes(
    store: Store, tmp_path: Path
) -> None:
    with open_store(f"sqlite:///{tmp_path / 'theirs.db'}") as theirs:
        scan = theirs.data("scan", live=True)
        theirs.promote(scan)
        (tmp_path / "known.json").write_text(whole(theirs))
        import_file(store, tmp_path / "known.json")
        theirs.invalidate(scan, cause="beam tripped")
        (tmp_path / "again.json").write_text(whole(theirs))
    import_file(store, tmp_path / "again.json")
    undo_import(store, list_imports(store)[-1]["id"])
    assert store.check() == []


def say(store: Store, what: str, urn: str) -> None:
    if what == "tag":
        store.tag(urn, {"seen": True})
    elif what == "alias":
        store.alias(urn, "champion")
    elif what == "invalidity":
        store.invalidate(urn, cause="no")
    elif what == "digest":
        store.found_file(urn, "http://example.org/model", size=3, digest="sha256:" + "a" * 64)
    elif what == "age":
        store.reduce(before=store.clock())
        assert "reduced" in store.documents().record(urn)


def take_back(store: Store, what: str, urn: str) -> None:
    if what == "tag":
        store.untag(urn, "seen")
    elif what == "alias":
        store.unalias(urn, "champion")
    elif what == "invalidity":
        store.restore(urn, cause="yes")


@pytest.mark.parametrize("what", ["tag", "alias", "invalidity", "digest", "age"])
def test_what_was_said_and_taken_back_or_found_does_not_lock_an_import(
    store: Store, tmp_path: Path, what: str
) -> None:
    before = rows(store)
    found = import_file(store, foreign(tmp_path))[1]
    model = store.documents().records()["records"]
    urn = next(record["id"] for record in model if record["kind"] == "model")
    say(store, what, urn)
    if what in ("tag", "alias", "invalidity"):
        command = {"tag": "untag", "alias": "alias", "invalidity": "invalidate"}[what]
        with pytest.raises(Conflict, match=rf"`braid {command} {urn}.*or give --force"):
            undo_import(store, found.origin)
    take_back(store, what, urn)
    undo_import(store, found.origin)
    assert rows(store) == before
    assert store.check() == []


@pytest.mark.parametrize("what", ["tag", "alias", "invalidity"])
def test_what_was_said_goes_with_an_import_that_is_forced(
    store: Store, tmp_path: Path, what: str
) -> None:
    before = rows(store)
    found = import_file(store, foreign(tmp_path))[1]
    model = next(r for r in store.documents().records()["records"] if r["kind"] == "model")
    say(store, what, model["id"])
    undo_import(store, found.origin, force=True)
    assert rows(store) == before
    assert store.check() == []


def test_what_needs_an_import_names_the_way_out(store: Store, tmp_path: Path) -> None:
    """Records of another import are taken back with that; records from here stay."""
    found = import_file(store, foreign(tmp_path))[1]
    scan = next(r for r in store.documents().records()["records"] if r["name"] == "in")
    ends = {"prov:generatedEntity": "prov:of_it", "prov:usedEntity": "u:" + scan["id"][4:]}
    near = {"prefix": {"u": "urn:"}, "entity": {"prov:of_it": {}}, "wasDerivedFrom": {"_:d": ends}}
    (tmp_path / "near.json").write_text(json.dumps(near))
    second = import_file(store, tmp_path / "near.json")[1]
    with pytest.raises(Conflict, match=f"take it back first, `braid import --undo {second.origin}"):
        undo_import(store, found.origin, force=True)
    undo_import(store, second.origin)
    store.data("mine", depends_on=[scan["id"]])
    with pytest.raises(Conflict, match="mark its records with `braid invalidate`"):
        undo_import(store, found.origin, force=True)


def test_an_import_that_brings_nothing_has_no_id(store: Store, tmp_path: Path) -> None:
    some_science(store)
    (tmp_path / "home.json").write_text(whole(store))
    assert import_file(store, tmp_path / "home.json")[1].document()["origin"] is None
    new = foreign(tmp_path)
    assert import_file(store, new, dry_run=True)[1].origin == ""
    origin = import_file(store, new)[1].origin
    assert import_file(store, new)[1].origin == origin
    assert undo_import(store, origin).entry["id"] == origin
