"""Why a server cannot be reached is said in words, whatever library says so."""

from __future__ import annotations

import socket
import ssl
import urllib.error
import urllib.request

import globus_sdk
import pytest
import requests

from provenance_store.unreachable import (
    CUT_OFF,
    NO_TLS,
    REFUSED,
    SILENT,
    UNKNOWN_NAME,
    UNTRUSTED,
    why_unreachable,
)


@pytest.fixture
def closed() -> str:
    """The address of a port at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def test_a_refused_connection_is_told_alike_of_every_library(closed: str) -> None:
    with pytest.raises(urllib.error.URLError) as of_urllib:
        urllib.request.urlopen(closed, timeout=5)
    assert why_unreachable(of_urllib.value) == REFUSED
    with pytest.raises(requests.ConnectionError) as of_requests:
        requests.get(closed, timeout=5)
    assert why_unreachable(of_requests.value) == REFUSED
    client = globus_sdk.BaseClient(base_url=closed)
    client.transport.max_retries = 0  # of version 3; version 4 tries again
    with pytest.raises(globus_sdk.NetworkError) as of_globus:
        client.get("/")
    assert why_unreachable(of_globus.value) == REFUSED


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), UNKNOWN_NAME),
        (TimeoutError("timed out"), SILENT),
        (requests.ReadTimeout("read"), SILENT),
        (ssl.SSLCertVerificationError("self-signed"), UNTRUSTED),
        (ssl.SSLError("wrong version number"), NO_TLS),
        (ConnectionResetError(104, "reset"), CUT_OFF),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_words_name_no_class(error: BaseException, words: str) -> None:
    told = why_unreachable(error)
    assert told == words
    assert "Error" not in told
    assert "Timeout" not in told
