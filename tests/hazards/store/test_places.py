"""Stores whose file, folder, database or schema is changed under them: nothing is told as kept
that is not there when the store is opened again."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from provenance_store import Store, open_store
from provenance_store.errors import NotFound, SchemaMismatch, StoreUnavailable
from provenance_store.opening import upgrade_store
from provenance_store.service import StoreService
from tests.support.postgres import PostgresServer


def names(store: Store) -> set[str]:
    return {record["name"] for record in store.documents().records()["records"]}


def remove(file: Path) -> None:
    file.unlink()


def move_away(file: Path) -> None:
    file.rename(file.with_name("elsewhere.db"))


def put_another_there(file: Path) -> None:
    other = file.with_name("other.db")
    open_store(f"sqlite:///{other}").close()
    os.replace(other, file)


def remove_the_folder(file: Path) -> None:
    shutil.rmtree(file.parent)


def put_a_folder_there(file: Path) -> None:
    file.unlink()
    file.mkdir()


def lead_the_link_elsewhere(file: Path) -> None:
    target = file.with_name("target.db")
    file.rename(target)
    file.symlink_to(target)
    put_another_there(file)


CHANGES = (
    remove,
    move_away,
    put_another_there,
    remove_the_folder,
    put_a_folder_there,
    lead_the_link_elsewhere,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "stores"
    folder.mkdir()
    return folder / "store.db"


def writes(store: Store) -> tuple[Callable[[], object], ...]:
    """The ways in which something is written."""
    record = store.data("known")

    def load() -> None:
        with store.bulk_load() as recorder:
            recorder.data("loaded")

    return (
        lambda: store.data("refused"),
        lambda: store.invalidate(record.urn, cause="a bad detector"),
        lambda: StoreService(store).actions.purge(1),
        load,
    )


@pytest.mark.parametrize("way", range(4), ids=["record", "invalidate", "purge", "bulk load"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_is_written_into_a_file_that_is_gone_is_refused(
    file: Path, change: Callable[[Path], None], way: int
) -> None:
    with open_store(f"sqlite:///{file}") as store:
        write = writes(store)[way]
        change(file)
        with pytest.raises(StoreUnavailable, match=r"store\.db"):
            write()
        for ask in (
            lambda: store.data("after"),
            StoreService(store).ping,
            store.info,
            store.documents().records,
        ):
            with pytest.raises(StoreUnavailable, match="open the store again"):
                ask()


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_what_was_kept_is_there_after_a_log_was_removed(file: Path, ending: str) -> None:
    url = f"sqlite:///{file}"
    with open_store(url) as store:
        for number in range(20):
            store.data(f"kept-{number}")
        file.with_name(file.name + ending).unlink()
        with pytest.raises(StoreUnavailable, match="-wal or -shm file"):
            for number in range(20, 100_000):
                store.data(f"kept-{number}")
        with pytest.raises(StoreUnavailable, match="open the store again"):
            store.data("refused too")
    with open_store(url) as store:
        assert store.info()["records"]["data"] == number
        assert store.check() == []
        store.data("after")


def test_a_reader_saves_what_was_kept_in_a_log_that_was_removed(file: Path) -> None:
    url = f"sqlite:///{file}"
    with open_store(url) as store:
        store.data("kept")
        names(store)
        file.with_name(file.name + "-wal").unlink()
        with pytest.raises(StoreUnavailable, match="-wal or -shm file"):
            store.documents().records()
    with open_store(url) as store:
        assert names(store) == {"kept"}


def test_a_store_that_is_put_back_is_opened_with_all_that_was_told(file: Path) -> None:
    url = f"sqlite:///{file}"
    elsewhere = file.with_name("elsewhere.db")
    with open_store(url) as store:
        store.data("kept")
        move_away(file)
        with pytest.raises(StoreUnavailable):
            store.data("refused")
    elsewhere.rename(file)
    with open_store(url) as store:
        assert "kept" in names(store)
        assert store.check() == []


def test_a_log_of_the_store_that_was_there_before_is_not_taken_for_the_new_ones(
    file: Path,
) -> None:
    url = f"sqlite:///{file}"
    with open_store(url) as store, open_store(url) as another_program:
        store.data("kept")
        another_program.data("kept too")
        put_another_there(file)
        with pytest.raises(StoreUnavailable):
            store.data("refused")
        store.close()
        with pytest.raises(StoreUnavailable, match="belong to the store that was there before"):
            open_store(url)
    for ending in ("-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    with open_store(url) as store:
        store.data("new")
        assert names(store) == {"new"}
        assert store.check() == []


def test_all_connections_closed_and_opened_again_are_no_removal(file: Path) -> None:
    with open_store(f"sqlite:///{file}") as store:
        for number in range(3):
            store.data(f"scan-{number}")
            store.sink.writer.close()
            store.sink.session.engine.dispose()  # SQLite removes its log with the last one
        assert len(names(store)) == 3


def set_version(url: str, version: str) -> None:
    """As a newer Braid would leave a store that it upgraded."""
    engine = sa.create_engine(sa.make_url(url).set(drivername=_driver(url)))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE of_later (id INTEGER)")
        connection.exec_driver_sql("DROP TABLE of_later")
        table = sa.table("alembic_version", sa.column("version_num"))
        connection.execute(table.update().values(version_num=version))
        limits = sa.table("store_info", sa.column("name"), sa.column("value"))
        connection.execute(limits.update().values(value=version))
    engine.dispose()


def _driver(url: str) -> str:
    return "postgresql+psycopg" if url.startswith("postgresql") else "sqlite"


def version_of(url: str) -> str:
    engine = sa.create_engine(sa.make_url(url).set(drivername=_driver(url)))
    table = sa.table("alembic_version", sa.column("version_num"))
    with engine.connect() as connection:
        found = str(connection.execute(sa.select(table.c.version_num)).scalar_one())
    engine.dispose()
    return found


def test_a_store_that_was_upgraded_under_a_program_is_left_alone_by_it(store_url: str) -> None:
    with open_store(store_url) as store:
        store.data("before")
        before = version_of(store_url)
        set_version(store_url, "9999")
        with pytest.raises(SchemaMismatch, match="newer than this Braid's"):
            StoreService(store).ping()
        for ask in (lambda: store.data("refused"), store.documents().records, store.info):
            with pytest.raises(SchemaMismatch):
                ask()
    with pytest.raises(SchemaMismatch):
        open_store(store_url)
    set_version(store_url, before)
    with open_store(store_url) as store:
        assert names(store) == {"before"}


def test_a_new_connection_notices_an_upgrade(store_url: str) -> None:
    with open_store(store_url) as store:
        store.data("before")
        set_version(store_url, "9999")
        store.sink.session.engine.dispose()
        with pytest.raises(SchemaMismatch):
            store.documents().records()


def test_on_sqlite_the_next_write_notices_an_upgrade(file: Path) -> None:
    url = f"sqlite:///{file}"
    with open_store(url) as store:
        store.data("before")
        set_version(url, "9999")
        with pytest.raises(SchemaMismatch):
            store.data("refused")
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT name FROM record").fetchall() == [("before",)]


def test_changes_of_the_schema_that_leave_its_version_are_no_upgrade(store_url: str) -> None:
    with open_store(store_url) as store:
        store.data("before")
        set_version(store_url, version_of(store_url))
        StoreService(store).ping()
        store.data("after")
        upgrade_store(store_url)
        store.data("later")
        assert names(store) == {"before", "after", "later"}


def administer(server: PostgresServer, *statements: psycopg.sql.Composable) -> None:
    with psycopg.connect(server.new_database(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def quoted(text: str, name: str | None) -> psycopg.sql.Composed:
    return psycopg.sql.SQL(text).format(psycopg.sql.Identifier(name or ""))


def test_a_database_that_is_dropped_and_made_again_is_not_written_to(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.new_database()
    name = sa.make_url(url).database
    drop, make = (
        quoted(text, name) for text in ("DROP DATABASE {} WITH (FORCE)", "CREATE DATABASE {}")
    )
    with open_store(url) as store:
        store.data("before")
        administer(postgres_server, drop)
        for ask in (lambda: store.data("refused"), StoreService(store).ping):
            with pytest.raises(StoreUnavailable):
                ask()
        administer(postgres_server, make)
        for ask in (lambda: store.data("refused"), StoreService(store).ping):
            with pytest.raises(StoreUnavailable, match="no Braid store any more"):
                ask()
        with pytest.raises(NotFound):
            open_store(url, create=False)


def test_a_database_that_was_put_back_to_an_earlier_state_is_not_written_with_its_ids(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.new_database()
    name = sa.make_url(url).database
    with open_store(url) as first:
        first.data("before")
        administer(
            postgres_server,
            quoted("DROP DATABASE {} WITH (FORCE)", name),
            quoted("CREATE DATABASE {}", name),
        )
        with open_store(url) as another:
            another.data("of another program, with the same origin's number")
            with pytest.raises(StoreUnavailable, match="replaced by another one"):
                first.data("refused")
            assert len(names(another)) == 1
    with open_store(url) as again:
        again.data("after")
        assert again.check() == []


def test_a_login_that_is_refused_is_said_and_works_again(postgres_server: PostgresServer) -> None:
    url = sa.make_url(postgres_server.new_database())
    role = f"role_of_{url.database}"
    administer(
        postgres_server,
        quoted("CREATE ROLE {} LOGIN SUPERUSER", role),
    )
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}"
    with open_store(url.set(username=role).render_as_string()) as store:
        store.data("before")
        administer(
            postgres_server,
            quoted("ALTER ROLE {} NOLOGIN", role),
            psycopg.sql.SQL(end).format(psycopg.sql.Literal(role)),
        )
        for ask in (lambda: store.data("refused"), StoreService(store).ping):
            with pytest.raises(StoreUnavailable):
                ask()
        administer(postgres_server, quoted("ALTER ROLE {} LOGIN", role))
        store.data("after")
        assert names(store) == {"before", "after"}


def test_what_was_recorded_together_is_refused_together(file: Path) -> None:
    with open_store(f"sqlite:///{file}") as store:
        store.data("before")
        with pytest.raises(StoreUnavailable), store.transaction():
            store.data("one")
            file.unlink()
            store.data("two")
