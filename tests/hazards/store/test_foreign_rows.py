"""Files with text that is not UTF-8, or that say what follows from nothing: refused, or found."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as sqlite_dialect

from provenance_store import Audience, Store, open_store
from provenance_store.errors import BadFile
from provenance_store.sql.tables import LOCAL, METADATA, TABLE
from tests.support.content import content

TEXTS = [
    (table.name, column.name)
    for table in METADATA.sorted_tables
    for column in table.columns
    if isinstance(column.type, sa.Text)
    and table.name not in ("action", "parameter", "run", "stub", "store_info")
    and column.name not in LOCAL.get(table.name, ())
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with rows in every table that is merged."""
    file = tmp_path / "theirs.db"
    with open_store(f"sqlite:///{file}") as store:
        recorder = store.recorder(
            run_id="r1",
            environment={"host": "näher"},
            audience=Audience("urn:globus:auth:identity:ada", readers=("urn:globus:groups:id:g",)),
        )
        recorder.run("r1", label="Ni", tags=["nickel"])
        with recorder.step("Scan", parameters={"energy": 61}) as step:
            scan = step.output("scan", uris=["file:///€.h5"], tags={"sample": "größer"})
        recorder.found_file(scan, "file:///€.h5", size=1, digest="sha256:ab")
        about = {"metrics": [{"epoch": 1, "loss": 0.5}], "hyperparameters": {"optimizer": "adam"}}
        recorder.alias(recorder.model("net", trained_on=[scan], **about), "champion")
        recorder.link_later(
            step, [recorder.data("dark", uris=["file:///€.h5"])], rule="found later"
        )
        store.data("scan", uris=[{"uri": "file:///x.h5", "digest": "sha256:ab", "size": 1}])
        store.data("scan", uris=[{"uri": "file:///x.h5", "digest": "sha256:ab", "size": 1}])
        store.invalidate(scan.urn, cause="bad")
    return file


def altered(file: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, values)


def break_text(file: Path, table: str, column: str) -> None:
    """Put text that ends in the midst of a character into all rows that may have it."""
    broken = sa.literal_column("CAST(x'61e282' AS TEXT)")
    change = TABLE[table].update().prefix_with("OR IGNORE").values({column: broken})
    statement = str(change.compile(dialect=sqlite_dialect.dialect()))
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute(statement).rowcount > 0


@pytest.mark.parametrize(("table", "column"), TEXTS, ids=lambda value: value)
def test_text_that_is_not_utf_8_is_not_merged_and_a_check_finds_it(
    tmp_path: Path, file: Path, table: str, column: str
) -> None:
    break_text(file, table, column)
    with open_store(f"sqlite:///{tmp_path / 'ours.db'}") as ours:
        before = content(ours)
        with pytest.raises(BadFile, match=f"In table {table}, the row with .* has a {column} that"):
            ours.merge(file)
        assert content(ours) == before
    with open_store(f"sqlite:///{file}") as theirs:
        assert any(f"In table {table}, the row" in sentence for sentence in theirs.check())


@pytest.mark.parametrize("data", [b"\xff", b"\x80", b"a\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80"])
def test_text_that_is_not_utf_8_is_told_in_a_sentence(
    store: Store, file: Path, data: bytes
) -> None:
    altered(file, "UPDATE record SET name = CAST(? AS TEXT) WHERE name = 'net'", data)
    with pytest.raises(BadFile, match=r"has a name that is not UTF-8\. Nothing") as caught:
        store.merge(file)
    assert str(file) in caught.value.message
    assert store.info()["tables"]["record"] == 0


def test_text_of_any_script_is_merged(store: Store, file: Path) -> None:
    altered(file, "UPDATE record SET name = ? WHERE name = 'net'", "結晶 \U0001f52c é\u0301")
    store.merge(file)
    assert store.check() == []
    names = {record["name"] for record in store.documents().records()["records"]}
    assert "結晶 \U0001f52c é\u0301" in names


def test_what_would_be_invalid_for_no_reason_is_found(store: Store, file: Path) -> None:
    with open_store(f"sqlite:///{file}") as theirs:
        alone = theirs.data("alone")
        other = theirs.data("other")
        assert theirs.check() == []
        reader = theirs.documents()
        root = reader.records(name="scan")["records"][0]["id"]
        ids = {record: theirs.sink.resolve(record) for record in (alone.urn, other.urn, root)}
    altered(file, "INSERT INTO taint VALUES (?, ?)", ids[alone.urn], ids[root])
    altered(file, "INSERT INTO taint VALUES (?, ?)", ids[other.urn], ids[other.urn])
    store.merge(file)
    (sentence,) = store.check()
    assert "do not derive from" in sentence
    found = {store.sink.resolve(urn) for urn in (alone.urn, other.urn)}
    assert all(f"{i >> 32}.{i & 0xFFFFFFFF}" in sentence for i in found)


def test_slices_of_what_is_invalid_are_supported_whatever_they_leave_out(
    store: Store, tmp_path: Path
) -> None:
    scan = store.data("scan")
    middle = store.data("middle", depends_on=[scan])
    peaks = store.data("peaks", depends_on=[middle])
    store.invalidate(scan.urn, cause="bad")
    for number, (record, up) in enumerate([(peaks, False), (peaks, True), (middle, False)]):
        file = tmp_path / f"{number}.db"
        store.slice(file, [record.urn], up=up)
        with open_store(f"sqlite:///{file}") as part:
            assert part.check() == []
    store.restore(scan.urn)
    assert store.check() == []
