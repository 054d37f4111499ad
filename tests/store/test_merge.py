"""Merging stores: nothing is lost, nothing comes twice, differences are said."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from provenance_store import Store, open_store
from provenance_store.errors import InvalidInput, SchemaMismatch
from provenance_store.transfer.merge import MergeConflict


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "other.db"


@pytest.fixture
def other(file: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{file}") as opened:
        yield opened


def some_science(store: Store, name: str) -> str:
    """A scan, a model trained on it, an inference; the inference's URN."""
    scan = store.data(f"scan of {name}", uris=[f"globus://c/{name}"], tags={"t": 1})
    model = store.model(f"model of {name}").update([scan], metrics=[{"epoch": 1, "loss": 0.1}])
    with store.step("Infer", models=[model], parameters={"a": 1}) as step:
        made = step.output(f"inference of {name}", depends_on=[scan])
    store.run(f"run of {name}", status="SUCCEEDED", tags=["hedm"])
    return made.urn


def test_a_merged_record_keeps_its_name_and_its_lineage(
    store: Store, other: Store, file: Path
) -> None:
    some_science(store, "ours")
    urn = some_science(other, "theirs")
    merged = store.merge(file)
    assert merged.origins == 1
    assert merged.rows["record"] == 5
    assert store.documents().record(urn)["name"] == "inference of theirs"
    theirs = {node["id"] for node in other.documents().lineage(urn)["nodes"]}
    assert {node["id"] for node in store.documents().lineage(urn)["nodes"]} == theirs
    assert store.documents().run("run of theirs")["status"] == "SUCCEEDED"
    assert store.check() == []


def test_merging_twice_changes_nothing_and_a_newer_store_adds_the_difference(
    store: Store, other: Store, file: Path
) -> None:
    some_science(other, "first")
    store.merge(file)
    before = store.info()
    assert store.merge(file).rows == {}
    assert store.info() == before
    urn = some_science(other, "second")
    assert store.merge(file).rows["record"] == 5
    assert store.documents().record(urn)["name"] == "inference of second"
    assert store.info()["tables"]["record"] == other.info()["tables"]["record"]


def test_a_store_of_many_origins_is_merged(store: Store, other: Store, file: Path) -> None:
    urns = []
    some_science(store, "ours")
    for n in range(5):
        with open_store(f"sqlite:///{file}") as session:
            urns.append(some_science(session, str(n)))
    assert store.merge(file).origins == 5
    for n, urn in enumerate(urns):
        assert store.documents().record(urn)["name"] == f"inference of {n}"
    assert store.check() == []


def test_a_dry_run_tells_and_keeps_nothing(store: Store, other: Store, file: Path) -> None:
    some_science(other, "theirs")
    before = store.info()
    told = store.merge(file, dry_run=True)
    assert store.info() == before
    assert store.merge(file) == told


def test_a_difference_stops_everything_and_is_said(store: Store, other: Store, file: Path) -> None:
    urn = some_science(other, "theirs")
    store.merge(file)
    some_science(other, "more")
    other.close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE record SET name = 'forged' WHERE name = 'inference of theirs'")
    connection.close()
    before = store.info()
    with pytest.raises(MergeConflict) as caught:
        store.merge(file)
    assert "record.name is 'inference of theirs' here, 'forged' there" in caught.value.message
    assert store.info() == before
    assert store.documents().record(urn)["name"] == "inference of theirs"


def test_what_is_no_store_is_refused(store: Store, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("notes " * 1000)
    for bad in (text, tmp_path / "missing.db", tmp_path):
        with pytest.raises(InvalidInput, match="is not a Braid store"):
            store.merge(bad)
    assert not (tmp_path / "missing.db").exists()


def test_a_store_is_not_merged_into_itself(tmp_path: Path) -> None:
    file = tmp_path / "one.db"
    with open_store(f"sqlite:///{file}") as store:
        store.data("scan")
        with pytest.raises(InvalidInput, match="is the store itself"):
            store.merge(file)


def test_a_store_of_another_schema_is_refused(store: Store, other: Store, file: Path) -> None:
    other.close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(SchemaMismatch, match="another schema version"):
        store.merge(file)


def test_merging_goes_both_ways_and_ends_in_the_same(
    store: Store, other: Store, file: Path
) -> None:
    """A merged into B and back again: both hold the same records."""
    some_science(store, "ours")
    some_science(other, "theirs")
    store.merge(file)
    names = {r["id"]: r["name"] for r in store.documents().records(limit=100)["records"]}
    assert len(names) == 10
    if store.sink.session.engine.dialect.name == "sqlite":
        back = Path(str(store.sink.session.engine.url.database))
        other.merge(back)
        assert {
            r["id"]: r["name"] for r in other.documents().records(limit=100)["records"]
        } == names


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE record SET kind = 99", "record, the row with id 1.1 has a kind"),
        ("UPDATE record SET created_at = 'abc'", "record, .* created_at"),
        ("UPDATE record SET created_at = 9000000000000000000", "record, .* created_at"),
        ("UPDATE record SET name = x'ff00ff'", "record, .* name"),
        ("UPDATE record SET id = 7 << 32 | 1 WHERE kind = 5", "record, .* id 7.1 has a id"),
        ("UPDATE origin SET no = 2147483647", "mark|record"),
        ("UPDATE origin SET uuid = 'nothing'", "origin, .* uuid"),
        ("UPDATE tag SET type = 9", "tag, .* type"),
        ("UPDATE link SET role = 42", "link, .* role"),
        ("UPDATE link SET role = 1.5", "link, .* role"),
        ("ALTER TABLE tag RENAME TO t; CREATE VIEW tag AS SELECT * FROM t", "not opened: .* view"),
        ("ALTER TABLE tag ADD COLUMN more AS (name || '!')", "not opened: .* table tag"),
    ],
)
def test_a_row_that_no_store_writes_is_refused_and_found_by_a_check(
    store: Store, other: Store, file: Path, change: str, says: str
) -> None:
    some_science(other, "theirs")
    assert other.check() == []
    other.close()
    with closing(sqlite3.connect(file)) as database:
        database.executescript(change)
    before = store.info()
    with pytest.raises(InvalidInput, match=says):
        store.merge(file)
    assert store.info() == before
    if "not opened" not in says:
        with open_store(f"sqlite:///{file}") as damaged:
            assert any(re.search(says, problem) for problem in damaged.check())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE tag SET type = 2, text = 'many'", "no value of their type: .*'many'"),
        ("UPDATE tag SET type = 3, text = '1-2'", "no value of their type: .*'1-2'"),
        ("UPDATE payload SET document = '{not json'", "payload, .* document"),
    ],
)
def test_what_no_reader_understands_is_merged_as_it_is_and_found_by_a_check(
    store: Store, other: Store, file: Path, change: str, says: str
) -> None:
    some_science(other, "theirs")
    other.close()
    with closing(sqlite3.connect(file)) as database:
        database.executescript(change)
    store.merge(file)
    assert store.documents().records()["records"]
    if store.info()["database"] == "sqlite" or not says.startswith("payload"):
        assert any(re.search(says, problem) for problem in store.check())


def test_tags_of_every_type_are_merged(store: Store, other: Store, file: Path) -> None:
    tags = {"a": -12, "b": 1.5e-300, "c": -1e22, "d": True, "e": "x", "f": (1 << 63) - 1, "g": 0.1}
    urn = other.data("scan", tags=tags).urn
    store.merge(file)
    assert store.documents().record(urn)["tags"] == tags
    assert store.check() == []
