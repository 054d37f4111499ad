"""The schema: created, migrated, recognised."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from provenance_store import open_store, upgrade_store
from provenance_store.errors import (
    ConfigurationError,
    NotFound,
    SchemaMismatch,
    StoreUnavailable,
)
from provenance_store.opening import engine_at, plan_upgrade
from provenance_store.sql import schema
from provenance_store.sql.dialects import make_engine, read_url
from provenance_store.sql.tables import SCHEMA_VERSION
from tests.support.postgres import PostgresServer


def described(url: str) -> Any:
    """Everything the database says of its tables."""
    engine = make_engine(read_url(url), cache_mb=1, busy_ms=1000)
    look = sa.inspect(engine)
    tables = {}
    for name in look.get_table_names():
        columns = [
            (c["name"], str(c["type"]), c["nullable"], c.get("default"), c.get("autoincrement"))
            for c in look.get_columns(name)
        ]
        indexes = sorted(
            (str(i["name"]), tuple(i["column_names"]), bool(i["unique"]), str(_where(i)))
            for i in look.get_indexes(name)
        )
        unique = sorted(str(u["column_names"]) for u in look.get_unique_constraints(name))
        tables[name] = (columns, look.get_pk_constraint(name), indexes, unique)
    with engine.connect() as connection:
        statements = []
        if engine.dialect.name == "sqlite":
            rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master").all()
            statements = sorted((name, "WITHOUT ROWID" in (sql or "")) for name, sql in rows)
    engine.dispose()
    return tables, statements


def _where(index: Any) -> str:
    options = index.get("dialect_options", {})
    return {k: v for k, v in options.items() if "where" in k or "using" in k} and str(
        sorted((k, str(v)) for k, v in options.items() if "where" in k or "using" in k)
    )


@pytest.fixture
def store_url(empty_url: str) -> str:
    return empty_url


def other_url(store_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if store_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'other.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


def test_migrating_from_nothing_equals_creating(
    store_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    migrated = other_url(store_url, tmp_path, request)
    open_store(store_url).close()
    upgrade_store(migrated)
    assert described(migrated) == described(store_url)


def test_upgrading_an_up_to_date_store_changes_nothing(store_url: str) -> None:
    with open_store(store_url) as store:
        store.data("scan")
    upgrade_store(store_url)
    with open_store(store_url, create=False) as store:
        assert store.info()["records"]["data"] == 1


def test_two_programs_may_create_a_store_at_once(store_url: str) -> None:
    errors: list[Exception] = []
    start = threading.Barrier(6)

    def work(number: int) -> None:
        try:
            start.wait()
            if number % 2:
                upgrade_store(store_url)
            with open_store(store_url) as store:
                store.data(f"scan-{number}")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with open_store(store_url) as store:
        assert store.info()["records"]["data"] == 6


def test_others_write_while_a_store_in_use_gets_the_index_of_runs(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.new_database()
    engine = engine_at(url, create=True)
    schema.upgrade(engine, "0004")
    engine.dispose()
    insert = "INSERT INTO record (id, kind, name, created_at, live) VALUES ({}, 1, 'scan', 0, 0)"
    waits = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX%'"
    )
    upgrade = threading.Thread(target=upgrade_store, args=(url,))
    with psycopg.connect(url) as slow, psycopg.connect(url, autocommit=True) as quick:
        slow.execute(insert.format(1))  # a transaction that stays open
        upgrade.start()
        while not quick.execute(waits).fetchall()[0][0]:
            assert upgrade.is_alive()
        quick.execute("SET lock_timeout = '1s'")
        quick.execute(insert.format(2))
        slow.commit()
        upgrade.join()
        found = quick.execute("SELECT indexname FROM pg_indexes WHERE indexname ~ 'record_run'")
        assert found.fetchall() == [("ix_record_run_id_id",)]
        assert quick.execute("SELECT id FROM record ORDER BY id").fetchall() == [(1,), (2,)]


def test_an_index_of_runs_that_was_cut_off_is_made_anew(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()
    open_store(url).close()
    stamp(url, "0004")
    of_index = "WHERE indexrelid = 'ix_record_run_id_id'::regclass"
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f"UPDATE pg_index SET indisvalid = false {of_index}")
        upgrade_store(url)
        found = other.execute(f"SELECT indisvalid FROM pg_index {of_index}")
        assert found.fetchall() == [(True,)]


def stamp(url: str, version: str, *, min_writer: str | None = None) -> None:
    engine = make_engine(read_url(url), cache_mb=1, busy_ms=1000)
    with engine.begin() as connection:
        table = sa.table("alembic_version", sa.column("version_num"))
        connection.execute(sa.update(table).values(version_num=version))
        info = sa.table("store_info", sa.column("name"), sa.column("value"))
        needed = (
            sa.update(info).where(info.c.name == "min_writer").values(value=min_writer or version)
        )
        connection.execute(needed)
    engine.dispose()


@pytest.mark.parametrize(
    ("version", "advice"), [("0000", "store upgrade"), ("9999", "newer Braid")]
)
def test_a_store_of_another_schema_is_refused_with_advice(
    store_url: str, version: str, advice: str
) -> None:
    open_store(store_url).close()
    stamp(store_url, version)
    with pytest.raises(SchemaMismatch, match=advice):
        open_store(store_url)


def test_a_new_store_has_the_newest_schema(store_url: str) -> None:
    with open_store(store_url) as store:
        assert store.info()["schema"] == SCHEMA_VERSION


def test_a_missing_store_is_not_made_when_it_is_only_read(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    with pytest.raises(NotFound, match="braid store init"):
        open_store(f"sqlite:///{file}", create=False)
    assert not file.exists()


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE records (id INTEGER)")
    connection.close()
    with pytest.raises(NotFound, match="other tables"):
        open_store(f"sqlite:///{file}")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database at all, " * 100)
    with pytest.raises(StoreUnavailable, match="not a SQLite database"):
        open_store(f"sqlite:///{file}")


@pytest.mark.parametrize(
    "url",
    [
        "",
        ":memory:",
        "sqlite:braid.db",
        "host=localhost password=secret",
        "u:secret@host/braid",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://h/d",
        "sqlite:///no/such/folder/x",
        "postgresql+asyncpg://h/d",
        "://",
        "postgresql://u:secret@h:port/d",
    ],
)
def test_a_bad_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store(url or " ")
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("given", ["e.db", "./my results/e?=1.db", "~/e.db", Path("e.db")], ids=str)
def test_a_path_is_the_store_in_that_file(
    given: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for folder in ("home", "my results"):
        (tmp_path / folder).mkdir()
    with open_store(given) as store:
        store.data("scan")
    (file,) = tmp_path.rglob("e*.db")
    with open_store(f"sqlite:////{file}" if "?" not in str(file) else file, create=False) as store:
        assert store.documents().record("scan")["kind"] == "data"
    monkeypatch.setenv("BRAID_STORE_URL", str(given))
    with open_store(create=False) as store:
        assert [each["name"] for each in store.documents().records()["records"]] == ["scan"]


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        open_store("postgresql://nobody@127.0.0.1:9/none?connect_timeout=2")


def execute(url: str, *statements: str | sa.Update) -> None:
    engine = make_engine(read_url(url), cache_mb=1, busy_ms=1000)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
    engine.dispose()


def stamped(url: str, revision: str, min_writer: str) -> None:
    """A store that another Braid has upgraded, or that something has written over."""
    open_store(url).close()
    table = sa.table("alembic_version", sa.column("version_num"))
    limits = sa.table("store_info", sa.column("name"), sa.column("value"))
    is_of_writers = limits.c.name == "min_writer"
    execute(
        url,
        sa.update(table).values(version_num=revision),
        sa.update(limits).where(is_of_writers).values(value=min_writer),
    )


@pytest.mark.parametrize(
    ("revision", "min_writer"),
    [("9999", "9999"), ("abc", "0004"), ("0000", "0004"), ("00005", "0004"), ("²²²²", "0004")],
)
def test_a_schema_that_is_not_known_is_not_upgraded(
    store_url: str, revision: str, min_writer: str
) -> None:
    stamped(store_url, revision, min_writer)
    with pytest.raises(SchemaMismatch, match=revision):
        upgrade_store(store_url)


def test_a_newer_store_that_this_braid_may_write_to_stays_as_it_is(store_url: str) -> None:
    stamped(store_url, "9999", "0004")
    before = described(store_url)
    upgrade_store(store_url)
    assert described(store_url) == before
    with open_store(store_url) as store:
        assert store.data("scan")


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE customers (id INTEGER)"],
        ["CREATE TABLE record (id INTEGER)", "CREATE TABLE alembic_version (version_num TEXT)"],
        [
            "CREATE TABLE alembic_version (version_num TEXT)",
            "INSERT INTO alembic_version VALUES ('abc')",
        ],
    ],
)
def test_no_tables_are_put_beside_those_of_others(store_url: str, statements: list[str]) -> None:
    execute(store_url, *statements)
    before = described(store_url)
    for make in (open_store, upgrade_store):
        with pytest.raises(NotFound, match="other tables and no Braid store"):
            make(store_url)
    assert described(store_url) == before


def test_an_empty_file_is_no_store_and_stays_empty_for_who_reads(tmp_path: Path) -> None:
    file = tmp_path / "braid.db"
    file.touch()
    with pytest.raises(NotFound, match="the file is empty"):
        open_store(f"sqlite:///{file}", create=False)
    assert file.stat().st_size == 0
    with open_store(f"sqlite:///{file}") as store:
        assert store.data("scan")


def test_an_empty_table_of_revisions_is_no_hindrance(store_url: str) -> None:
    execute(store_url, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    with open_store(store_url) as store:
        assert store.data("scan")


@pytest.mark.parametrize(("setting", "mode"), [("", 0o600), ("640", 0o640)])
def test_a_new_file_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, mode: int
) -> None:
    monkeypatch.setenv("BRAID_SQLITE_MODE", setting)
    with open_store(f"sqlite:///{tmp_path / 'braid.db'}") as store:
        store.data("scan")
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert set(modes.values()) == {mode}
    assert len(modes) > 1


def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "braid.db"
    file.touch()
    file.chmod(0o644)
    open_store(f"sqlite:///{file}").close()
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_mode_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAID_SQLITE_MODE", "rw")
    with pytest.raises(ConfigurationError, match="octal"):
        open_store(f"sqlite:///{tmp_path / 'braid.db'}")
    assert not list(tmp_path.iterdir())


def test_a_store_of_a_newer_schema_that_only_adds_is_written_to(store_url: str) -> None:
    open_store(store_url).close()
    stamp(store_url, "9999", min_writer=SCHEMA_VERSION)
    with open_store(store_url) as store:
        store.data("scan")
        assert store.info()["records"]["data"] == 1


def test_a_plan_says_what_an_upgrade_does_and_who_may_go_on(empty_url: str) -> None:
    assert plan_upgrade(empty_url).is_needed
    engine = engine_at(empty_url, create=True)
    schema.upgrade(engine, "0002")
    engine.dispose()
    plan = plan_upgrade(empty_url)
    assert (plan.found, plan.to, plan.is_needed) == ("0002", SCHEMA_VERSION, True)
    assert plan.others_go_on == (schema.MIN_WRITER <= "0002")
    upgrade_store(empty_url)
    plan = plan_upgrade(empty_url)
    assert (plan.is_needed, plan.others_go_on) == (False, True)
    stamp(empty_url, "9999", min_writer=SCHEMA_VERSION)
    assert not plan_upgrade(empty_url).is_needed
    stamp(empty_url, "9999")
    with pytest.raises(SchemaMismatch, match="newer Braid"):
        plan_upgrade(empty_url)
