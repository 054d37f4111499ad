"""What is no proper request is answered in the shape of all errors, and not repeated in the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from flows.sandbox import Sandbox
from tests.functional.provider.house import Person, Town
from tests.support.processes import Serving, serving
from tests.support.raw_http import answer_to

SECRET = b"hunter2-hunter2"
LIMIT = 100_000
POST = b"POST /record/run HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer "
CHUNKED = b"\r\nContent-Type: application/msgpack\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextmanager
def started(folder: Path) -> Iterator[tuple[Serving, Person]]:
    """The production server, in a folder of its own, and somebody who may record."""
    with Sandbox() as sandbox:
        town = Town(sandbox)
        environ = town.environ(BRAID_BODY_LIMIT_BYTES=str(LIMIT))
        with serving("serve", "--port", "0", environ=environ, folder=folder) as server:
            yield server, town.person("ada")


@pytest.fixture(scope="module")
def town_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Person]]:
    with started(tmp_path_factory.mktemp("server")) as both:
        yield both
        server, _ = both
        assert server.stop() == 0
        assert "Traceback" not in "".join(server.lines)
        assert "unexpected" not in "".join(server.lines)


@pytest.fixture
def server(town_server: tuple[Serving, Person]) -> Serving:
    return town_server[0]


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"GET /?token=" + SECRET + b" nonsense\r\n\r\n", 400, "BadRequest"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "BadRequest"),
        (b"\x16\x03\x01\x02\x00\x01", 400, "BadRequest"),
        (b"\x00" * 1000, 400, "BadRequest"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "BadRequest"),
        (b"GET /\n\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nHost: here\n\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nA B: " + SECRET + b"\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\n: x\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "BadRequest"),
        (POST + b"x" + CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400, "BadRequest"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: brown\r\n\r\n", 501, "NotImplemented"),
        (b"GET / HTTP/1.1\r\nExpect: cake\r\n\r\n", 417, "ExpectationFailed"),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n", 414, "URITooLong"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431, "RequestHeaderFieldsTooLarge"),
        (b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 200 + b"\r\n", 431, "RequestHeaderFieldsTooLarge"),
        (b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 20_000, 431, "RequestHeaderFieldsTooLarge"),
    ],
)
def test_what_is_no_request_has_the_answer_of_every_error(
    server: Serving, request_: bytes, status: int, code: str
) -> None:
    answer = answer_to(server.url, request_)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert (set(answer.document), answer.document["code"]) == ({"code", "description"}, code)
    assert answer.rest == b""
    assert SECRET not in answer.body


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello",
        b"f" * 20 + b"\r\nhello",
        b"5;" + b"x" * 20_000,
        b"5\r\nhelloXX0\r\n\r\n",
        b"5 ;a=\x01\r\nhello\r\n0\r\n\r\n",
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\n" + b"T: x\r\n" * 5000,
        b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n",
    ],
    ids=[
        *("no number", "negative", "empty", "too long a number", "too long a line"),
        *("no line end", "bad extension", "bad trailer", "too long a trailer", "crumbs"),
    ],
)
@pytest.mark.parametrize("path", [b"/record/run", b"/api/v1/batches", b"/query/run"])
def test_a_body_in_bad_chunks_is_answered_once_with_400(
    town_server: tuple[Serving, Person],
    path: bytes,
    body: bytes,
) -> None:
    server, ada = town_server
    head = POST.replace(b"/record/run", path) + ada.token.encode() + CHUNKED
    answer = answer_to(server.url, head, body)
    assert (answer.status, answer.document["code"]) == (400, "BadRequest")
    assert answer.rest == b""


@pytest.mark.parametrize("body", [b"zz\r\n", b"1\r\nx\r\n" * 20_000], ids=["no number", "crumbs"])
def test_a_bad_body_that_nobody_wants_gets_no_second_answer(server: Serving, body: bytes) -> None:
    head = b"GET /api/openapi.json HTTP/1.1\r\nHost: here" + CHUNKED
    answer = answer_to(server.url, head, body)
    assert (answer.status, answer.rest) == (200, b"")


@pytest.mark.parametrize("size", [LIMIT + 1, 3 << 20, 40 << 20])
def test_a_client_that_sends_too_large_a_body_can_read_the_413(
    town_server: tuple[Serving, Person], size: int
) -> None:
    server, ada = town_server
    headers = {"Authorization": f"Bearer {ada.token}"}
    answer = requests.post(f"{server.url}/record/run", b" " * size, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("size", [LIMIT + 1, 3 << 20, 40 << 20])
def test_a_client_that_sends_too_large_a_body_in_chunks_can_read_the_413(
    town_server: tuple[Serving, Person], size: int
) -> None:
    server, ada = town_server
    headers = {"Authorization": f"Bearer {ada.token}"}
    chunks = (b" " * min(65536, size - begin) for begin in range(0, size, 65536))
    answer = requests.post(f"{server.url}/record/run", chunks, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("path", ["/record/run", "/nowhere", "/api/v1/batches"])
@pytest.mark.parametrize("size", [0, 1, 70_000, LIMIT + 1, 3 << 20, 12 << 20])
def test_a_connection_that_an_answer_leaves_open_takes_the_next_request(
    server: Serving, path: str, size: int
) -> None:
    """Who was told to keep it, a proxy above all, would lose a request on it otherwise."""
    address = urlsplit(server.url)
    with closing(HTTPConnection(address.hostname or "", address.port, timeout=30)) as connection:
        connection.request("POST", path, b" " * size)
        first = connection.getresponse()
        assert (first.status >= 400, bool(first.read()), first.will_close) == (True, True, False)
        connection.auto_open = 0
        connection.request("GET", "/readyz")
        assert connection.getresponse().status == 200


def test_an_answer_to_what_is_not_read_whole_says_that_the_connection_ends(
    server: Serving,
) -> None:
    address = urlsplit(server.url)
    with closing(HTTPConnection(address.hostname or "", address.port, timeout=30)) as connection:
        connection.request("POST", "/nowhere", b" " * (40 << 20))
        answer = connection.getresponse()
        assert (answer.status, answer.will_close) == (404, True)


def test_what_was_sent_is_not_in_the_log(tmp_path: Path) -> None:
    with started(tmp_path) as (server, _):
        answer_to(server.url, b"GET /?token=" + SECRET + b" nonsense\r\n\r\n")
        whole = b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        assert answer_to(server.url, whole).status == 200
        assert server.stop() == 0
    assert "400 Bad Request" in "".join(server.lines)
    assert SECRET.decode() not in "".join(server.lines)
