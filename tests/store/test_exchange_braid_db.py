"""Databases of the published Braid-DB: kinds are inferred, invalidations kept, nothing twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from provenance_store import Store, open_store
from provenance_store.enums import Kind
from provenance_store.errors import Conflict, InvalidInput
from provenance_store.exchange.braid_db import Old, import_braid_db, infer_kind
from provenance_store.exchange.formats import import_file
from tests.support.exchange import braid_db

T = "2022-11-01 12:00:00.000001"
ROOT, NEXT = "a" * 32, "b" * 32


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A configuration, a scan, a model updated with it and later ones, an inference, a step."""
    return braid_db(
        tmp_path / "old.db",
        records=[
            (1, "CFG 7", T, None),
            (2, "expt-1", T, ROOT),
            (3, "model-0", "2022-11-01 12:00:01", NEXT),
            (4, "Action Step Infer", T, None),
            (5, "mask", T, None),
            (6, "net", T, None),
            (7, "expt-2", T, None),
        ],
        derivations=[(1, 2, T), (2, 3, T), (3, 4, T), (4, 5, T), (7, 6, T)],
        uris=[(1, 2, "login.host:/home/u/expt.data"), (2, 1, "login.host:/s.cfg"), (3, 99, "x:")],
        tags=[
            (1, 2, "number", "12", 2),
            (2, 2, "ratio", "0.5", 3),
            (3, 2, "word", "12", 1),
            (4, 4, "status", "SUCCEEDED", 1),
            (5, 2, "broken", "twelve", 2),
        ],
        invalidations=[
            (ROOT, None, "detector was off", "2022-12-01 00:00:00"),
            (NEXT, ROOT, "detector was off", "2022-12-01 00:00:00"),
        ],
    )


def named(store: Store, name: str) -> dict[str, Any]:
    (found,) = store.documents().records(name=name)["records"]
    return store.documents().record(found["id"])


def ends(record: dict[str, Any]) -> set[tuple[str, str]]:
    return {(link["role"], link["name"]) for link in record["links"]}


def test_kinds_roles_and_tags_are_inferred(store: Store, old: Path) -> None:
    found = import_braid_db(store, old)
    assert found.records == {"fact": 1, "data": 3, "model": 2, "step": 1}
    assert found.links == 5
    assert found.notes == ("Left out: 1 row of unknown records.",)
    scan = named(store, "expt-1")
    assert scan["tags"] == {
        "imported": "Braid-DB",
        "number": 12,
        "ratio": 0.5,
        "word": "12",
        "broken": "twelve",
    }
    assert [u["uri"] for u in scan["uris"]] == ["login.host:/home/u/expt.data"]
    assert scan["created_at"] == "2022-11-01T12:00:00.000001+00:00"
    assert ends(scan) == {("derived_from", "CFG 7")}
    assert ends(named(store, "model-0")) == {("trained_on", "expt-1")}
    assert ends(named(store, "mask")) == {("generated_by", "Action Step Infer")}
    step = named(store, "Action Step Infer")
    assert (ends(step), step["status"]) == ({("used", "model-0")}, "SUCCEEDED")
    assert named(store, "net")["kind"] == "model"
    assert store.check() == []


def test_invalidations_become_ours_and_spread_as_ours_do(store: Store, old: Path) -> None:
    import_braid_db(store, old)
    scan = named(store, "expt-1")
    assert scan["invalidated"]["cause"] == "detector was off"
    assert scan["invalidated"]["at"].startswith("2022-12-01")
    for name in ("model-0", "Action Step Infer", "mask"):
        assert named(store, name)["invalidated"]["root"] == scan["id"]
    assert "invalidated" not in named(store, "expt-2")
    assert store.info()["tables"]["mark"] == 1


def test_importing_twice_changes_nothing_and_a_grown_database_adds_the_difference(
    store: Store, old: Path
) -> None:
    import_braid_db(store, old)
    before = store.info()
    again = import_braid_db(store, old)
    assert (again.records, again.links, again.known) == ({}, 0, 7)
    assert store.info() == before
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("INSERT INTO records VALUES (8, 'expt-3', ?, NULL)", (T,))
        connection.execute("INSERT INTO derivations VALUES (8, 3, ?)", (T,))
        connection.execute("INSERT INTO tags VALUES (9, 2, 'late', 'yes', 1)")
    connection.close()
    grown = import_braid_db(store, old)
    assert (grown.records, grown.links, grown.known) == ({"data": 1}, 1, 7)
    assert named(store, "expt-1")["tags"]["late"] == "yes"
    assert ends(named(store, "model-0")) == {("trained_on", "expt-1"), ("trained_on", "expt-3")}


def test_two_stores_give_the_same_records_the_same_names(
    store: Store, old: Path, tmp_path: Path
) -> None:
    import_braid_db(store, old)
    with open_store(f"sqlite:///{tmp_path / 'second.db'}") as second:
        import_braid_db(second, old)
        assert named(second, "mask")["id"] == named(store, "mask")["id"]
    assert store.merge(tmp_path / "second.db").rows == {}


