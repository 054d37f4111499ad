"""A server says that it lives whatever its threads, its store and its processes wait for."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from action_provider.health import Readiness
from action_provider.lanes.admission import threads_for
from action_provider.settings import Options
from provenance_store.errors import StoreUnavailable
from tests.functional.provider.house import Person, Town, a_body

SECONDS = 180
"""Until a test gives up."""


class Served(NamedTuple):
    """A server as operators start it; `threads` is all that it has."""

    url: str
    port: int
    file: Path
    threads: int
    process: subprocess.Popen[str]

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=SECONDS)

    def run(self, who: Person, request_id: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {who.token}"}
        asked = {"request_id": request_id, "body": a_body(run_id="run-1")}
        return requests.post(f"{self.url}/record/run", json=asked, headers=headers, timeout=SECONDS)


@pytest.fixture
def served(town: Town, tmp_path: Path) -> Iterator[Served]:
    settings = {
        **town.environ(BRAID_WAITING="1", BRAID_LANE_PLACES="1"),
        "BRAID_RECORDING": "process",
        "BRAID_BUSY_TIMEOUT_MS": "20000",
    }
    file = tmp_path / "store.db"
    command = [sys.executable, "-m", "braid", "serve", "--port", "0", "--threads", "1"]
    process = subprocess.Popen(
        [*command, "--store", f"sqlite:///{file}"],
        env={**os.environ, **settings},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        found = next(filter(None, map(re.compile(r"http://[^:]+:(\d+)").search, process.stderr)))
        threads = threads_for(1, Options.read(settings))
        yield Served(found[0], int(found[1]), file, threads, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)


def test_it_answers_while_half_a_request_holds_each_thread(served: Served) -> None:
    with ExitStack() as held:
        for _ in range(served.threads + 5):
            line = held.enter_context(closing(socket.create_connection(("127.0.0.1", served.port))))
            line.sendall(b"POST /record/run HTTP/1.1\r\nHost: loc")
        for _ in range(3):
            answer = served.get("/healthz")
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
            assert answer.headers["Content-Type"] == "application/json"


def test_it_answers_while_the_store_is_locked_and_the_recording_process_stands_still(
    served: Served, town: Town
) -> None:
    ada = town.person("ada")
    assert served.run(ada, "first").status_code == 202
    locked = sqlite3.connect(served.file, isolation_level=None)
    with closing(locked), ThreadPoolExecutor(served.threads) as pool:
        locked.execute("BEGIN EXCLUSIVE")
        asked = [pool.submit(served.run, ada, f"step {n}") for n in range(served.threads)]
        assert served.get("/healthz").status_code == 200
        assert served.get("/readyz").status_code == 200
        locked.execute("ROLLBACK")
        assert {one.result(SECONDS).status_code for one in asked} <= {202, 429, 503}


def test_a_connection_that_sends_nothing_does_not_put_off_the_end(served: Served) -> None:
    with closing(socket.create_connection(("127.0.0.1", served.port))):
        assert served.get("/healthz").status_code == 200
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(28) == 0  # gunicorn would wait for 30


def test_a_request_for_anything_else_is_not_taken_for_one_for_healthz(served: Served) -> None:
    for path, status in (("/healthz/", 404), ("/healthzz", 404), ("/healthz?x=1", 200)):
        assert served.get(path).status_code == status
    assert requests.post(f"{served.url}/healthz", timeout=SECONDS).status_code == 405
    with requests.Session() as session:  # over a connection that was used before
        assert session.get(f"{served.url}/record/", timeout=SECONDS).status_code == 200
        assert session.get(f"{served.url}/healthz", timeout=SECONDS).status_code == 200


def test_who_asks_for_readiness_waits_for_so_long_and_with_one_thread() -> None:
    hangs, asked = threading.Event(), []

    def ask() -> None:
        asked.append(1)
        hangs.wait(SECONDS)

    readiness = Readiness(ask, seconds=0.05)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            readiness.check()
    assert len(asked) == 1
    hangs.set()
    Readiness(ask, seconds=SECONDS).check()


def test_a_worker_that_is_told_to_stop_before_it_listens_to_signals_stops() -> None:
    code = """
import os, signal
from braid.web_server.limits import Limits
from braid.web_server.server import _Gunicorn
from braid.web_server.worker import Worker

options = {
    "bind": "127.0.0.1:0", "worker_class": Worker, "workers": 1, "threads": 1,
    "control_socket_disable": True, "graceful_timeout": 600,
    "post_fork": lambda arbiter, worker: os.kill(os.getpid(), signal.SIGTERM),
    "child_exit": lambda arbiter, worker: os.kill(os.getpid(), signal.SIGTERM),
}
_Gunicorn(lambda: None, options, Limits()).run()
"""
    ended = subprocess.run([sys.executable, "-c", code], timeout=300, capture_output=True)
    assert ended.returncode == 0, ended.stderr
