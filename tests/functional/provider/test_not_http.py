"""What is no proper request is answered in the shape of all errors, and not repeated in the log."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flows.sandbox import Sandbox
from tests.functional.provider.house import Town
from tests.support.processes import Serving, serving

SECRET = b"hunter2-hunter2"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with started(tmp_path_factory.mktemp("server")) as server:
        yield server


@contextmanager
def started(folder: Path) -> Iterator[Serving]:
    """The production server, in a folder of its own."""
    with Sandbox() as sandbox:
        environ = Town(sandbox).environ()
        with serving("serve", "--port", "0", environ=environ, folder=folder) as server:
            yield server


def answer_to(server: Serving, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to some bytes."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        data = b""
        while piece := connection.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"GET /?token=" + SECRET + b" nonsense\r\n\r\n", 400, "BadRequest"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nA B: " + SECRET + b"\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "BadRequest"),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n", 414, "URITooLong"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431, "RequestHeaderFieldsTooLarge"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: brown\r\n\r\n", 501, "NotImplemented"),
    ],
)
def test_what_is_no_request_has_the_answer_of_every_error(
    server: Serving, request_: bytes, status: int, code: str
) -> None:
    answered, headers, body = answer_to(server, request_)
    assert (answered, headers["content-type"]) == (status, "application/json")
    document = json.loads(body)
    assert (set(document), document["code"]) == ({"code", "description"}, code)
    assert SECRET not in body


def test_what_was_sent_is_not_in_the_log(tmp_path: Path) -> None:
    with started(tmp_path) as server:
        answer_to(server, b"GET /?token=" + SECRET + b" nonsense\r\n\r\n")
        assert answer_to(server, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")[0] == 200
        assert server.stop() == 0
    assert "400 Bad Request" in "".join(server.lines)
    assert SECRET.decode() not in "".join(server.lines)
