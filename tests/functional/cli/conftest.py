"""Command lines run in this process, in an empty folder, and a server for them to call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.sandbox import Sandbox
from provenance_store import Store, open_store
from tests.functional.cli.servers import served
from tests.support.command_line import Braid, caller


@pytest.fixture
def braid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Braid:
    """Call ``braid("runs", "--limit", 3)`` as a user would in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return caller(capsys)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The Globus services that servers and command lines here know."""
    with Sandbox() as started:
        yield started


@pytest.fixture(scope="session")
def environ(sandbox: Sandbox) -> dict[str, str]:
    """The settings of a server, and of a command line that logs in as a service account."""
    provider, login = sandbox.add_client("provider"), sandbox.add_client("command line")
    return {
        **sandbox.environ(),
        "BRAID_CLIENT_ID": provider.client_id,
        "BRAID_CLIENT_SECRET": provider.client_secret,
        "BRAID_SCOPE": sandbox.add_scope(provider, "action_all"),
        "BRAID_LOGIN_CLIENT_ID": login.client_id,
        "BRAID_LOGIN_CLIENT_SECRET": login.client_secret,
    }


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """The command line has its settings; those of the server it does not have."""
    for name, value in environ.items():
        if not name.startswith("BRAID_") or name.startswith("BRAID_LOGIN_"):
            monkeypatch.setenv(name, value)


@pytest.fixture
def server(environ: dict[str, str], tmp_path: Path, logged_in: None) -> Iterator[str]:
    """The address of a server in this process with an empty store."""
    with served(environ, tmp_path / "server.db") as url:
        yield url


@pytest.fixture
def its_store(server: str, tmp_path: Path) -> Iterator[Store]:
    """What the server writes into, to look at."""
    with open_store(f"sqlite:///{tmp_path / 'server.db'}") as opened:
        yield opened
