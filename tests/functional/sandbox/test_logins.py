"""The sandbox's page to log in: who is offered, and who gets tokens for a code."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from flows.sandbox import Client, Identity, Sandbox
from flows.sandbox.scopes import VIEW_MY_GROUPS

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
BACK = "http://127.0.0.1:9/back"


@pytest.fixture
def command_line(sandbox: Sandbox) -> Client:
    return sandbox.add_client("A command line", public=True)


def page(sandbox: Sandbox, client: Client, **query: str) -> requests.Response:
    asked = {
        "client_id": client.client_id,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": f"openid {VIEW_MY_GROUPS}",
        "state": "s",
        "access_type": "offline",
        "code_challenge": CHALLENGE.decode(),
        "code_challenge_method": "S256",
        **query,
    }
    url = f"{sandbox.url}/auth/v2/oauth2/authorize"
    return requests.get(url, params=asked, allow_redirects=False, timeout=30)


def code_of(answer: requests.Response) -> str:
    assert answer.status_code == 302
    found = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert found["state"] == ["s"]
    return found["code"][0]


def exchange(sandbox: Sandbox, client: Client, **form: str) -> requests.Response:
    data = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        **form,
    }
    return requests.post(f"{sandbox.url}/auth/v2/oauth2/token", data=data, timeout=30)


def error(answer: requests.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["error"]


def test_who_is_alone_in_a_sandbox_is_logged_in_at_once(
    sandbox: Sandbox, ada: Identity, command_line: Client
) -> None:
    answer = exchange(sandbox, command_line, code=code_of(page(sandbox, command_line))).json()
    tokens = [answer, *answer["other_tokens"]]
    assert {t["resource_server"] for t in tokens} == {"auth.globus.org", "groups.api.globus.org"}
    assert all(t["refresh_token"] for t in tokens)
    assert sandbox.tokens.find(answer["access_token"]).identity_id == ada.id  # type: ignore[union-attr]


def test_of_several_people_one_is_picked(
    sandbox: Sandbox, ada: Identity, bob: Identity, command_line: Client
) -> None:
    shown = page(sandbox, command_line)
    assert shown.status_code == 200
    assert "A command line" in shown.text
    assert all(f">{one.username}</a>" in shown.text for one in (ada, bob))
    assert "clients.auth.globus.org" not in shown.text
    for query in ({"identity": bob.id}, {"session_required_identities": bob.id}):
        code = code_of(page(sandbox, command_line, **query))
        token = exchange(sandbox, command_line, code=code).json()["access_token"]
        assert sandbox.tokens.find(token).identity_id == bob.id  # type: ignore[union-attr]


def test_nobody_to_log_in_is_said(sandbox: Sandbox, command_line: Client) -> None:
    assert error(page(sandbox, command_line)) == (403, "access_denied")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"client_id": "unknown"}, "unauthorized_client"),
        ({"redirect_uri": "https://example.org/"}, "invalid_request"),
        ({"redirect_uri": "http://example.org/"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
def test_a_login_that_is_asked_for_wrongly_is_refused(
    sandbox: Sandbox, ada: Identity, command_line: Client, query: dict[str, str], code: str
) -> None:
    assert error(page(sandbox, command_line, **query)) == (400, code)


def test_an_unregistered_scope_of_a_client_is_unknown(
    sandbox: Sandbox, ada: Identity, command_line: Client
) -> None:
    owner = sandbox.add_client("A provider")
    scope = f"https://auth.globus.org/scopes/{owner.client_id}/nothing"
    assert error(page(sandbox, command_line, scope=scope)) == (400, "unknown_scope")


@pytest.mark.parametrize(
    "form",
    [{"code_verifier": "w" * 43}, {"redirect_uri": "http://127.0.0.1:9/other"}, {"code": "x"}],
)
def test_a_code_is_for_who_asked_for_it_only(
    sandbox: Sandbox, ada: Identity, command_line: Client, form: dict[str, str]
) -> None:
    code = code_of(page(sandbox, command_line))
    assert error(exchange(sandbox, command_line, **{"code": code, **form})) == (
        401,
        "invalid_grant",
    )


def test_a_code_works_once_and_for_its_client(
    sandbox: Sandbox, ada: Identity, command_line: Client
) -> None:
    code = code_of(page(sandbox, command_line))
    assert exchange(sandbox, command_line, code=code).status_code == 200
    assert error(exchange(sandbox, command_line, code=code)) == (401, "invalid_grant")
    other = sandbox.add_client("Another", public=True)
    code = code_of(page(sandbox, command_line))
    assert error(exchange(sandbox, other, code=code)) == (401, "invalid_grant")


def test_a_public_client_cannot_act_for_itself_or_look_into_tokens(
    sandbox: Sandbox, command_line: Client
) -> None:
    form = {"grant_type": "client_credentials", "scope": VIEW_MY_GROUPS}
    assert error(exchange(sandbox, command_line, **form)) == (400, "unauthorized_client")
    answer = requests.post(
        f"{sandbox.url}/auth/v2/oauth2/token/introspect",
        data={"client_id": command_line.client_id, "token": "t"},
        timeout=30,
    )
    assert error(answer) == (401, "invalid_client")
