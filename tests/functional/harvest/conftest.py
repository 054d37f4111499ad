"""A sandbox that the command line is logged in to, and a proxy of its Flows service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.sandbox import Identity, Sandbox
from tests.functional.harvest.proxy import Proxy
from tests.support.command_line import Braid, caller


@pytest.fixture(scope="module")
def globus() -> Iterator[Sandbox]:
    with Sandbox(time_scale=0.001) as sandbox:
        yield sandbox


@pytest.fixture
def proxy(globus: Sandbox) -> Iterator[Proxy]:
    """In front of the Flows service; it counts, and refuses what it is told to."""
    with Proxy(f"{globus.url}/flows") as proxy:
        yield proxy


@pytest.fixture
def me(globus: Sandbox, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Identity:
    """Whom the command line is logged in as: a service account of the sandbox."""
    login = globus.add_client(f"command line {os.urandom(4).hex()}")
    environ = {
        **globus.environ(),
        "GLOBUS_SDK_SERVICE_URL_FLOWS": proxy.url,
        "BRAID_LOGIN_CLIENT_ID": login.client_id,
        "BRAID_LOGIN_CLIENT_SECRET": login.client_secret,
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    identity = globus.directory.identity(login.client_id)
    assert identity is not None
    return identity


@pytest.fixture
def braid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Braid:
    """Call ``braid("flow", "harvest", run_id)`` as a user would in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return caller(capsys)
