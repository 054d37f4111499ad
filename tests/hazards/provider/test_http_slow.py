"""Callers that send slowly, or never the rest, hold no thread and do not stay for ever."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import requests
from gunicorn.config import Config

from braid.web_server.connection import Connection
from braid.web_server.limits import Limits
from tests.functional.provider.house import Person, Town, a_body
from tests.support.processes import Serving, serving
from tests.support.raw_http import connect, half_open, read_answer

THREADS = 2
STEP = json.dumps({"request_id": "slow", "body": a_body()}).encode()
HALF_HEAD = b"POST /record/run HTTP/1.1\r\nHost: here\r\n"
HEAD = HALF_HEAD + b"Content-Length: %d\r\n\r\n"


@contextmanager
def started(town: Town, folder: Path, *options: str, **more: str) -> Iterator[Serving]:
    arguments = ["serve", "--port", "0", "--threads", str(THREADS), *options]
    with serving(*arguments, environ=town.environ(**more), folder=folder) as server:
        yield server


@pytest.fixture(scope="module")
def server(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with so much patience that a thread which waits for a caller waits for ever."""
    folder = tmp_path_factory.mktemp("server")
    with started(town, folder, "--head-seconds", "600", "--body-seconds", "600") as server:
        yield server


@pytest.fixture(scope="module")
def hasty(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with little patience."""
    folder = tmp_path_factory.mktemp("hasty")
    with started(town, folder, "--head-seconds", "0.5", "--body-seconds", "0.5") as server:
        yield server


def ready(server: Serving) -> requests.Response:
    """An honest request, which needs a thread and the store."""
    return requests.get(f"{server.url}/readyz", timeout=60)


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"P",
        HALF_HEAD,
        HEAD % 1000,
        HEAD % 1000 + b"{",
        HALF_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe",
        HALF_HEAD + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    ],
    ids=["nothing", "a byte", "half a head", "no body", "half a body", "half a chunk", "expecting"],
)
def test_an_honest_caller_is_answered_while_many_connections_are_half_open(
    server: Serving, half: bytes
) -> None:
    with ExitStack() as stack:
        half_open(stack, server.url, 64, half)
        assert ready(server).status_code == 200


def test_a_pipelined_half_of_a_request_holds_no_thread(server: Serving) -> None:
    whole = b"GET /api/openapi.json HTTP/1.1\r\nHost: here\r\n\r\n"
    with ExitStack() as stack:
        for connection in half_open(stack, server.url, 4 * THREADS, whole + HALF_HEAD):
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert ready(server).status_code == 200


def test_clients_that_do_not_close_after_an_error_hold_nothing_up(server: Serving) -> None:
    with ExitStack() as stack:
        half_open(stack, server.url, 32, b"nonsense\r\n\r\n")
        assert ready(server).status_code == 200


def test_healthz_is_answered_while_every_thread_waits(town: Town, tmp_path: Path) -> None:
    ada = town.person("ada")
    with started(town, tmp_path, BRAID_BUSY_TIMEOUT_MS="60000") as server, ExitStack() as stack:
        assert ready(server).status_code == 200
        locked = stack.enter_context(closing(sqlite3.connect(tmp_path / "braid.db")))
        locked.execute("BEGIN EXCLUSIVE")
        for number in range(2 * THREADS):
            body = STEP.replace(b"slow", b"%d" % number)
            connection = stack.enter_context(connect(server.url))
            connection.sendall(authorized(ada, b"Content-Length: %d" % len(body)) + body)
        answer = requests.get(f"{server.url}/healthz", timeout=30)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        locked.execute("ROLLBACK")


def test_an_unfinished_head_is_answered_408_and_closed(hasty: Serving) -> None:
    with connect(hasty.url) as connection:
        connection.sendall(HALF_HEAD)
        answer = read_answer(connection)
    assert (answer.status, answer.document["code"]) == (408, "RequestTimeout")


def test_an_idle_connection_is_closed_without_a_word(hasty: Serving) -> None:
    with connect(hasty.url) as connection:
        assert connection.recv(1) == b""


@pytest.mark.parametrize("sent_before", [HALF_HEAD, HEAD % (4 << 20)], ids=["head", "body"])
def test_a_sender_of_a_byte_now_and_then_is_cut_off(hasty: Serving, sent_before: bytes) -> None:
    with connect(hasty.url) as connection:
        connection.sendall(sent_before)
        connection.settimeout(0.05)
        for _ in range(200):
            try:
                data = connection.recv(100)
                break
            except TimeoutError:
                connection.sendall(b"x")
        else:
            raise AssertionError("it was listened to for ten seconds")
    assert data.startswith(b"HTTP/1.1 408 ")


def test_a_slow_honest_upload_is_taken(hasty: Serving, town: Town) -> None:
    ada = town.person("ada")
    padding = b" " * (256 << 10)
    body = STEP + padding
    with connect(hasty.url) as connection:
        connection.sendall(authorized(ada, b"Content-Length: %d\r\nConnection: close" % len(body)))
        for begin in range(0, len(body), 32 << 10):
            time.sleep(0.2)  # Longer in all than the server's patience for one that stands still.
            connection.sendall(body[begin : begin + (32 << 10)])
        answer = read_answer(connection)
    assert answer.status == 202, answer.document


def test_a_caller_who_waits_for_100_continue_is_told_so_once(server: Serving, town: Town) -> None:
    ada = town.person("ada")
    with connect(server.url) as connection:
        connection.sendall(
            authorized(
                ada,
                b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d" % len(STEP),
            )
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(STEP)
        assert read_answer(connection).status in (200, 202)


def test_who_does_not_read_the_answer_holds_no_thread_for_ever() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        conn = Connection(Config(), ours, ("127.0.0.1", 1), None, Limits(answer_seconds=0.1))
        with pytest.raises(TimeoutError):
            conn.sock.sendall(b"x" * (64 << 20))


@pytest.mark.parametrize("path", ["/record/run", "/query/run"])
@pytest.mark.parametrize(
    "framed",
    [
        b"+2\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}0\r\n\r\n",
        b"2;a\nb\r\n{}\r\n0\r\n\r\n",
    ],
    ids=["sign", "prefix", "no end", "line feed"],
)
def test_a_body_in_bad_chunks_is_the_callers_fault(
    server: Serving, town: Town, path: str, framed: bytes
) -> None:
    head = authorized(town.person("ada"), b"Transfer-Encoding: chunked")
    with connect(server.url) as connection:
        connection.sendall(head.replace(b"/record/run", path.encode()) + framed)
        assert read_answer(connection).status == 400


def authorized(who: Person, headers: bytes) -> bytes:
    token = f"Authorization: Bearer {who.token}\r\n".encode()
    return HALF_HEAD + token + headers + b"\r\n\r\n"


def unread(stack: ExitStack, url: str, count: int, requests_each: int) -> list[socket.socket]:
    """Connections that ask for much and read nothing."""
    whole = b"GET /api/openapi.json HTTP/1.1\r\nHost: here\r\n\r\n" * requests_each
    made = []
    for _ in range(count):
        connection = stack.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(connect_address(url))
        connection.sendall(whole)
        made.append(connection)
    return made


def connect_address(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition("/")[2].partition(":")
    return host, int(port)


def test_answers_that_nobody_reads_hold_no_thread(server: Serving) -> None:
    with ExitStack() as stack:
        connections = unread(stack, server.url, 50 * THREADS, 30)
        for _ in range(5):
            assert ready(server).status_code == 200
        # Whoever reads on gets everything that was asked for, whole.
        connections[0].settimeout(20)
        data = b""
        while data.count(b"HTTP/1.1 200 OK") < 30:
            piece = connections[0].recv(1 << 16)
            assert piece
            data += piece
