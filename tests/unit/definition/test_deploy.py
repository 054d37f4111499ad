"""Deploying through globus-sdk, against the sandbox and against a service that refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import globus_sdk
import pytest
from globus_sdk.globus_app import GlobusAppConfig

from flows.definition import instrument, strip
from flows.definition.deploy import deploy, flows_client
from flows.sandbox import Sandbox
from flows.sandbox.runner import flows_client as sandbox_client
from provenance_store.errors import (
    BraidError,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    ServiceUnavailable,
)
from tests.unit.definition.builders import URL, action, flow

DEFINITION = flow(A=action())


def test_a_flow_is_created_and_updated() -> None:
    with Sandbox() as sandbox:
        client = sandbox_client(sandbox, sandbox.add_identity("author@example.org"))
        try:
            made = deploy(client, DEFINITION, title="Copy", input_schema={"type": "object"})
            woven = instrument(DEFINITION, provider_url=URL).definition
            changed = deploy(client, woven, flow_id=made["id"])
            assert changed["title"] == "Copy"
            assert changed["definition"] == woven
            assert changed["input_schema"] == {"type": "object"}
            assert strip(client.get_flow(made["id"])["definition"]) == DEFINITION
            with pytest.raises(NotFound):
                deploy(client, woven, flow_id="0a1b2c3d-0a1b-4c3d-8e9f-0a1b2c3d4e5f")
        finally:
            client.transport.session.close()


def test_record_states_tell_the_title_that_a_flow_is_deployed_with() -> None:
    with Sandbox() as sandbox:
        client = sandbox_client(sandbox, sandbox.add_identity("author@example.org"))
        try:
            woven = instrument(DEFINITION, provider_url=URL, flow_title="Draft").definition
            made = deploy(client, woven, title="Copy")
            titled = instrument(DEFINITION, provider_url=URL, flow_title="Copy").definition
            assert made["definition"] == titled
            assert woven["States"]["Braid A"]["Parameters"]["run"]["flow_title"] == "Draft"
            assert strip(made["definition"]) == DEFINITION
            assert deploy(client, DEFINITION, title="Copy")["definition"] == DEFINITION
        finally:
            client.transport.session.close()


def test_a_new_flow_needs_a_title() -> None:
    with pytest.raises(InvalidInput, match="title"):
        deploy(globus_sdk.FlowsClient(), DEFINITION)


@pytest.fixture
def refusing() -> Iterator[tuple[str, dict[str, Any]]]:
    """A service that gives one answer to everything."""
    answer: dict[str, Any] = {"status": 500, "body": {}}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            data = json.dumps(answer["body"]).encode()
            self.send_response(answer["status"])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on standard error."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", answer
        finally:
            server.shutdown()
            thread.join()


def flows_error(code: str, message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}, "debug_id": "d"}


DETAIL = [{"loc": ["definition", "States", "A"], "msg": "field required", "type": "x"}]


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (401, flows_error("AUTHENTICATION_ERROR", "Expired"), NotAllowed, "log in again"),
        (403, flows_error("FORBIDDEN", "Not yours."), NotAllowed, "does not allow this: Not yours"),
        (403, flows_error("MISSING_SCOPE", "Scope"), NotAllowed, "another consent; log in again"),
        (
            403,
            {
                "code": "ConsentRequired",
                "authorization_parameters": {"required_scopes": ["x"]},
                "message": "c",
            },
            NotAllowed,
            "another consent",
        ),
        (404, flows_error("NOT_FOUND", "No flow"), NotFound, "no such flow"),
        (409, flows_error("CONFLICT", "Busy"), Conflict, "Busy"),
        (
            422,
            flows_error("UNPROCESSABLE_ENTITY", "bad", detail=DETAIL),
            InvalidInput,
            "refused the flow: definition.States.A field required",
        ),
        (500, {}, ServiceUnavailable, r"failed \(500\)"),
    ],
)
def test_a_refusal_is_told_in_one_sentence(
    refusing: tuple[str, dict[str, Any]],
    status: int,
    body: dict[str, Any],
    kind: type[BraidError],
    said: str,
) -> None:
    url, answer = refusing
    answer.update(status=status, body=body)
    client = globus_sdk.FlowsClient(base_url=url)
    client.transport.max_retries = 0
    try:
        with pytest.raises(kind, match=said) as refusal:
            deploy(client, DEFINITION, title="T")
        assert "\n" not in refusal.value.message
    finally:
        client.transport.session.close()


def test_a_service_that_is_not_there_is_told_in_one_sentence() -> None:
    client = globus_sdk.FlowsClient(base_url="http://127.0.0.1:1/")
    client.transport.max_retries = 0
    with pytest.raises(ServiceUnavailable, match="cannot be reached: the connection was refused"):
        deploy(client, DEFINITION, title="T")
    client.transport.session.close()


def test_a_service_account_logs_in_and_deploys(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as sandbox:
        for name, value in sandbox.environ().items():
            monkeypatch.setenv(name, value)
        account = sandbox.add_client("service account")
        app = globus_sdk.ClientApp(
            "test",
            client_id=account.client_id,
            client_secret=account.client_secret,
            config=GlobusAppConfig(token_storage="memory"),
        )
        client = flows_client(app)
        try:
            assert deploy(client, DEFINITION, title="Copy")["definition"] == DEFINITION
        finally:
            client.transport.session.close()
