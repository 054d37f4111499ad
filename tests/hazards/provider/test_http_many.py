"""More connections than the server can hold: it answers whoever it can, and goes on afterwards."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests

from braid.web_server.limits import FEWEST_CONNECTIONS, connections_possible
from tests.functional.provider.harvests import wait_until
from tests.functional.provider.house import Person, Town, a_body
from tests.support.processes import Serving, children, serving
from tests.support.raw_http import connect, half_open

FEW_DESCRIPTORS = 45
HALF_HEAD = b"POST /record/run HTTP/1.1\r\nHost: here\r\n"
WHOLE = b"GET /api/openapi.json HTTP/1.1\r\nHost: here\r\n\r\n"


@contextmanager
def started(town: Town, folder: Path, *options: str, **more: str) -> Iterator[Serving]:
    arguments = ["serve", "--port", "0", "--threads", "4", *options]
    with serving(*arguments, environ=town.environ(**more), folder=folder) as server:
        yield server


def limit_descriptors(pid: int, most: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))


def record(server: Serving, who: Person, request_id: str) -> int:
    """Record a step; the status of the answer, 0 for none."""
    body = json.dumps({"request_id": request_id, "body": a_body()})
    headers = {"Authorization": f"Bearer {who.token}", "Connection": "close"}
    with suppress(requests.RequestException):
        url = f"{server.url}/record/run"
        return requests.post(url, body, headers=headers, timeout=60).status_code
    return 0


def recorded_again(server: Serving, who: Person) -> None:
    wait_until(lambda: record(server, who, f"again {time.time()}") == 202, "a step to be recorded")


def worker_and_recorder(server: Serving) -> tuple[int, int]:
    wait_until(lambda: len(children(server.process.pid)) == 1, "the worker")
    (worker,) = children(server.process.pid)
    wait_until(lambda: len(children(worker)) == 1, "the recording process")
    return worker, children(worker)[0]


@pytest.fixture
def settings() -> dict[str, str]:
    return {"BRAID_RECORDING": "process"}


def test_a_worker_without_descriptors_goes_on_when_there_are_some_again(
    town: Town, tmp_path: Path, settings: dict[str, str]
) -> None:
    ada = town.person("ada")
    with started(town, tmp_path, **settings) as server:
        assert record(server, ada, "before") == 202
        worker, recorder = worker_and_recorder(server)
        limit_descriptors(worker, len(os.listdir(f"/proc/{worker}/fd")) + 6)
        with ExitStack() as stack:
            half_open(stack, server.url, 20, HALF_HEAD)  # each is given up after a quarter second
            record(server, ada, "during")
        recorded_again(server, ada)
        assert (worker, recorder) == worker_and_recorder(server)
        said = [line for line in server.lines if "No connection can be accepted" in line]
        assert len(said) == 1
        assert "Traceback" not in "".join(server.lines)


def test_a_server_with_few_descriptors_survives_many_connections(
    town: Town, tmp_path: Path, settings: dict[str, str]
) -> None:
    ada = town.person("ada")
    with started(town, tmp_path, **settings) as server:
        worker, recorder = worker_and_recorder(server)
        for pid in (server.process.pid, worker, recorder):
            limit_descriptors(pid, FEW_DESCRIPTORS)
        with ExitStack() as stack:
            half_open(stack, server.url, 100, HALF_HEAD)
            half_open(stack, server.url, 50, WHOLE)
        recorded_again(server, ada)
        assert (worker, recorder) == worker_and_recorder(server)


def test_the_recording_process_without_descriptors_goes_on_when_there_are_some_again(
    town: Town, tmp_path: Path, settings: dict[str, str]
) -> None:
    ada = town.person("ada")
    with started(town, tmp_path, **settings) as server:
        assert record(server, ada, "before") == 202
        worker, recorder = worker_and_recorder(server)
        limit_descriptors(recorder, 3)
        with ThreadPoolExecutor(16) as callers:
            during = callers.map(lambda n: record(server, ada, f"during {n}"), range(64))
            assert {202, 503} >= set(during) > set()
        limit_descriptors(recorder, 1024)
        recorded_again(server, ada)
        assert (worker, recorder) == worker_and_recorder(server)


@pytest.mark.parametrize("data", [HALF_HEAD, WHOLE], ids=["unfinished", "idle"])
def test_a_full_server_ends_what_is_missed_least_and_answers_a_new_caller(
    town: Town, tmp_path: Path, data: bytes
) -> None:
    with started(town, tmp_path, "--connections", "40") as server, ExitStack() as stack:
        half_open(stack, server.url, 100, data)
        assert requests.get(f"{server.url}/readyz", timeout=60).status_code == 200


def test_an_address_with_many_unfinished_requests_takes_no_connections_of_others(
    town: Town, tmp_path: Path
) -> None:
    with started(town, tmp_path, "--connections", "40") as server, ExitStack() as stack:
        other = stack.enter_context(connect(server.url, source="127.0.0.2"))
        other.sendall(WHOLE[:-2])
        half_open(stack, server.url, 100, HALF_HEAD)
        assert requests.get(f"{server.url}/readyz", timeout=60).status_code == 200
        other.sendall(WHOLE[-2:])
        assert other.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_server_started_with_few_descriptors_serves(town: Town, tmp_path: Path) -> None:
    command = f"ulimit -n {FEW_DESCRIPTORS}; exec {sys.executable} -m braid serve --port 0"
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **town.environ()}
    process = subprocess.Popen(
        ["bash", "-c", command],
        env=environ,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            server = Serving(process, 180)
            with ExitStack() as stack:
                half_open(stack, server.url, 60, HALF_HEAD)
                assert requests.get(f"{server.url}/readyz", timeout=60).status_code == 200
            recorded_again(server, town.person("ada"))
            assert server.stop() == 0
        finally:
            process.kill()


def test_connections_leave_descriptors_for_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(soft: int) -> Callable[[int], tuple[int, int]]:
        return lambda _: (soft, soft)

    monkeypatch.setattr(resource, "getrlimit", limited(256))
    assert 100 < connections_possible(1000, threads=8) < 256
    monkeypatch.setattr(resource, "getrlimit", limited(20))
    assert connections_possible(1000, threads=8) == FEWEST_CONNECTIONS
    monkeypatch.setattr(resource, "getrlimit", limited(1_000_000))
    assert connections_possible(1000, threads=8) == 1000
