"""The sandbox's HTTP server stops cleanly, whatever its clients were in the midst of."""

from __future__ import annotations

import gc
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from flows.sandbox.webserver import WebServer

MIB = 1 << 20
DEADLINE = 30.0


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [bytes(MIB) for _ in range(12)]


def temporary_files() -> list[str]:
    """Files that this process has open and that have no name any more."""
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(handle)
        except OSError:
            continue  # the listing's own
        if target.endswith(" (deleted)"):
            found.append(target)
    return found


def wait_for_more(before: list[str]) -> None:
    deadline = time.monotonic() + DEADLINE
    while len(temporary_files()) <= len(before):
        assert time.monotonic() < deadline, "the server keeps nothing in a file"
        time.sleep(0.01)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: sandbox\r\nContent-Length: 4194304\r\n\r\n" + bytes(2 * MIB),
    ],
    ids=["an answer that nobody reads", "a request that was sent in half"],
)
def test_a_server_that_stops_leaves_no_file_open(sent: bytes) -> None:
    before = temporary_files()
    server = WebServer(application)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(sent)
            wait_for_more(before)
            server.stop()
        assert temporary_files() == before
        gc.collect()
    assert [str(warning.message) for warning in told] == []
