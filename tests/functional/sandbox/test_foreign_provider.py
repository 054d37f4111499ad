"""What an action provider that is not the sandbox's own sees of a run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import globus_sdk
import pytest

from flows.sandbox import Identity, Sandbox
from tests.functional.sandbox.support import Run


class Recorder(ThreadingHTTPServer):
    """A provider that answers from a list, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.answers: list[tuple[int, Any]] = []
        self.scope = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/record"


class Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_GET(self) -> None:
        if self.path.endswith("/record/"):
            self._answer(200, {"globus_auth_scope": self.server.scope})
        else:
            self._next(None)

    def do_POST(self) -> None:
        self._next(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _next(self, body: Any) -> None:
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        self._answer(*self.server.answers.pop(0))

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error."""


@pytest.fixture
def provider() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def status(state: str, **details: Any) -> dict[str, Any]:
    """An action status."""
    return {"action_id": "a-1", "status": state, "details": details, "creator_id": "urn:x"}


def test_a_provider_gets_one_request_with_a_token_of_the_flow_for_the_user(
    sandbox: Sandbox, run: Run, provider: Recorder, ada: Identity, closing: list[Any]
) -> None:
    client = sandbox.add_client("Recorder")
    provider.scope = sandbox.add_scope(client, "record")
    provider.answers = [(200, status("SUCCEEDED", ok=True))]
    state = {
        "Type": "Action",
        "ActionUrl": f"{provider.url}/",
        "Parameters": {"step": {"name": "S"}, "run_id.$": "$._context.run_id"},
        "ResultPath": "$.receipt",
        "End": True,
    }
    outcome = run({"S": state}, user=ada, run_monitors=[ada.urn])
    assert outcome.output["receipt"]["details"] == {"ok": True}
    [(method, path, headers, body)] = provider.asked
    assert (method, path) == ("POST", "/record/run")
    assert body["body"] == {"step": {"name": "S"}, "run_id": outcome.run["run_id"]}
    assert (body["monitor_by"], body["manage_by"]) == ([ada.urn], [])
    assert set(body) == {"request_id", "body", "monitor_by", "manage_by"}
    auth = globus_sdk.ConfidentialAppAuthClient(client.client_id, client.client_secret)
    closing.append(auth)
    found = auth.oauth2_token_introspect(headers["Authorization"].removeprefix("Bearer "))
    assert (found["sub"], found["client_id"]) == (ada.id, outcome.run["flow_id"])
    assert found["scope"] == provider.scope


def test_an_asynchronous_provider_is_polled_to_the_end_through_hiccups(
    run: Run, provider: Recorder
) -> None:
    provider.answers = [
        (502, {}),
        (202, status("ACTIVE")),
        (500, {}),
        (200, status("ACTIVE")),
        (200, status("SUCCEEDED", polled=True)),
    ]
    state = {"Type": "Action", "ActionUrl": provider.url, "ActionScope": "x", "Parameters": {}}
    outcome = run({"S": {**state, "End": True}})
    assert outcome.output["details"] == {"polled": True}
    asked = [(method, path) for method, path, _, _ in provider.asked]
    run_, poll = ("POST", "/record/run"), ("GET", "/record/a-1/status")
    assert asked == [run_, run_, poll, poll, poll]
    assert provider.asked[0][3]["request_id"] == provider.asked[1][3]["request_id"]


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"nonsense": True}),
        (200, [1]),
        (200, status("DONE")),
        (302, {}),
        (401, {"code": "Unauthorized", "description": "no"}),
    ],
)
def test_an_answer_that_is_no_status_is_unable_to_run(
    run: Run, provider: Recorder, answer: tuple[int, Any]
) -> None:
    provider.answers = [answer]
    state = {"Type": "Action", "ActionUrl": provider.url, "ActionScope": "x", "Parameters": {}}
    outcome = run({"S": {**state, "End": True}})
    known = outcome.run["details"]["details"]
    assert known == {"error": "ActionUnableToRun", "cause": answer[1]}
