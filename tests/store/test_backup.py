"""Backups of whole stores, and putting them back: on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from provenance_store import open_store, upgrade_store
from provenance_store.errors import (
    BadFile,
    BraidError,
    ConfigurationError,
    Conflict,
    InvalidInput,
    SchemaMismatch,
)
from provenance_store.opening import engine_at
from provenance_store.sql import schema
from provenance_store.transfer.backup import back_up, restore
from tests.support.postgres import PostgresServer


def recorded(url: str, *names: str) -> None:
    with open_store(url) as store:
        for name in names:
            store.data(name, tags={"sample": "Ni"})


def names(url: str) -> list[str]:
    with open_store(url, create=False) as store:
        assert store.check() == []
        return sorted(record["name"] for record in store.documents().records()["records"])


def test_a_backup_put_back_is_the_store_as_it_was(
    store_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file = tmp_path / "backup"
    recorded(store_url, "first", "second")
    done = back_up(store_url, file)
    assert (done.records, done.size) == (2, file.stat().st_size)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    recorded(store_url, "later")
    with pytest.raises(Conflict, match="--force"):
        restore(store_url, file)
    assert names(store_url) == ["first", "later", "second"]
    restored = restore(store_url, file, force=True)
    assert restored.rows == done.rows
    assert names(store_url) == ["first", "second"]
    recorded(store_url, "afterwards")
    assert restored.before is not None
    if store_url.startswith("sqlite"):
        before = f"sqlite:///{restored.before}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        restore(before := server.new_database(), restored.before)
    assert names(before) == ["first", "later", "second"]
    assert names(store_url) == ["afterwards", "first", "second"]


def test_a_backup_of_an_older_schema_is_put_back_over_a_newer_and_upgraded(
    empty_url: str, tmp_path: Path
) -> None:
    engine = engine_at(empty_url, create=True)
    schema.upgrade(engine, "0002")
    engine.dispose()
    file = tmp_path / "backup"
    back_up(empty_url, file)
    upgrade_store(empty_url)
    recorded(empty_url, "with the newer one")
    assert restore(empty_url, file, force=True).schema == "0002"
    with pytest.raises(SchemaMismatch, match="braid store upgrade"):
        open_store(empty_url)
    upgrade_store(empty_url)
    assert names(empty_url) == []


def test_a_backup_that_is_stopped_leaves_the_earlier_one(tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "backups" / "b.db"
    file.parent.mkdir()
    recorded(url, "first")
    back_up(url, file)
    earlier = file.read_bytes()
    recorded(url, "second")

    def stop(done: int, total: int) -> None:
        assert 0 <= done <= total
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(url, file, force=True, progress=stop)
    assert file.read_bytes() == earlier
    assert list(file.parent.iterdir()) == [file]
    (tmp_path / "store.db").unlink()
    with pytest.raises(KeyboardInterrupt):
        restore(url, file, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["backups"]


def test_files_of_a_removed_store_do_not_get_into_the_restored_one(tmp_path: Path) -> None:
    store, file = tmp_path / "store.db", tmp_path / "b.db"
    url = f"sqlite:///{store}"
    recorded(url, "first")
    back_up(url, file)
    with closing(sqlite3.connect(store)) as open_still, open_still:
        open_still.execute("UPDATE record SET name = 'of the one that was there'")
        open_still.commit()
        log = Path(f"{store}-wal").read_bytes()
        index = Path(f"{store}-shm").read_bytes()
    store.unlink()
    Path(f"{store}-wal").write_bytes(log)
    Path(f"{store}-shm").write_bytes(index)
    assert restore(url, file).before is None
    assert names(url) == ["first"]


def test_a_store_that_is_open_is_replaced_only_by_force_and_kept_whole(tmp_path: Path) -> None:
    store, file = tmp_path / "store.db", tmp_path / "b.db"
    url = f"sqlite:///{store}"
    recorded(url, "first")
    store.chmod(0o640)
    back_up(url, file)
    with closing(sqlite3.connect(store)) as other:
        other.execute("UPDATE record SET name = 'in its log'")
        other.commit()
        with pytest.raises(Conflict, match=r"has .*store\.db open"):
            restore(url, file)
        before = restore(url, file, force=True).before
    assert names(url) == ["first"]
    assert stat.S_IMODE(store.stat().st_mode) == 0o640
    assert names(f"sqlite:///{before}") == ["in its log"]


def damaged(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[8192 : 8192 + 20_000] = b"x" * 20_000
    file.write_bytes(data)


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE store_info SET value = '9999'")


def of_somebody_else(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE stars (name TEXT)")


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (damaged, BadFile, "damaged"),
        (newer, SchemaMismatch, "newer"),
        (of_somebody_else, BraidError, "no Braid store"),
        (lambda file: file.write_text("hello"), BadFile, "no backup"),
        (lambda file: file.write_bytes(b"PGDMP"), BadFile, "other kind"),
    ],
)
def test_what_is_no_backup_replaces_nothing(
    tmp_path: Path, spoil: Callable[[Path], Any], kind: type[Exception], said: str
) -> None:
    url, file = f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "b.db"
    recorded(url, "first")
    back_up(url, file)
    spoil(file)
    spoilt = file.read_bytes()
    with pytest.raises(kind, match=said):
        restore(url, file, force=True)
    assert names(url) == ["first"]
    assert file.read_bytes() == spoilt
    assert {path.name for path in tmp_path.iterdir()} == {"store.db", "b.db"}


def test_a_backup_is_never_written_over_its_store_or_unasked_over_a_file(tmp_path: Path) -> None:
    store, file = tmp_path / "store.db", tmp_path / "b.db"
    url = f"sqlite:///{store}"
    recorded(url, "first")
    os.link(store, file)
    for force in (True, False):
        with pytest.raises(InvalidInput, match="store itself"):
            back_up(url, file, force=force)
    file.unlink()
    file.write_text("mine")
    with pytest.raises(InvalidInput, match="is there already"):
        back_up(url, file)
    assert file.read_text() == "mine"
    store.write_text("no database any more")
    with pytest.raises(BraidError, match="no backup"):
        restore(url, file)


FILL = """
import resource, signal, sys
from pathlib import Path
from provenance_store.transfer import backup
from provenance_store.errors import DiskFull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    getattr(backup, sys.argv[1])(sys.argv[2], Path(sys.argv[3]))
except DiskFull as error:
    print(error)
