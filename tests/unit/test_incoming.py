"""Where a request ends does not depend on the pieces in which it comes."""

from __future__ import annotations

import pytest
from gunicorn.http.errors import InvalidChunkSize

from braid.web_server.requests import Incoming

HEAD = b"POST /record/run HTTP/1.1\r\nHost: here\r\n"
LARGE = 1 << 20


def needed(data: bytes, size: int, most: int = LARGE) -> int | None:
    """How many bytes are fed, so many at a time, until no more are asked for."""
    incoming = Incoming()
    for begin in range(0, len(data), size):
        if incoming.feed(data[begin : begin + size], head_bytes=4096, most=most):
            return len(incoming.data)
    return None


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"\r\n",
        b"\r\n" + HEAD + b"\r\n",
        HEAD + b"Content-Length: 5\r\n\r\nhello",
        HEAD + b"content-length:\t5 \r\n\r\nhello",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nTrailer: x\r\nB: y\r\n\r\n",
        HEAD + b"X-Content-Length: 9\r\n\r\n",
    ],
)
def test_a_request_ends_with_its_last_byte(request_: bytes) -> None:
    assert {needed(request_, size) for size in (1, 2, 3, 7, len(request_))} == {len(request_)}
    assert all(needed(request_[:-1], size) is None for size in (1, 5, len(request_)))


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01",
        HEAD + b"A: b\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 2000,
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        HEAD + b"Content-Length: five\r\n\r\n",
        HEAD + b"Content-Length: " + b"9" * 4000 + b"\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nfive\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 5000,
    ],
)
def test_nothing_more_is_asked_of_what_will_be_refused(request_: bytes) -> None:
    assert needed(request_, 1) is not None
    assert needed(request_, len(request_)) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"five\r\n",
        b"\r\n",
        b"f" * 16 + b"\r\n",
        b"5;" + b"x" * 20_000,
        b"5\r\nhelloXX",
        b"0\r\n" + b"T: x\r\n" * 5000,
        b"1\r\nx\r\n" * 5000,
    ],
)
def test_no_thread_waits_for_the_rest_of_a_body_in_bad_chunks(body: bytes) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    for size in (1, 1000, len(head) + len(body)):
        incoming = Incoming()
        pieces = [(head + body)[at : at + size] for at in range(0, len(head) + len(body), size)]
        assert any(incoming.feed(piece, head_bytes=4096, most=LARGE) for piece in pieces)
        assert incoming.fault is not None


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3E8\r\n"]
)
def test_a_body_larger_than_is_kept_is_left_to_a_thread(framing: bytes) -> None:
    assert needed(HEAD + framing + b"x" * 200, 1, most=100) is not None
    assert needed(HEAD + framing + b"x" * 200, 1, most=2000) is None


def test_a_sender_that_waits_for_a_word_is_noticed() -> None:
    for version, continues in ((b"1.1", True), (b"1.0", False)):
        incoming = Incoming()
        head = HEAD.replace(b"1.1", version) + b"Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n"
        assert not incoming.feed(head, head_bytes=4096, most=LARGE)
        assert incoming.continues is continues


@pytest.mark.parametrize(
    "chunks",
    [
        b"f" * 16 + b"\r\nx",
        b"five\r\nx",
        b"\r\nx",
        b"1" * 8192,
        b"5;" + b"a" * 8192,
        b"1\r\nxxx",
        b"0\r\nX: " + b"a" * 8192,
        b"1\r\nx\r\n" * 5000,
    ],
)
def test_no_thread_waits_for_the_rest_of_bad_chunks(chunks: bytes) -> None:
    incoming = Incoming()
    request_ = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    assert incoming.feed(request_, head_bytes=4096, most=LARGE)
    assert isinstance(incoming.fault, InvalidChunkSize)
