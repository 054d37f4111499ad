"""Stores that are locked, or whose server hangs: waits end, for all at once, and work goes on."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from provenance_store import Store, open_store
from provenance_store.errors import StoreUnavailable
from provenance_store.service import StoreService
from provenance_store.sql.waits import WaitedInVain, Waits
from tests.support.frozen import Relay, frozen
from tests.support.postgres import PostgresServer

CALLERS = 24


@contextmanager
def write_lock(file: Path) -> Iterator[None]:
    """Another program writes to the SQLite file."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def attempts() -> list[str]:
    """The attempts to take a lock that were made."""
    return []


def count_attempts(store: Store, attempts: list[str]) -> None:
    @event.listens_for(store.sink.session.engine, "before_cursor_execute")
    def _count(_: object, __: object, statement: str, *___: object) -> None:
        if statement == "BEGIN IMMEDIATE":
            attempts.append(statement)


def record_at_once(store: Store, callers: int = CALLERS) -> list[Exception | None]:
    """What became of records that many threads make at the same moment."""
    start = threading.Barrier(callers)

    def record(number: int) -> Exception | None:
        start.wait()
        try:
            store.data(f"scan-{number}")
        except StoreUnavailable as error:
            return error
        return None

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(record, range(callers)))


@pytest.mark.parametrize("known", [True, False], ids=["has recorded", "records for the first time"])
def test_callers_of_a_locked_store_wait_together_and_not_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: list[str], known: bool
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "2000")
    file = tmp_path / "store.db"
    with open_store(f"sqlite:///{file}") as store:
        if known:
            store.data("before")
        count_attempts(store, attempts)
        with write_lock(file):
            answers = record_at_once(store)
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        assert len(attempts) <= 3
        assert record_at_once(store) == [None] * CALLERS
        assert store.check() == []


def test_a_wait_counts_from_when_the_caller_began_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "3600000")
    two_hours_ago = time.monotonic() - 7200
    file = tmp_path / "store.db"
    with open_store(f"sqlite:///{file}") as store:
        store.data("before")
        with (
            write_lock(file),
            StoreService(store).waiting_since(two_hours_ago),
            pytest.raises(StoreUnavailable),
        ):
            store.data("waited for as long as the machine runs")
        store.data("after")


def test_who_comes_while_a_store_is_known_to_be_held_waits_for_less() -> None:
    waits = Waits(3600)
    refused = StoreUnavailable()
    waits.refused(refused)
    assert waits.patience == 3600  # it was not waited for: say, the disk was full
    waits.refused(WaitedInVain())
    assert waits.patience == 360
    waits.answered()
    assert waits.patience == 3600


def test_readers_do_not_wait_for_a_writer_or_for_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "0")
    file = tmp_path / "store.db"
    with open_store(f"sqlite:///{file}") as store:
        store.data("before")
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert len(store.documents().records()["records"]) == 1
            StoreService(store).ping()
            with pytest.raises(StoreUnavailable, match="locked"):
                store.data("refused")
            other.execute("ROLLBACK")
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            store.data("after")
            assert len(store.documents().records()["records"]) == 2


def test_a_program_that_keeps_the_whole_file_to_itself_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "50")
    file = tmp_path / "store.db"
    url = f"sqlite:///{file}"
    with open_store(url) as store:
        store.data("before")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("COMMIT")
        with pytest.raises(StoreUnavailable, match="locked"):
            open_store(url)
    with open_store(url) as store:
        store.data("after")


def table_lock(url: str, table: str) -> psycopg.Connection[object]:
    other = psycopg.connect(url)
    statement = psycopg.sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE")
    other.execute(statement.format(psycopg.sql.Identifier(table)))
    return other


def test_a_locked_table_is_not_waited_for_without_end(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "500")
    url = postgres_server.new_database()
    with open_store(url) as store:
        store.data("before")
        with table_lock(url, "record"):
            answers = record_at_once(store, 8)
            assert {str(answer) for answer in answers} == {
                "The store is locked by another program; try again."
            }
            with pytest.raises(StoreUnavailable, match="locked"):
                store.documents().records()
        assert record_at_once(store, 8) == [None] * 8
        assert store.info()["records"]["data"] == 9


def test_a_long_statement_is_not_cut_off_while_the_server_lives(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "100")
    with open_store(postgres_server.new_database()) as store:
        for transaction in (store.sink.session.read, store.sink.session.change):
            with transaction() as connection:
                assert connection.execute(sa.select(sa.func.pg_sleep(3.5))).first() is not None


def test_a_server_that_hangs_is_given_up_and_found_again(
    own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "4000")
    with own_postgres as server, open_store(server.new_database()) as store:
        store.data("before")
        assert len(store.documents().records()["records"]) == 1
        with frozen(server.pid):
            answers = record_at_once(store)
            assert all(isinstance(answer, StoreUnavailable) for answer in answers)
            for ask in (StoreService(store).ping, store.documents().records):
                with pytest.raises(StoreUnavailable, match="does not answer"):
                    ask()
            with pytest.raises(StoreUnavailable, match="does not answer"):
                open_store(str(store.sink.session.engine.url))
        assert record_at_once(store) == [None] * CALLERS
        found = store.info()["records"]["data"]
        assert CALLERS + 1 <= found <= 2 * CALLERS + 1  # some may have been committed unheard
        assert store.check() == []


def test_a_network_that_swallows_everything_is_given_up_and_found_again(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "2000")
    url = sa.make_url(postgres_server.new_database())
    with Relay(url.port or 5432) as relay:
        through = url.set(port=relay.port).render_as_string(hide_password=False)
        with open_store(through) as store:
            store.data("before")
            with relay.cut():
                with pytest.raises(StoreUnavailable, match="does not answer"):
                    store.data("lost")
                with pytest.raises(StoreUnavailable, match="does not answer"):
                    store.documents().records()
            store.data("after")
            names = [record["name"] for record in store.documents().records()["records"]]
            assert names == ["after", "before"]