"""


@pytest.mark.parametrize("call", ["back_up", "restore"])
def test_a_target_without_room_is_not_told_as_damage_and_nothing_half_written_stays(
    tmp_path: Path, call: str
) -> None:
    store, there = tmp_path / "store.db", tmp_path / "there"
    recorded(f"sqlite:///{store}", "first")
    back_up(f"sqlite:///{store}", tmp_path / "b.db")
    there.mkdir()
    if call == "back_up":
        target, source = there / "new.db", f"sqlite:///{store}"
        arguments = (source, str(target))
    else:
        target = there / "store.db"
        recorded(f"sqlite:///{target}", "second")
        arguments = (f"sqlite:///{target}", str(tmp_path / "b.db"))
    before = {path.name: path.read_bytes() for path in there.iterdir()}
    ran = subprocess.run(
        [sys.executable, "-c", FILL, call, *arguments], capture_output=True, text=True, check=True
    )
    assert f"{target} was not written: {there} has no room" in ran.stdout
    assert {path.name: path.read_bytes() for path in there.iterdir()} == before
    assert names(f"sqlite:///{store}") == ["first"]


def test_without_the_programs_of_postgresql_it_is_said_what_to_install(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="postgresql-client"):
        back_up(postgres_server.new_store(), tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []


def test_a_dump_that_is_cut_off_changes_nothing_in_the_database(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url, file = postgres_server.new_store(), tmp_path / "backup"
    recorded(url, "first")
    back_up(url, file)
    recorded(url, "second")
    os.truncate(file, file.stat().st_size * 9 // 10)
    with pytest.raises(BadFile, match="damaged") as error:
        restore(url, file, force=True)
    assert str(file) in error.value.message
    assert names(url) == ["first", "second"]
