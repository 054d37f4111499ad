"""What must not go wrong: killed servers, locked and absent databases, requests at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from action_provider.app import EXTENSION, Braid
from provenance_store import open_store
from tests.functional.provider.harvests import wait_until
from tests.functional.provider.house import House, Person, Town, a_body, serving
from tests.hazards.provider.servers import Server
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).parents[3]
PATIENCE = 180


class RecordServer(Server):
    """One that records steps."""

    def run(self, session: requests.Session, who: Person, name: str) -> requests.Response:
        body = a_body(step=f"step {name}", run_id=f"run {name[0]}")
        headers = {"Authorization": f"Bearer {who.token}"}
        document = {"request_id": name, "body": body}
        return session.post(f"{self.url}/record/run", json=document, headers=headers, timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("recording", ["process", "threads"])
def test_a_killed_server_has_stored_every_answered_action_once(
    town: Town, ada: Person, store_url: str, recording: str, tmp_path: Path
) -> None:
    environ = town.environ(BRAID_RECORDING=recording)
    server = RecordServer({**environ, "BRAID_STORE_URL": store_url}, tmp_path)
    answered: dict[str, Any] = {}
    asked: set[str] = set()
    server.start()

    def client(letter: str) -> None:
        with requests.Session() as session, contextlib.suppress(requests.RequestException):
            for number in range(10_000):
                name = f"{letter}{number}"
                asked.add(name)
                answer = server.run(session, ada, name)
                if answer.status_code == 202:
                    answered[name] = answer.json()

    threads = [threading.Thread(target=client, args=(letter,)) for letter in "abcdef"]
    try:
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answered) > 60, "the load")
    finally:
        server.end(signal.SIGKILL)
        for thread in threads:
            thread.join()
    server.start()
    try:
        with requests.Session() as session:
            again = {name: server.run(session, ada, name) for name in sorted(asked)}
    finally:
        server.end(signal.SIGKILL)
    assert {name: again[name].json() for name in answered} == answered
    assert {again[name].status_code for name in answered} == {200}
    assert {answer.status_code for answer in again.values()} <= {200, 202}
    with open_store(store_url) as store:
        assert store.check() == []
        info = store.info()
        assert info["records"]["step"] == info["tables"]["action"] == len(asked)


def test_a_killed_recording_process_is_replaced_and_nothing_is_lost(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    answered: dict[str, Any] = {}
    refused: set[str] = set()
    with serving(url, town.environ(BRAID_RECORDING="process")) as house:
        braid: Braid = house.app.extensions[EXTENSION]
        assert braid.recording_process is not None
        stop = threading.Event()

        def client(letter: str) -> None:
            with requests.Session() as session:
                for number in range(10_000):
                    if stop.is_set():
                        return
                    name = f"{letter}{number}"
                    answer = _ask(house, session, ada, name)
                    if answer.status_code == 503:
                        refused.add(name)
                    else:
                        assert answer.status_code in (200, 202)
                        answered[name] = answer.json()

        with ThreadPoolExecutor(4) as pool:
            clients = [pool.submit(client, letter) for letter in "abcd"]
            try:
                for more in (20, 40, 60):
                    wait_until(lambda more=more: len(answered) > more, "the load")  # type: ignore[misc]
                    os.kill(braid.recording_process.pid or 0, signal.SIGKILL)
                wait_until(lambda: len(answered) > 90, "the load")
            finally:
                stop.set()
        for done in clients:
            done.result()
        with requests.Session() as session:
            again = {name: _ask(house, session, ada, name) for name in (*answered, *refused)}
        assert {name: again[name].json() for name in answered} == answered
        assert {again[name].status_code for name in answered} == {200}
        assert {answer.status_code for answer in again.values()} <= {200, 202}
        assert house.store.info()["records"]["step"] == len(again)
        assert house.store.check() == []


def _ask(house: House, session: requests.Session, who: Person, name: str) -> requests.Response:
    document = {"request_id": name, "body": a_body(step=f"step {name}", run_id=f"run {name[0]}")}
    headers = {"Authorization": f"Bearer {who.token}"}
    return session.post(f"{house.url}/record/run", json=document, headers=headers, timeout=60)


def test_the_recording_process_ends_when_its_worker_is_killed(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    store_url = f"sqlite:///{tmp_path / 'store.db'}"
    environ = town.environ(BRAID_RECORDING="process", BRAID_STORE_URL=store_url)
    code = (
        "import time\nfrom action_provider.app import EXTENSION, create_app\n"
        "app = create_app()\nprint(app.extensions[EXTENSION].recording_process.pid, flush=True)\n"
        "time.sleep(600)"
    )
    environ = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}
    worker = subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE)
    try:
        assert worker.stdout is not None
        recording = Path(f"/proc/{int(worker.stdout.readline())}/cmdline")
        assert recording.exists()
    finally:
        worker.kill()
        worker.communicate(timeout=30)
    wait_until(lambda: not recording.exists() or not recording.read_bytes(), "its end")


def test_one_request_from_many_threads_at_once_is_one_action(
    town: Town, ada: Person, store_url: str
) -> None:
    with serving(store_url, town.environ()) as house:
        start = threading.Barrier(8)

        def ask(_: int) -> requests.Response:
            document = {"request_id": "same", "body": a_body()}
            headers = {"Authorization": f"Bearer {ada.token}"}
            start.wait()
            url = f"{house.url}/record/run"
            return requests.post(url, json=document, headers=headers, timeout=PATIENCE)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
        assert len({answer.json()["action_id"] for answer in answers}) == 1
        info = house.store.info()
        assert (info["tables"]["action"], info["records"]["step"]) == (1, 1)


@contextlib.contextmanager
def write_lock(file: Path) -> Iterator[None]:
    """Another program writes to the SQLite file."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def test_a_locked_store_is_503_and_the_same_request_works_later(
    town: Town, ada: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "50")
    file = tmp_path / "store.db"
    with serving(f"sqlite:///{file}", town.environ()) as house:
        assert house.run(ada, "r1").status_code == 202
        with write_lock(file):
            answer = house.run(ada, "r2")
            assert (answer.status_code, answer.json()["code"]) == (503, "StoreUnavailable")
            assert answer.headers["Retry-After"]
            assert house.get("/api/v1/runs/run-1", ada).status_code == 200
            assert house.get("/readyz").status_code == 200
        assert house.run(ada, "r2").status_code == 202
        assert house.store.info()["records"]["step"] == 2


