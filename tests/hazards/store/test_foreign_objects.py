"""SQLite files from elsewhere whose schema does something: refused before anything of it runs."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import struct
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from provenance_store import open_store, upgrade_store
from provenance_store.errors import BadFile, BraidError, NotFound, SchemaMismatch, StoreUnavailable
from provenance_store.sql import foreign_objects
from tests.support.command_line import Braid, caller

ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS record_id FROM n"
)
SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with a step, in one file without a log."""
    file = tmp_path / "evil.db"
    url = f"sqlite:///{file}"
    with open_store(url) as store, store.recorder(run_id="r1").step("Scan") as step:
        step.output("scan", uris=["file:///a"], tags={"sample": "Ni"})
    altered(file, "PRAGMA journal_mode=DELETE")
    return file


def altered(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def redefined(file: Path, old: str, new: str, name: str) -> None:
    """Change the definition of a table or index behind SQLite's back."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA writable_schema=ON")
        change = "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = ?"
        before = "SELECT sql FROM sqlite_master WHERE name = ?"
        (sql,) = connection.execute(before, (name,)).fetchone()
        assert old in sql
        connection.execute(change, (old, new, name))


def replaced(file: Path, table: str, create: str) -> None:
    """Put another object in the place of a table."""
    altered(
        file, f"ALTER TABLE {table} RENAME TO other_{table}", create, f"DROP TABLE other_{table}"
    )


def a_large_definition(file: Path) -> None:
    text = "x" * (50 << 20)
    altered(file, f"CREATE VIEW large AS SELECT '{text}'")


def very_many_tables(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA writable_schema=ON")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'stub'"
        ).fetchone()
        rows = ((f"t{i}", f"t{i}", root, f"CREATE TABLE t{i} (a)") for i in range(100_000))
        connection.executemany("INSERT INTO sqlite_master VALUES ('table', ?, ?, ?, ?)", rows)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "an endless view in the place of a table": (
        lambda f: replaced(f, "tag", "CREATE VIEW tag AS " + ENDLESS),
        "the view tag",
    ),
    "a view in the place of the records": (
        lambda f: replaced(f, "record", "CREATE VIEW record AS SELECT 1 AS id"),
        "the view record",
    ),
    "one more view": (
        lambda f: altered(f, "CREATE VIEW mine AS SELECT * FROM record"),
        "the view mine",
    ),
    "a trigger": (
        lambda f: altered(f, "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM link; END"),
        "the trigger t",
    ),
    "a virtual table": (
        lambda f: altered(f, "CREATE VIRTUAL TABLE notes USING fts5(a)"),
        "the table notes",
    ),
    "a virtual table in the place of a table": (
        lambda f: replaced(f, "payload", "CREATE VIRTUAL TABLE payload USING fts5(record_id)"),
        "the table payload",
    ),
    "an index on an expression": (
        lambda f: altered(f, "CREATE INDEX slow ON record (hex(name) || hex(name))"),
        "the index slow",
    ),
    "an index on an expression by the name of ours": (
        lambda f: altered(
            f,
            "DROP INDEX ix_record_name",
            "CREATE INDEX ix_record_name ON record (hex(zeroblob(1000)) || name)",
        ),
        "the index ix_record_name",
    ),
    "an index of some rows by an expression": (
        lambda f: altered(f, "CREATE INDEX some ON record (name) WHERE length(hex(name)) > 1"),
        "the index some",
    ),
    "an index in another order": (
        lambda f: altered(f, "CREATE INDEX other ON record (name COLLATE NOCASE)"),
        "the index other",
    ),
    "an index more": (
        lambda f: altered(f, "CREATE INDEX more ON record (live)"),
        "the index more, which this version of Braid has not",
    ),
    "a table more": (
        lambda f: altered(f, "CREATE TABLE more (a)"),
        "the table more, which this version of Braid has not",
    ),
    "a table less": (lambda f: altered(f, "DROP TABLE stub"), "no table stub"),
    "a generated column": (
        lambda f: altered(f, "ALTER TABLE record ADD COLUMN x AS (hex(zeroblob(100000000)))"),
        "the table record",
    ),
    "a column more": (
        lambda f: altered(f, "ALTER TABLE record ADD COLUMN x TEXT"),
        "another table record",
    ),
    "a default that is computed": (
        lambda f: redefined(f, "name TEXT", "name TEXT DEFAULT (hex(randomblob(9)))", "record"),
        "the table record",
    ),
    "a condition on a table": (
        lambda f: redefined(f, "name TEXT", "name TEXT CHECK (length(hex(name)) > 0)", "record"),
        "the table record",
    ),
    "another order of texts": (
        lambda f: redefined(f, "name TEXT", "name TEXT COLLATE NOCASE", "record"),
        "the table record",
    ),
    "a foreign key": (
        lambda f: redefined(f, "name TEXT", "name TEXT REFERENCES tag (text)", "record"),
        "the table record",
    ),
    "a comment": (
        lambda f: redefined(f, "name TEXT", "name /* x */ TEXT", "record"),
        "the table record",
    ),
    "another type": (
        lambda f: redefined(f, "name TEXT", "name BLOB", "record"),
        "another table record",
    ),
    "a table without its key inside": (
        lambda f: redefined(f, "WITHOUT ROWID", "", "link"),
        "another table link",
    ),
    "a table with its key inside": (
        lambda f: redefined(f, "PRIMARY KEY (id)\n)", "PRIMARY KEY (id)\n) WITHOUT ROWID", "step"),
        "another table step",
    ),
    "a version that is a view": (
        lambda f: replaced(f, "alembic_version", "CREATE VIEW alembic_version AS SELECT 1"),
        "the view alembic_version",
    ),
    "a name of SQLite's own": (
        lambda f: redefined_as(f, "stub", "sqlite_stub"),
        "the table sqlite_stub",
    ),
    "a definition of 50 MB": (a_large_definition, "longer definitions"),
    "100,000 tables": (very_many_tables, "more tables"),
}


def redefined_as(file: Path, name: str, other: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET name = ?, tbl_name = ?, sql = replace(sql, ?, ?) "
            "WHERE name = ?",
            (other, other, f"TABLE {name}", f"TABLE {other}", name),
        )


def opening(file: Path, **options: bool) -> None:
    open_store(f"sqlite:///{file}", **options).close()


def merging(file: Path) -> None:
    with open_store(f"sqlite:///{file.parent / 'ours.db'}") as ours:
        ours.merge(file)


ROADS: dict[str, Callable[[Path], object]] = {
    "open": lambda f: opening(f, create=False),
    "open or make": opening,
    "upgrade": lambda f: upgrade_store(f"sqlite:///{f}"),
    "merge": merging,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_object_that_is_not_ours_is_named_and_nothing_of_it_runs(file: Path, what: str) -> None:
    make, named = HOSTILE[what]
    make(file)
    before = file.read_bytes()
    for road in ROADS.values():
        with pytest.raises(BadFile) as caught:
            road(file)
        assert named in caught.value.message
        assert str(file) in caught.value.message
    assert file.read_bytes() == before


COMMANDS = [
    "records",
    "runs",
    "run show r1",
    "models net",
    "lineage 1.2",
    "statement 1.2",
    "diff 1.1 1.2",
    "slice 1.2 -o part.db",
    "export 1.2 --format prov-json",
    "verify 1.2",
    "digest 1.2",
    "invalidate 1.2 --cause bad --yes",
    "record fact setup",
    "store init",
    "store info",
    "store check",
    "store upgrade",
    "store reduce --older-than 1d",
]


@pytest.fixture
def braid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Braid:
    monkeypatch.chdir(tmp_path)
    return caller(capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_such_a_store_in_a_sentence(
    braid: Braid, file: Path, command: str
) -> None:
    make, named = HOSTILE["an endless view in the place of a table"]
    make(file)
    answer = braid(*command.split(), "--store", f"sqlite:///{file}")
    assert (answer.code, answer.out) == (1, ""), answer.err
    assert named in answer.err
    assert answer.err.count("\n") == 1


def test_a_statement_is_not_compared_with_such_a_store(braid: Braid, file: Path) -> None:
    with open_store(f"sqlite:///{file}") as store:
        urn = store.documents().records(name="scan")["records"][0]["id"]
        statement = store.documents().statement(urn)
    Path("s.json").write_text(json.dumps(statement))
    assert braid("statement", "verify", "s.json", "--store", f"sqlite:///{file}").code == 0
    make, named = HOSTILE["an endless view in the place of a table"]
    make(file)
    answer = braid("statement", "verify", "s.json", "--store", f"sqlite:///{file}")
    assert (answer.code, named in answer.err) == (1, True)


def test_stores_of_ours_open_however_they_came_to_be(file: Path, tmp_path: Path) -> None:
    upgrade_store(f"sqlite:///{tmp_path / 'migrated.db'}")
    with open_store(f"sqlite:///{file}") as store:
        store.slice(tmp_path / "slice.db", [], depth=1)
    altered(file, "ANALYZE", "VACUUM")
    for name in ("evil.db", "migrated.db", "slice.db"):
        opening(tmp_path / name, create=False)
    with open_store(f"sqlite:///{tmp_path / 'ours.db'}") as ours:
        ours.merge(tmp_path / "slice.db")
        ours.merge(tmp_path / "evil.db")
        assert ours.check() == []


def test_the_definitions_of_our_stores_need_not_be_parsed(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    found = [foreign_objects.Named(*row) for row in rows if row[3] and row[1] != "alembic_version"]
    assert [one.name for one in found if not foreign_objects._is_as_written(one)] == []
    unread = [one for one in found if foreign_objects._parsed(one) is None]
    assert [one.name for one in unread if not foreign_objects._is_compiled(one)] == []


def test_an_index_under_another_condition_than_ours_is_refused(file: Path) -> None:
    for condition in ("role IS NOT NULL", "role > 7", "role > abs(-8)"):
        altered(
            file,
            "DROP INDEX ix_link_option",
            f"CREATE INDEX ix_link_option ON link (to_id) WHERE {condition}",
        )
        with pytest.raises(BadFile, match="ix_link_option"):
            opening(file, create=False)


def test_a_store_of_another_version_may_have_other_tables(file: Path) -> None:
    """A column, a table and an index that only compute nothing."""
    altered(
        file,
        "ALTER TABLE record ADD COLUMN later TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tag ADD COLUMN later SMALLINT DEFAULT -1",
        'CREATE TABLE "later_table" (id INTEGER NOT NULL PRIMARY KEY, at INTEGER, by VARCHAR(36))',
        "CREATE UNIQUE INDEX ix_late ON later_table (at, id) WHERE at IS NOT NULL",
        "DROP TABLE stub",
        "UPDATE store_info SET value = '9999'",
    )
    for version, sentence in (("0000", "braid store upgrade"), ("9999", "install a newer Braid")):
        altered(file, f"UPDATE alembic_version SET version_num = '{version}'")
        with pytest.raises(SchemaMismatch, match=sentence):
            opening(file, create=False)
    altered(file, "CREATE VIEW late AS SELECT 1")
    with pytest.raises(BadFile, match="the view late"):
        opening(file, create=False)


def test_a_database_of_somebody_else_is_told_as_that(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    altered(file, "CREATE TABLE t (a CHECK (a > 0))", "CREATE VIEW v AS SELECT a FROM t")
    with pytest.raises(NotFound, match="other tables and no Braid store"):
        opening(file)
    altered(file, "CREATE VIEW record AS " + ENDLESS)
    with pytest.raises(BadFile, match="the view record"):
        opening(file)


# ---- files that are no whole database --------------------------------------------------


def in_a_sentence(file: Path, *kinds: type[BraidError]) -> None:
    """Whatever is wrong with a file, each road ends in a sentence of ours."""
    for name, road in ROADS.items():
        with pytest.raises(kinds or BraidError) as caught:
            road(file)
            with open_store(f"sqlite:///{file}", create=False) as store:
                assert store.check() == []
                store.documents().records()
        assert caught.value.message, name


def test_a_file_that_is_cut_in_the_middle_is_told(file: Path) -> None:
    with file.open("r+b") as data:
        data.truncate(file.stat().st_size // 2 // 4096 * 4096 + 100)
    with pytest.raises(BadFile, match="is damaged"):
        merging(file)
    with pytest.raises(StoreUnavailable, match="damaged"):
        opening(file, create=False)


@pytest.mark.parametrize("size", [b"\x00\x07", b"\x00\x00", b"\xff\xff", b"\x03\xe8"])
def test_a_page_size_that_cannot_be_is_told(file: Path, size: bytes) -> None:
    with file.open("r+b") as data:
        data.seek(16)
        data.write(size)
    in_a_sentence(file, BadFile, StoreUnavailable)


@pytest.mark.parametrize("page", [0, 1, 2, 5, 9])
def test_a_page_of_nonsense_is_told(file: Path, page: int) -> None:
    with file.open("r+b") as data:
        data.seek(page * 4096 + (100 if page == 0 else 0))
        data.write(b"\xa5" * 512)
    merged = opened = None
    try:
        merging(file)
    except BraidError as error:
        merged = error.message
    try:
        with open_store(f"sqlite:///{file}", create=False) as store:
            opened = " ".join(store.check())
    except BraidError as error:
        opened = error.message
    assert merged or opened


def test_a_row_of_half_a_gigabyte_of_zeros_is_not_merged(file: Path) -> None:
    altered(file, f"UPDATE tag SET text = CAST(zeroblob({300 << 20}) AS TEXT)")
    with pytest.raises(BadFile):
        merging(file)


def test_a_journal_that_names_another_file_is_refused_and_that_file_stays(
    file: Path, tmp_path: Path
) -> None:
    """SQLite plays back a journal, and then deletes the super-journal that it names."""
    precious = tmp_path / "precious.txt"
    precious.write_text("results of a year")
    journal = hot_journal(file, precious)
    before = file.read_bytes()
    for road in ROADS.values():
        with pytest.raises(BadFile, match="names another file"):
            road(file)
    assert precious.read_text() == "results of a year"
    assert (journal.exists(), file.read_bytes()) == (True, before)


def hot_journal(file: Path, named: Path) -> Path:
    """The journal of a transaction that was cut off, saying that it belonged to another file."""
    journal = file.with_name(f"{file.name}-journal")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size=1")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO stub VALUES (?, 1, ?)", ((i, "x" * 500) for i in range(500))
        )
        copy = file.with_name("copy.db")
        shutil.copy(file, copy)
        shutil.copy(journal, f"{copy}-journal")
        connection.execute("ROLLBACK")
    os.replace(copy, file)
    os.replace(f"{copy}-journal", journal)
    name = str(named).encode()
    record = struct.pack(">I", 0x40000000 // 4096 + 1) + name
    record += struct.pack(">II", len(name), sum(name)) + SUPER_JOURNAL
    with journal.open("ab") as data:
        data.write(record)
    return journal


def test_a_journal_of_ours_is_played_back(file: Path) -> None:
    journal = hot_journal(file, file)
    with journal.open("r+b") as data:
        data.truncate(journal.stat().st_size - len(str(file).encode()) - 20)
    with open_store(f"sqlite:///{file}", create=False) as store:
        assert store.check() == []
        assert store.info()["tables"]["stub"] == 0
    assert not journal.exists()


def test_a_journal_that_comes_and_goes_keeps_nobody_from_the_store(file: Path) -> None:
    """As another program's does that is making the store."""
    journal = file.with_name(f"{file.name}-journal")
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            journal.touch()
            journal.unlink()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(300):
            foreign_objects.open_foreign(file).close()
    finally:
        done.set()
        other.join()