def turned(file: Path, later: str = "2022-11-01 12:00:01") -> Path:
    """A database that names what derives first, as its example workflows do."""
    return braid_db(
        file,
        records=[(1, "CFG 1", T, None), (2, "scan", T, None), (3, "model-1", later, None)],
        derivations=[(2, 1, T), (3, 2, T)],
    )


def test_times_decide_which_way_derivations_go_before_anything_is_written(
    store: Store, tmp_path: Path
) -> None:
    file = turned(tmp_path / "slac.db")
    found = import_braid_db(store, file)
    assert "In 2 of 2 derivations the second record is older" in found.notes[0]
    assert found.records == {"fact": 1, "data": 1, "model": 1}
    assert ends(named(store, "model-1")) == {("trained_on", "scan")}
    again = import_braid_db(store, file, reverse=True)
    assert (again.records, again.links, again.notes) == ({}, 0, ())
    before = store.info()
    with pytest.raises(
        Conflict, match=r"2 of the 2 derivations .*`braid import --undo [0-9a-f]{8}"
    ):
        import_braid_db(store, file, reverse=False)
    assert store.info() == before
    assert store.check() == []


def test_times_that_do_not_decide_are_refused_unless_the_direction_is_said(
    store: Store, tmp_path: Path
) -> None:
    records = [(n, f"r{n}", f"2022-11-01 12:00:0{n}", None) for n in range(1, 5)]
    file = braid_db(tmp_path / "both.db", records=records, derivations=[(1, 2, T), (4, 3, T)])
    before = store.info()
    with pytest.raises(InvalidInput, match="in 1 of 2 the first record is older, in 1 the second"):
        import_braid_db(store, file)
    assert store.info() == before
    import_braid_db(store, file, reverse=False)
    assert ends(named(store, "r2")) == {("derived_from", "r1")}
    assert ends(named(store, "r3")) == {("trained_on", "r4")}


def test_what_is_said_of_the_direction_counts_against_the_times(
    store: Store, tmp_path: Path
) -> None:
    found = import_braid_db(store, turned(tmp_path / "slac.db"), reverse=False)
    assert "In 2 of 2 derivations, read as you say" in found.notes[0]
    assert {link["name"] for link in named(store, "CFG 1")["links"]} == {"scan"}


def test_an_empty_database_is_no_error(store: Store, tmp_path: Path) -> None:
    assert import_braid_db(store, braid_db(tmp_path / "e.db")).records == {}


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (Old(1, "Globus Transfer task 9", 0, None), Kind.STEP),
        (Old(1, "my_model", 0, None), Kind.MODEL),
        (Old(1, "modelling notes", 0, None), Kind.DATA),
        (Old(1, "x", 0, None, uris=["h:/w.onnx"]), Kind.MODEL),
        (Old(1, "x", 0, None, sources={2}), Kind.MODEL),
        (Old(1, "setup", 0, None), Kind.FACT),
        (Old(2, "setup", 0, None, sources={1}), Kind.DATA),
        (Old(1, "x", 0, None, uris=["h:/process.phil"]), Kind.FACT),
    ],
)
def test_what_kind_a_record_was(record: Old, kind: Kind) -> None:
    assert infer_kind(record) is kind


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ({"records": [(1, "x", "yesterday", None)]}, "records 1: time is a time such as"),
        ({"records": [(1, "x", 5, None)]}, "records 1: time is a time such as"),
        ({"records": [(1, b"\xff", T, None)]}, "records 1: name is text"),
        ({"records": [(-4, "x", T, None)]}, "-4 is not an id"),
        ({"records": [(1, "x", T, None)], "uris": [(3, 1, 7)]}, "uris 3: uri is text"),
        ({"records": [(1, "x", T, None)], "tags": [(3, 1, None, "a", 1)]}, "tags 3: key is text"),
    ],
)
def test_a_value_of_another_type_is_refused_and_nothing_is_written(
    store: Store, tmp_path: Path, rows: Any, sentence: str
) -> None:
    file = tmp_path / "bad.db"
    columns = {"records": "record_id, name, time, invalidation_id"}
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"CREATE TABLE records ({columns['records']})")
        connection.execute("CREATE TABLE uris (id, record_id, uri)")
        connection.execute("CREATE TABLE tags (id, record_id, key, value, tag_type)")
    connection.close()
    before = store.info()
    with pytest.raises(InvalidInput, match=sentence):
        import_file(store, braid_db(file, **rows))
    assert store.info() == before


def test_what_is_no_database_of_braid_db_is_refused(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE records (record_id, name, time, invalidation_id)")
    connection.close()
    with pytest.raises(InvalidInput, match="it has no table derivations"):
        import_file(store, file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE derivations (record_id, dependency, time)")
    connection.close()
    with pytest.raises(InvalidInput, match="derivations has no column derivation"):
        import_file(store, file)
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    with pytest.raises(InvalidInput, match="cannot be read"):
        import_file(store, broken)


def test_a_braid_store_is_sent_to_merge(store: Store, tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'braid.db'}").close()
    with pytest.raises(InvalidInput, match="braid merge"):
        import_file(store, tmp_path / "braid.db")
