"""Where a proxy is set for the whole site, what is on this machine is reached without it."""

from __future__ import annotations

import os
import urllib.request

import pytest
import requests

from flows.sandbox import Sandbox, environment
from flows.sandbox.environment import direct, inherited, without_proxy
from flows.sandbox.runner import run_definition

NOBODY = "http://127.0.0.1:9"
NAMES = ("NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, NOBODY)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    # Sandboxes of other tests may be open in this process; here it is as if there were none.
    monkeypatch.setattr(environment, "_holders", 0)
    monkeypatch.setattr(environment, "_before", {})


def exempted() -> list[str | None]:
    return [os.environ.get(name) for name in NAMES]


def test_a_flow_runs_in_the_sandbox_behind_a_proxy() -> None:
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
    with Sandbox() as sandbox:
        assert run_definition(definition, {}, sandbox).status == "SUCCEEDED"
        assert sandbox.environ().items() >= dict.fromkeys(NAMES, "127.0.0.1,localhost").items()
    assert exempted() == [None, None]


def test_without_it_the_proxy_would_be_asked() -> None:
    with Sandbox() as sandbox:
        url = f"{sandbox.url}/flows/flows"
        for name in NAMES:
            del os.environ[name]
        with requests.Session() as session, pytest.raises(requests.exceptions.ProxyError):
            session.get(url, timeout=10)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_exempt_already_stays_so(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, ".example.org, 10.0.0.1")
    assert set(without_proxy().values()) == {".example.org,10.0.0.1,127.0.0.1,localhost"}
    monkeypatch.setenv(name, "*")
    with direct():
        assert urllib.request.proxy_bypass("example.org")
        assert urllib.request.proxy_bypass("127.0.0.1")


def test_the_last_to_leave_puts_things_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org")
    first, second = direct(), direct()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert exempted() == ["example.org,127.0.0.1,localhost"] * 2
    second.__exit__(None, None, None)
    assert exempted() == ["example.org", None]


def test_a_child_process_is_given_what_this_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAID_CLIENT_SECRET", "s")
    assert inherited() == dict(os.environ)
    assert not any(name.startswith("BRAID_") for name in inherited(leaving_out="BRAID_"))