def test_requests_wait_for_another_writer_and_none_is_lost(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    file = tmp_path / "store.db"
    with serving(f"sqlite:///{file}", town.environ()) as house:
        assert house.run(ada, "first").status_code == 202
        sent = threading.Semaphore(0)

        def ask(number: int) -> int:
            document = {"request_id": f"r{number}", "body": a_body()}
            headers = {"Authorization": f"Bearer {ada.token}"}
            sent.release()
            url = f"{house.url}/record/run"
            answer = requests.post(url, json=document, headers=headers, timeout=PATIENCE)
            return answer.status_code

        with ThreadPoolExecutor(4) as pool:
            with write_lock(file):
                answers = [pool.submit(ask, number) for number in range(4)]
                for _ in answers:
                    sent.acquire()
                assert house.get("/api/v1/runs", ada).status_code == 200
            assert [answer.result() for answer in answers] == [202] * 4
        assert house.store.info()["records"]["step"] == 5


def test_a_database_server_that_goes_and_comes_back(
    town: Town, ada: Person, own_postgres: PostgresServer
) -> None:
    with own_postgres as server:
        url = server.new_database()
        with serving(url, town.environ()) as house:
            before = house.run(ada, "r1").json()
            server.stop()
            for answer in (
                house.run(ada, "r2"),
                house.get("/api/v1/runs", ada),
                house.get("/readyz"),
            ):
                assert (answer.status_code, answer.json()["code"]) == (503, "StoreUnavailable")
            assert house.get("/healthz").status_code == 200
            server.start()
            assert house.run(ada, "r2").status_code == 202
            assert house.run(ada, "r1").json() == before
            assert house.store.info()["records"]["step"] == 2


def test_a_server_starts_while_its_database_is_away(town: Town, ada: Person) -> None:
    with serving("postgresql://nobody@127.0.0.1:9/none", town.environ()) as house:
        assert house.get("/healthz").status_code == 200
        assert house.get("/readyz").status_code == 503
        _is_unavailable(house, ada)


def _is_unavailable(house: House, who: Person) -> None:
    answer = house.run(who, "r1")
    assert (answer.status_code, answer.json()["code"]) == (503, "StoreUnavailable")
