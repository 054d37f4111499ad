"""Recording through a server: what it takes is there, what it does not is spooled."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import globus_sdk
import pytest

import hpc
from provenance_store import Store, decode_batch, open_store
from provenance_store.errors import ConfigurationError

Environ = dict[str, Any]


class Server:
    """The route of a server that takes batches, and nothing else of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.statuses: list[str] = []
        self.asked = 0

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> list[bytes]:
        self.asked += 1
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        assert environ["PATH_INFO"] == "/api/v1/batches"
        assert environ["CONTENT_TYPE"] == "application/msgpack"
        status, document = self._answer(environ.get("HTTP_AUTHORIZATION"), body)
        start(status, [("Content-Type", "application/json")])
        return [json.dumps(document).encode()]

    def _answer(self, token: str | None, body: bytes) -> tuple[str, dict[str, Any]]:
        if token != "Bearer good":
            return "401 Unauthorized", {"code": "AUTH", "description": "Log in."}
        if self.statuses:
            return self.statuses.pop(0), {"code": "X", "description": "It does not work."}
        batch = decode_batch(body)
        self.store.write(batch)
        return "200 OK", {"records": len(batch.record)}


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(store: Store) -> Iterator[tuple[Server, str]]:
    application = Server(store)
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield application, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'server.db'}") as opened:
        yield opened


def test_batches_are_posted_with_a_token(store: Store, tmp_path: Path) -> None:
    with (
        serving(store) as (server, url),
        hpc.remote(url, "good", spool=tmp_path / "spool", run_id="job-1") as recorder,
    ):
        scans = [recorder.data(f"scan-{n}") for n in range(1200)]
        model = recorder.model("net").update(scans[:3])
        recorder.flush()
        assert server.asked == 2
        assert store.info()["records"]["data"] == 1200
        assert len(store.reader().lineage(model.urn)["nodes"]) == 5
    assert store.check() == []
    assert not (tmp_path / "spool").exists()


def test_an_authorizer_of_globus_sdk_will_do(store: Store, tmp_path: Path) -> None:
    authorizer = globus_sdk.AccessTokenAuthorizer("good")
    with (
        serving(store) as (_, url),
        hpc.remote(url, authorizer, spool=tmp_path / "spool") as recorder,
    ):
        recorder.data("scan")
    assert store.info()["records"]["data"] == 1


def test_a_server_that_stumbles_once_is_asked_again(store: Store, tmp_path: Path) -> None:
    with serving(store) as (server, url):
        server.statuses = ["503 Unavailable"]
        with hpc.remote(url, "good", spool=tmp_path / "spool") as recorder:
            recorder.data("scan")
        assert server.asked == 2
    assert store.info()["records"]["data"] == 1
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize(
    ("status", "asked"),
    [("409 Conflict", 2), ("413 Too Large", 2), ("422 Wrong", 2), ("403 Forbidden", 2)],
)
def test_a_refused_batch_is_spooled_and_the_next_is_sent(
    store: Store, tmp_path: Path, status: str, asked: int
) -> None:
    with serving(store) as (server, url):
        server.statuses = [status]
        with hpc.remote(url, "good", spool=tmp_path / "spool") as recorder:
            recorder.data("first")
            recorder.flush()
            recorder.data("then")
        assert server.asked == asked
        assert [r["name"] for r in store.reader().records()["records"]] == ["then"]
    assert hpc.load_spool(store, tmp_path / "spool").records == 1
    assert store.info()["records"]["data"] == 2


def test_a_server_that_stays_away_is_left_alone_and_records_are_spooled(
    store: Store, tmp_path: Path
) -> None:
    with serving(store) as (server, url):
        server.statuses = ["503 Unavailable"] * 9
        with hpc.remote(url, "good", spool=tmp_path / "spool") as recorder:
            for n in range(3):
                recorder.data(f"scan-{n}")
                recorder.flush()
        assert server.asked == 2
    assert hpc.load_spool(store, tmp_path / "spool").records == 3


def test_a_wrong_token_is_not_said_again_and_nothing_is_lost(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        serving(store) as (_, url),
        hpc.remote(url, "very-secret", spool=tmp_path / "spool") as recorder,
    ):
        recorder.data("scan")
    assert "401" in caplog.text
    assert "very-secret" not in caplog.text
    assert hpc.load_spool(store, tmp_path / "spool").records == 1


def test_no_server_at_all(store: Store, tmp_path: Path) -> None:
    with hpc.remote("http://127.0.0.1:9", "good", spool=tmp_path / "spool") as recorder:
        recorder.data("scan")
    assert hpc.load_spool(store, tmp_path / "spool").records == 1


def test_a_token_goes_out_encrypted_only() -> None:
    for url in ("http://braid.example.org", "braid.example.org", "ftp://x"):
        with pytest.raises(ConfigurationError):
            hpc.remote(url, "good")
