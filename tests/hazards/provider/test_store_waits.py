"""A server whose store is locked or hangs: everybody is answered in time, and it goes on later."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import requests

from tests.functional.provider.house import House, Person, Town, a_body, serving
from tests.hazards.provider.servers import Server
from tests.support.frozen import frozen
from tests.support.postgres import PostgresServer

CALLERS = 24
PATIENCE = 60
"""What a caller waits for an answer, in seconds. One after the other, callers of a store that
is waited for three seconds or more would wait for longer."""


def run(house_url: str, who: Person, request_id: str) -> requests.Response:
    document = {"request_id": request_id, "body": a_body(step=request_id)}
    headers = {"Authorization": f"Bearer {who.token}"}
    url = f"{house_url}/record/run"
    return requests.post(url, json=document, headers=headers, timeout=PATIENCE)


def run_at_once(house_url: str, who: Person, name: str) -> list[requests.Response]:
    start = threading.Barrier(CALLERS)

    def call(number: int) -> requests.Response:
        start.wait()
        return run(house_url, who, f"{name}-{number}")

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(call, range(CALLERS)))


def are_unavailable(answers: list[requests.Response]) -> None:
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "StoreUnavailable")
        assert int(answer.headers["Retry-After"]) > 0


@contextmanager
def sqlite_lock(file: Path, mode: str = "IMMEDIATE") -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute(f"BEGIN {mode}")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("recording", ["process", "threads"])
def test_all_callers_of_a_locked_file_are_answered_and_health_is_too(
    town: Town, ada: Person, tmp_path: Path, recording: str
) -> None:
    file = tmp_path / "store.db"
    environ = town.environ(
        BRAID_RECORDING=recording,
        BRAID_BUSY_TIMEOUT_MS="5000",
        BRAID_STORE_URL=f"sqlite:///{file}",
    )
    with Server(environ, tmp_path) as server:
        assert run(server.url, ada, "before").status_code == 202
        with sqlite_lock(file):
            are_unavailable(run_at_once(server.url, ada, "locked"))
            assert requests.get(f"{server.url}/healthz", timeout=PATIENCE).status_code == 200
            assert requests.get(f"{server.url}/readyz", timeout=PATIENCE).status_code == 200
        answers = run_at_once(server.url, ada, "locked")
        assert {answer.status_code for answer in answers} == {202}


def test_a_store_that_is_locked_from_the_start_is_waited_for_together(
    town: Town, ada: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "4000")
    file = tmp_path / "store.db"
    with (
        serving(f"sqlite:///{file}", town.environ()) as house,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("CREATE TABLE of_another (x)")
        are_unavailable(run_at_once(house.url, ada, "locked"))
        other.execute("DROP TABLE of_another")
        other.close()
        assert house.run(ada, "after").status_code == 202


Held = Callable[[PostgresServer, str], AbstractContextManager[None]]


@contextmanager
def a_locked_table(_: PostgresServer, url: str) -> Iterator[None]:
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE record IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def a_server_that_hangs(server: PostgresServer, _: str) -> Iterator[None]:
    with frozen(server.pid):
        yield


@pytest.mark.parametrize("held", [a_locked_table, a_server_that_hangs])
def test_all_callers_of_a_database_that_does_not_answer_are_answered(
    town: Town,
    ada: Person,
    own_postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    held: Held,
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "4000")
    with own_postgres as server:
        url = server.new_database()
        with serving(url, town.environ()) as house:
            before = house.run(ada, "before").json()
            with held(server, url):
                are_unavailable(run_at_once(house.url, ada, "held"))
                assert house.get("/healthz").status_code == 200
                assert house.get("/readyz").status_code == 503
                are_unavailable([house.get("/api/v1/runs/run-1", ada)])
            assert house.get("/readyz").status_code == 200
            assert house.run(ada, "before").json() == before
            answers = run_at_once(house.url, ada, "held")
            assert {answer.status_code for answer in answers} <= {200, 202}
            assert house.store.info()["records"]["step"] == CALLERS + 1


def test_a_server_whose_database_hangs_from_the_start_answers_and_begins_later(
    town: Town, ada: Person, own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "3000")
    with own_postgres as server:
        url = server.new_database()
        with serving(url, town.environ()) as house:
            with frozen(server.pid):
                are_unavailable(run_at_once(house.url, ada, "held"))
                assert house.get("/readyz").status_code == 503
                assert house.get("/healthz").status_code == 200
            answers = run_at_once(house.url, ada, "held")
            assert {answer.status_code for answer in answers} == {202}


def test_a_database_that_restarts_under_load_loses_nothing_that_was_answered(
    town: Town, ada: Person, own_postgres: PostgresServer
) -> None:
    with own_postgres as server:
        url = server.new_database()
        with serving(url, town.environ()) as house:
            answered: dict[str, str] = {}
            stop = threading.Event()

            def client(letter: str) -> None:
                for number in range(10_000):
                    if stop.is_set():
                        return
                    name = f"{letter}{number}"
                    answer = run(house.url, ada, name)
                    assert answer.status_code in (200, 202, 503)
                    if answer.status_code != 503:
                        answered[name] = answer.json()["action_id"]

            with ThreadPoolExecutor(4) as pool:
                clients = [pool.submit(client, letter) for letter in "abcd"]
                for more in (20, 40, 60):
                    _wait_for(answered, more, house)
                    server.stop()
                    server.start()
                _wait_for(answered, 80, house)
                stop.set()
            for done in clients:
                done.result()
            for name, action_id in answered.items():
                assert run(house.url, ada, name).json()["action_id"] == action_id
            assert house.store.check() == []
            info = house.store.info()
            assert info["records"]["step"] == info["tables"]["action"] >= len(answered)


def _wait_for(answered: dict[str, str], more: int, house: House) -> None:
    from tests.functional.provider.harvests import wait_until

    wait_until(lambda: len(answered) >= more, "the load")
    assert house.get("/healthz").status_code == 200
