"""Recording from a shell through a server, and what becomes of it when the server is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from action_provider.app import EXTENSION, create_app
from flows.sandbox import Sandbox
from flows.sandbox.webserver import WebServer
from provenance_store import Store, open_store
from tests.support.command_line import Braid


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


@pytest.fixture(scope="module")
def environ(sandbox: Sandbox) -> dict[str, str]:
    provider, login = sandbox.add_client("provider"), sandbox.add_client("command line")
    return {
        **sandbox.environ(),
        "BRAID_CLIENT_ID": provider.client_id,
        "BRAID_CLIENT_SECRET": provider.client_secret,
        "BRAID_SCOPE": sandbox.add_scope(provider, "action_all"),
        "BRAID_RECORDING": "threads",
        "BRAID_LOGIN_CLIENT_ID": login.client_id,
        "BRAID_LOGIN_CLIENT_SECRET": login.client_secret,
    }


@pytest.fixture
def server(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of a server with an empty store, with the settings of who is logged in."""
    for name, value in environ.items():
        if not name.startswith("BRAID_") or name.startswith("BRAID_LOGIN_"):
            monkeypatch.setenv(name, value)
    app = create_app(f"sqlite:///{tmp_path / 'server.db'}", environ=environ)
    served = WebServer(app)
    try:
        yield served.url
    finally:
        served.stop()
        app.extensions[EXTENSION].close()


@pytest.fixture
def store(server: str, tmp_path: Path) -> Iterator[Store]:
    """What the server writes into, to look at."""
    with open_store(f"sqlite:///{tmp_path / 'server.db'}") as opened:
        yield opened


def made(braid: Braid, server: str, *args: object) -> str:
    answer = braid("record", *args, "--server", server)
    assert (answer.code, answer.err) == (0, "")
    return answer.out.strip()


def test_what_is_recorded_through_a_server_is_there(
    braid: Braid, server: str, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "scan.h5").write_text("photons")
    setup = made(braid, server, "fact", "setup")
    scan = made(braid, server, "data", "scan", "--file", "scan.h5", "--depends-on", setup)
    made(braid, server, "model", "net", "--trained-on", scan)
    made(braid, server, "model", "net", "--update", "--trained-on", scan)
    step = made(braid, server, "step", "Fit", "--input", scan, "--run", "r1", "--output", "fit")
    made(braid, server, "data", "log", "--made-by", step)
    reader = store.reader()
    assert [v["version"] for v in reader.model("net")["versions"]] == [0, 1]
    assert [each["name"] for each in reader.run("r1")["steps"]] == ["Fit"]
    down = reader.lineage(setup, direction="down")["nodes"]
    assert {node["name"] for node in down} == {"setup", "scan", "net", "Fit", "fit", "log"}
    assert store.check() == []
    assert not Path("braid-spool").exists()
    assert not Path("braid.db").exists()


def test_json_is_the_document_of_the_server(braid: Braid, server: str, store: Store) -> None:
    answer = braid("record", "data", "scan", "--tag", "a=1", "--server", server, "--format", "json")
    document = json.loads(answer.out)
    assert document == store.reader().record(document["id"])


def test_live_data_is_promoted_through_a_server(braid: Braid, server: str, store: Store) -> None:
    scan = made(braid, server, "data", "scan", "--live")
    assert store.reader().record(scan)["live"]
    assert made(braid, server, "promote", scan, "--note", "beam off") == scan
    assert not store.reader().record(scan)["live"]
    again = braid("record", "promote", scan, "--server", server)
    assert (again.code, again.out) == (1, "")
    assert "static already" in again.err


def test_a_command_is_recorded_through_a_server(braid: Braid, server: str, store: Store) -> None:
    at = ("--server", server)
    assert braid("exec", "--output", "a", *at, "--", "sh", "-c", "echo 1 > a").code == 0
    ran = braid("exec", "--input", "a", "--run", "r1", *at, "--", "sh", "-c", "exit 3")
    assert (ran.code, ran.err) == (3, "")
    (run,) = store.reader().runs()["runs"]
    (step,) = store.reader().run("r1")["steps"]
    assert run["start_time"] == step["start_time"]
    assert len(store.reader().records(name="a")["records"]) == 1
    up = store.reader().lineage(step["id"])["nodes"]
    assert [node["name"] for node in up if node["kind"] == "step"] == ["sh", "sh"]


def kept(answer: Any, server: str, why: str) -> bool:
    line: str = answer.err
    assert line.count("\n") == 1, line
    assert line.startswith(f"braid: {server} has not taken it ({why}"), line
    return "it is kept in braid-spool, and `braid spool load braid-spool`" in line


@pytest.mark.parametrize("scope", [True, False])
def test_what_a_server_that_is_away_has_not_taken_is_in_the_spool(
    braid: Braid,
    server: str,
    store: Store,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    scope: bool,
) -> None:
    away = "http://127.0.0.1:9"
    if scope:
        monkeypatch.setenv("BRAID_SERVER_SCOPE", environ["BRAID_SCOPE"])
    why = "it cannot be reached" if scope else f"{away} cannot be reached"
    data = braid("record", "data", "scan", "--server", away)
    assert data.code == 0
    assert kept(data, away, why)
    ran = braid("exec", "--name", "fit", "--server", away, "--", "sh", "-c", "exit 3")
    assert ran.code == 3
    assert kept(ran, away, why)
    assert braid("spool", "load", "braid-spool", "--store", store_url(store)).code == 0
    assert store.reader().record(data.out.strip())["name"] == "scan"
    assert len(store.reader().records()["records"]) == 2


def store_url(store: Store) -> str:
    return str(store.sink.session.engine.url)


def test_what_a_server_refuses_is_said_with_its_reason_and_is_in_the_spool(
    braid: Braid, server: str, store: Store
) -> None:
    fact = made(braid, server, "fact", "setup")
    refused = braid("record", "data", "log", "--made-by", fact, "--server", server)
    assert refused.code == 2
    assert kept(refused, server, "422: ")
    assert [r["name"] for r in store.reader().records()["records"]] == ["setup"]


def test_calls_that_are_wrong_record_nothing(
    braid: Braid, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert braid("record", "fact", "a", "--server", server, "--spool", "sp").code == 2
    assert braid("record", "fact", "a", "--server", server, "--store", "b.db").code == 2
    assert braid("record", "fact", "a", "--server", "http://braid.example.org").code == 2
    assert braid("record", "model", "net", "--update", "--server", server).code == 1
    assert braid("record", "data", "a", "--depends-on", "1.1", "--server", server).code == 2
    monkeypatch.delenv("BRAID_LOGIN_CLIENT_ID")
    unset = braid("record", "fact", "a", "--server", server)
    assert unset.code == 2
    assert "BRAID_LOGIN_CLIENT_ID" in unset.err
    assert not [path for path in ("sp", "b.db", "braid-spool") if Path(path).exists()]
