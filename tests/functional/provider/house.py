"""A provider on loopback with people who have tokens: what the tests of this folder call."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from flask import Flask

from action_provider.app import EXTENSION, Braid, create_app
from flows.sandbox import Client, Group, Identity, Sandbox
from flows.sandbox.webserver import WebServer
from provenance_store import Store

TIMEOUT = 180


def with_a_near_deadline(
    ask: Callable[[str], requests.Response],
) -> tuple[str, requests.Response]:
    """Ask with a deadline that is near; where the machine was so slow that it had passed before
    the answer, again with a later one."""
    for seconds in (1, 4, 16, 64):
        soon = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        if (answer := ask(soon)).status_code == 202:
            break
    return soon, answer


@dataclass(frozen=True)
class Person:
    """Somebody with a token for the provider's scope."""

    identity: Identity
    token: str

    @property
    def urn(self) -> str:
        return self.identity.urn


class Town:
    """A sandbox with the provider's client and its scope."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.client: Client = sandbox.add_client("braid")
        self.scope = sandbox.add_scope(self.client, "action_all")

    def environ(self, **more: str) -> dict[str, str]:
        """The provider's settings; it does all in its threads unless told otherwise, and turns
        nobody away because the machine is slow."""
        return {
            "BRAID_WAIT_SECONDS": "300",
            "BRAID_RECORDING": "threads",
            "BRAID_LANES": "threads",
            **self.sandbox.environ(),
            "BRAID_CLIENT_ID": self.client.client_id,
            "BRAID_CLIENT_SECRET": self.client.client_secret,
            "BRAID_SCOPE": self.scope,
            **more,
        }

    def person(self, name: str, *, linked: tuple[Identity, ...] = ()) -> Person:
        """A person with a fresh token."""
        identity = self.sandbox.add_identity(f"{name}@example.org", linked=linked)
        return Person(identity, self.sandbox.token_for(identity, self.scope))

    def group(self, name: str, *members: Person) -> Group:
        """A Globus group."""
        return self.sandbox.add_group(name, [member.identity for member in members])


class House:
    """A served provider; requests go over real HTTP."""

    def __init__(self, app: Flask, url: str, session: requests.Session) -> None:
        self.app = app
        self.url = url
        self._session = session

    @property
    def store(self) -> Store:
        """The provider's own store."""
        braid: Braid = self.app.extensions[EXTENSION]
        return braid.stores.get().store

    def call(
        self, method: str, path: str, who: Person | None = None, **options: Any
    ) -> requests.Response:
        """Any request, as somebody or as nobody."""
        headers = dict(options.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {who.token}"
        url = self.url + path
        return self._session.request(method, url, headers=headers, timeout=TIMEOUT, **options)

    def get(self, path: str, who: Person | None = None, **options: Any) -> requests.Response:
        return self.call("GET", path, who, **options)

    def post(self, path: str, who: Person | None = None, **options: Any) -> requests.Response:
        return self.call("POST", path, who, **options)

    def run(self, who: Person, request_id: str, **options: Any) -> requests.Response:
        """Record a step; `body` and further fields of the request may be given."""
        body = options.pop("body", None) or a_body()
        return self.post(
            "/record/run", who, json={"request_id": request_id, "body": body, **options}
        )

    def counts(self) -> dict[str, int]:
        """Rows by table, origins and environments aside."""
        tables: dict[str, int] = dict(self.store.info()["tables"])
        return {name: n for name, n in tables.items() if name not in ("origin", "environment")}


def at_once(*calls: Callable[[], requests.Response]) -> list[requests.Response]:
    """What is answered to calls that are made at the same moment, in the order of the calls."""
    start = threading.Barrier(len(calls))

    def answer(call: Callable[[], requests.Response]) -> requests.Response:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(answer, calls))


def a_body(step: str = "Train", run_id: str = "run-1", **more: Any) -> dict[str, Any]:
    """A step with two inputs, an output and a model."""
    return {
        "run": {"run_id": run_id, "flow_id": "flow-1", "label": "Ni, 300 K"},
        "step": {"name": step, "status": "SUCCEEDED"},
        "parameters": {"epochs": 3},
        "inputs": [{"name": "scan.h5", "uris": ["globus://c/scan.h5"]}, {"name": "peaks.csv"}],
        "outputs": [{"name": "report.txt", "uris": ["globus://c/report.txt"]}],
        "models": [{"name": f"braggnn of {run_id}", "how": "trained", "scores": {"mae": 0.1}}],
        "tags": {"sample": "Ni"},
        **more,
    }


@contextlib.contextmanager
def serving(store_url: str, environ: dict[str, str]) -> Iterator[House]:
    """The provider under a production WSGI server, on a free loopback port."""
    app = create_app(store_url, environ=environ)
    server = WebServer(app, port=0, threads=12)
    try:
        with requests.Session() as session:
            yield House(app, server.url, session)
    finally:
        server.stop()
        app.extensions[EXTENSION].close()
