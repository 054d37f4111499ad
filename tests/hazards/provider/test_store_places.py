"""A server whose store is removed, replaced or upgraded: what it answers is kept, or it says no."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from action_provider.app import EXTENSION, Braid
from action_provider.errors import answer
from provenance_store import open_store
from tests.functional.provider.harvests import wait_until
from tests.functional.provider.house import House, Person, Town, serving
from tests.support.postgres import PostgresServer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "stores"
    folder.mkdir()
    return folder / "store.db"


@pytest.fixture(params=["process", "threads"])
def house(request: pytest.FixtureRequest, town: Town, file: Path) -> Iterator[House]:
    environ = town.environ(BRAID_RECORDING=request.param)
    with serving(f"sqlite:///{file}", environ) as served:
        yield served


def is_refused(house: House, who: Person, request_id: str, code: str = "StoreUnavailable") -> None:
    answer = house.run(who, request_id)
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert answer.headers["Retry-After"]


def is_not_ready(house: House, code: str = "StoreUnavailable") -> None:
    answer = house.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert house.get("/healthz").status_code == 200


def is_taken_up(house: House) -> None:
    """At the latest when it is asked the second time: each process has to notice for itself."""
    wait_until(lambda: house.get("/readyz").status_code == 200, "being ready")


def recorded_later(house: House, who: Person, request_id: str) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []

    def is_recorded() -> bool:
        answer = house.run(who, request_id)
        answers.append(answer.json())
        return answer.status_code in (200, 202)

    wait_until(is_recorded, "recording")
    return answers[-1]


def steps(file: Path) -> int:
    with open_store(f"sqlite:///{file}", create=False) as store:
        assert store.check() == []
        return int(store.info()["records"].get("step", 0))


def test_a_store_that_is_moved_away_and_put_back_has_all_that_was_answered(
    house: House, ada: Person, file: Path
) -> None:
    first = house.run(ada, "r1").json()
    elsewhere = file.with_name("elsewhere.db")
    file.rename(elsewhere)
    is_refused(house, ada, "r2")
    is_not_ready(house)
    is_refused(house, ada, "r2")
    assert house.get("/api/v1/runs/run-1", ada).status_code == 503
    assert not file.exists()  # an empty store in its place would hide that it is gone
    elsewhere.rename(file)
    is_taken_up(house)
    recorded_later(house, ada, "r2")
    assert house.run(ada, "r1").json() == first
    house.app.extensions[EXTENSION].close()
    assert steps(file) == 2


def test_a_store_that_is_removed_with_its_folder_is_said(
    house: House, ada: Person, file: Path
) -> None:
    assert house.run(ada, "r1").status_code == 202
    kept = file.parent.with_name("kept")
    file.parent.rename(kept)
    is_refused(house, ada, "r2")
    is_not_ready(house)
    is_refused(house, ada, "r2")
    kept.rename(file.parent)
    is_taken_up(house)
    recorded_later(house, ada, "r2")


def test_a_backup_in_place_of_the_store_is_taken_up_and_written_with_ids_of_its_own(
    house: House, ada: Person, file: Path
) -> None:
    assert house.run(ada, "r1").status_code == 202
    backup = file.with_name("backup.db")
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    for number in range(2, 5):
        assert house.run(ada, f"r{number}").status_code == 202
    os.replace(backup, file)
    is_refused(house, ada, "r5")
    house.get("/readyz")
    answer = house.get("/readyz")
    if answer.status_code == 503:  # the other process has the old log open
        assert "-wal" in answer.json()["description"]
        for ending in ("-wal", "-shm"):
            file.with_name(file.name + ending).unlink(missing_ok=True)
    recorded_later(house, ada, "r5")
    is_taken_up(house)
    found = recorded_later(house, ada, "r4")  # which the backup does not know
    assert house.run(ada, "r4").json() == found
    house.app.extensions[EXTENSION].close()
    assert steps(file) == 3


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_what_was_answered_is_there_after_a_log_was_removed(
    house: House, ada: Person, file: Path, ending: str
) -> None:
    answered = {name: recorded_later(house, ada, name) for name in map("r{}".format, range(10))}
    file.with_name(file.name + ending).unlink()
    while (answer := house.run(ada, f"r{len(answered)}")).status_code == 202:
        answered[f"r{len(answered)}"] = answer.json()
        assert len(answered) < 1000
    assert answer.status_code == 503
    is_taken_up(house)
    recorded_later(house, ada, f"r{len(answered)}")
    for name, document in answered.items():  # the recording process may notice only now
        assert recorded_later(house, ada, name) == document
    house.app.extensions[EXTENSION].close()
    assert steps(file) == len(answered) + 1


def put_rubbish(file: Path) -> None:
    file.unlink()
    file.write_bytes(b"not a database" * 1000)


def put_nothing(file: Path) -> None:
    file.unlink()
    file.touch()


def put_another_database(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE of_another (x)")
        other.commit()


def put_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("put", [put_rubbish, put_nothing, put_another_database, put_a_folder])
def test_what_is_no_store_is_not_taken_up(
    house: House, ada: Person, file: Path, put: Callable[[Path], None]
) -> None:
    assert house.run(ada, "r1").status_code == 202
    for ending in ("-wal", "-shm"):
        assert file.with_name(file.name + ending).exists()
    put(file)
    for ending in ("-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    for _ in range(3):
        is_refused(house, ada, "r2")
        is_not_ready(house)


def test_a_store_that_a_newer_braid_upgraded_is_left_alone(
    house: House, ada: Person, file: Path
) -> None:
    assert house.run(ada, "r1").status_code == 202
    with closing(sqlite3.connect(file)) as newer:
        (before,) = newer.execute("SELECT version_num FROM alembic_version").fetchone()
        newer.execute("CREATE TABLE of_later (x)")
        newer.execute("UPDATE store_info SET value = '9999'")
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()
    for _ in range(2):
        is_refused(house, ada, "r2", "SchemaMismatch")
        is_not_ready(house, "SchemaMismatch")
    with closing(sqlite3.connect(file)) as older:
        assert older.execute("SELECT count(*) FROM step").fetchone() == (1,)
        older.execute("UPDATE alembic_version SET version_num = ?", (before,))
        older.execute("UPDATE store_info SET value = ?", (before,))
        older.execute("DROP TABLE of_later")
        older.commit()
    is_taken_up(house)
    recorded_later(house, ada, "r2")


def test_a_server_that_is_not_ready_for_its_schema_records_nothing(
    town: Town, ada: Person, store_url: str
) -> None:
    recording = "process" if store_url.startswith("sqlite") else "threads"
    with serving(store_url, town.environ(BRAID_RECORDING=recording)) as house:
        assert house.run(ada, "r1").status_code == 202
        engine = sa.create_engine(house.store.sink.session.engine.url)
        version = sa.table("alembic_version", sa.column("version_num"))
        limits = sa.table("store_info", sa.column("value"))
        with engine.begin() as newer:
            newer.execute(version.update().values(version_num="9999"))
            newer.execute(limits.update().values(value="9999"))
        is_not_ready(house, "SchemaMismatch")
        is_refused(house, ada, "r2", "SchemaMismatch")
        with engine.begin() as newer:
            count = sa.select(sa.func.count()).select_from(sa.table("step"))
            assert newer.execute(count).scalar_one() == 1
        engine.dispose()


def test_a_full_disk_is_said_and_nothing_that_was_answered_is_lost(
    house: House, ada: Person, file: Path
) -> None:
    braid: Braid = house.app.extensions[EXTENSION]
    answered = {"r0": house.run(ada, "r0").json()}
    pid = os.getpid() if braid.recording_process is None else braid.recording_process.pid or 0
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    try:
        wal = file.with_name(file.name + "-wal").stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (wal + 100_000, before[1]))
        refused = ""
        for number in range(1, 1000):
            name = f"r{number}"
            answer = house.run(ada, name)
            if answer.status_code == 503:
                refused = name
                assert "disk that holds the store" in answer.json()["description"]
                break
            answered[name] = answer.json()
        assert refused
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    recorded_later(house, ada, refused)
    for name, document in answered.items():
        assert house.run(ada, name).json() == document
    assert house.store.check() == []


def test_a_database_that_is_dropped_is_said_and_an_empty_one_is_not_filled(
    town: Town, ada: Person, postgres_server: PostgresServer
) -> None:
    url = postgres_server.new_database()
    name = psycopg.sql.Identifier(sa.make_url(url).database or "")
    with (
        psycopg.connect(postgres_server.new_database(), autocommit=True) as admin,
        serving(url, town.environ()) as house,
    ):
        assert house.run(ada, "r1").status_code == 202
        admin.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        for _ in range(2):
            is_refused(house, ada, "r2")
            is_not_ready(house)
        admin.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(name))
        for _ in range(2):
            is_refused(house, ada, "r2")
            is_not_ready(house)
        with psycopg.connect(url) as empty:
            tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            assert empty.execute(tables).fetchone() == (0,)
        open_store(url).close()
        is_taken_up(house)
        recorded_later(house, ada, "r2")


def test_copies_that_are_made_while_the_server_runs_are_no_change(
    house: House, ada: Person, file: Path
) -> None:
    for number in range(3):
        assert house.run(ada, f"r{number}").status_code == 202
        shutil.copy(file, file.with_name(f"copy-{number}.db"))
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            other.execute("VACUUM")
        assert house.get("/readyz").status_code == 200
    assert house.store.info()["records"]["step"] == 3


def test_a_question_makes_no_store_where_one_is_gone(town: Town, ada: Person, file: Path) -> None:
    environ = town.environ(BRAID_LANES="processes")
    with serving(f"sqlite:///{file}", environ) as house:
        assert house.run(ada, "r1").status_code == 202
        elsewhere = file.with_name("elsewhere.db")
        file.rename(elsewhere)
        for _ in range(3):  # of a process that has not opened the store yet
            answer = house.get("/api/v1/records", ada)
            assert (answer.status_code, answer.json()["code"]) == (503, "StoreUnavailable")
        assert not file.exists()
        elsewhere.rename(file)
        is_taken_up(house)
        wait_until(lambda: house.get("/api/v1/records", ada).status_code == 200, "an answer")
        assert house.get("/api/v1/records", ada).json()["records"]


def test_a_file_that_is_no_store_is_nothing_that_a_caller_did_wrong(
    house: House, ada: Person, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert house.run(ada, "r1").status_code == 202
    file.rename(file.with_name("elsewhere.db"))
    is_not_ready(house)
    file.symlink_to("/dev/zero")
    is_refused(house, ada, "r2")
    is_not_ready(house)
    assert str(file.parent) not in house.get("/readyz").text
    assert "is a device" in caplog.text
    file.unlink()
    file.with_name("elsewhere.db").rename(file)
    is_taken_up(house)
    recorded_later(house, ada, "r3")


def test_a_database_that_lost_a_table_or_a_right_is_said_to_be_away(
    town: Town, ada: Person, postgres_server: PostgresServer
) -> None:
    url = postgres_server.new_database()
    with serving(url, town.environ()) as house, psycopg.connect(url, autocommit=True) as admin:
        assert house.run(ada, "r1").status_code == 202
        admin.execute("ALTER TABLE record RENAME TO other")
        is_refused(house, ada, "r2")
        assert house.get("/api/v1/records", ada).status_code == 503
        admin.execute("ALTER TABLE other RENAME TO record")
        recorded_later(house, ada, "r3")
        admin.execute("CREATE ROLE reader")
        house.store.sink.session.engine.dispose()

        @sa.event.listens_for(house.store.sink.session.engine, "connect")
        def become(connection: Any, _: object) -> None:
            connection.execute("SET ROLE reader")
            connection.commit()

        try:
            is_refused(house, ada, "r4")
            assert "rights" in house.get("/api/v1/records", ada).json()["description"]
        finally:
            sa.event.remove(house.store.sink.session.engine, "connect", become)
            house.store.sink.session.engine.dispose()
            admin.execute("DROP ROLE reader")
        recorded_later(house, ada, "r5")


def test_a_server_without_descriptors_says_that_it_is_busy() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match="Too many open files") as error:
            os.open(os.devnull, os.O_RDONLY)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    said = answer(error.value)
    assert (said.status_code, said.get_json()["code"]) == (503, "Busy")
    assert answer(FileNotFoundError(2, "gone")).status_code == 500
