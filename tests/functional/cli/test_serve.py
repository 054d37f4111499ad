"""`braid serve` and `braid sandbox` as processes, and the reading commands asking the server.

This is what the container runs: the entry point, settings from the environment, migrations at the
start, the health check, an orderly end.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import globus_sdk
import pytest
import requests
from globus_sdk import AccessTokenAuthorizer, BaseClient

from flows.sandbox import Sandbox
from provenance_store import open_store
from tests.support.command_line import Braid
from tests.support.processes import Serving, serving
from tests.unit.definition.builders import action, flow


@pytest.fixture(scope="module")
def server(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("server")
    with serving("serve", "--port", "0", environ=environ, folder=folder) as started:
        yield started


def answer_of(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def record(server: Serving, environ: dict[str, str], sandbox: Sandbox) -> dict[str, Any]:
    """Record a step as the service account that the command line logs in as."""
    login = sandbox.directory.identity(environ["BRAID_LOGIN_CLIENT_ID"])
    assert login is not None
    token = sandbox.token_for(login, environ["BRAID_SCOPE"])
    client = BaseClient(base_url=server.url, authorizer=AccessTokenAuthorizer(token))
    body = {
        "run": {"run_id": "run-1", "flow_title": "Peaks"},
        "step": {"name": "Train", "status": "SUCCEEDED"},
        "inputs": [{"name": "scan-17", "uri": "globus://c/scan-17.h5"}],
        "models": [{"name": "braggnn", "how": "trained", "scores": {"accuracy": 0.9}}],
    }
    answer = client.post("/record/run", data={"request_id": "once", "body": body})
    return dict(answer["details"])


def test_the_health_check_of_the_container_answers(server: Serving) -> None:
    assert answer_of(f"{server.url}/healthz") == {"status": "ok"}
    assert answer_of(f"{server.url}/readyz") == {"status": "ok"}


def test_a_body_in_chunks_is_refused_where_the_limit_is_reached(
    server: Serving, environ: dict[str, str], sandbox: Sandbox
) -> None:
    login = sandbox.directory.identity(environ["BRAID_LOGIN_CLIENT_ID"])
    assert login is not None
    headers = {"Authorization": f"Bearer {sandbox.token_for(login, environ['BRAID_SCOPE'])}"}
    parts = iter([b'{"request_id": "', *[b"x" * 65_536] * 64, b'"}'])
    answer = requests.post(f"{server.url}/record/run", data=parts, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (413, "RequestEntityTooLarge")
    small = requests.post(
        f"{server.url}/record/run",
        data=iter([b'{"request_', b'id": 1}']),
        headers=headers,
        timeout=30,
    )
    assert small.status_code == 422


def test_the_reading_commands_ask_a_server(
    braid: Braid,
    server: Serving,
    environ: dict[str, str],
    sandbox: Sandbox,
    logged_in: None,
) -> None:
    receipt = record(server, environ, sandbox)

    def ask(*args: object) -> Any:
        answer = braid(*args, "--server", server.url, "--format", "json")
        assert answer.code == 0, answer.err
        return json.loads(answer.out)

    model = receipt["models"][0]["id"]
    folded = ask("lineage", model, "--both", "--kind", "model", "--kind", "data", "--fold")
    assert {node["name"] for node in folded["nodes"]} == {"braggnn", "scan-17"}
    walked = ask("lineage", model, "--role", "generated_by", "--role", "used")
    assert [node["name"] for node in walked["nodes"]] == ["braggnn", "Train", "scan-17"]
    assert [step["name"] for step in ask("models", model)["made_by"]] == ["Train"]
    assert [run["run_id"] for run in ask("runs", "--since", "1d")["runs"]] == ["run-1"]
    assert ask("runs", "--status", "FAILED")["runs"] == []
    (step,) = ask("run", "show", "run-1")["steps"]
    assert step["id"] == receipt["step"]
    assert ask("run", "show", "run-")["steps"] == [step]
    (scan,) = ask("records", "--kind", "data", "--uri", "globus://c/*")["records"]
    assert scan["id"] == receipt["inputs"][0]
    (model,) = ask("models")["models"]
    assert model["name"] == "braggnn"
    assert ask("models", "braggnn")["versions"][0]["id"] == receipt["models"][0]["id"]
    nodes = ask("lineage", receipt["step"], "--up", "--depth", 3)["nodes"]
    assert receipt["inputs"][0] in {node["id"] for node in nodes}


def test_a_statement_is_asked_from_a_server_and_verified_against_it(
    braid: Braid,
    server: Serving,
    environ: dict[str, str],
    sandbox: Sandbox,
    logged_in: None,
    tmp_path: Path,
) -> None:
    receipt = record(server, environ, sandbox)
    at = ("--server", server.url)
    text = braid("statement", receipt["models"][0]["id"], *at)
    assert (text.code, text.err) == (0, "")
    assert text.out.startswith("Statement on braggnn")
    file = tmp_path / "statement.json"
    made = braid("statement", receipt["models"][0]["id"], "--format", "json", "-o", file, *at)
    assert (made.code, made.out, made.err) == (0, "", f"Wrote {file}.\n")
    told = braid("statement", "verify", file, *at)
    assert (told.code, told.err) == (0, "")
    assert "say the same today" in told.out
    checked = braid("verify", receipt["inputs"][0], *at)
    assert (checked.code, checked.err[:19]) == (1, "Nothing was checked")


def test_a_server_says_no_in_one_line(braid: Braid, server: Serving, logged_in: None) -> None:
    no_run = (("run", "show", "nope"), ("records", "--run", "nope"), ("verify", "--run", "nope"))
    for args in (*no_run, ("lineage", "9.9"), ("models", "nobody")):
        answer = braid(*args, "--server", server.url)
        assert (answer.code, answer.out) == (1, ""), args
        assert answer.err.startswith("braid: There is no"), args
        assert answer.err.count("\n") == 1, args
    assert braid("lineage", "nonsense", "--server", server.url).code == 1
    assert braid("lineage", "urn:braid:nonsense", "--server", server.url).code == 2


def test_without_a_login_the_command_says_what_to_set(braid: Braid, server: Serving) -> None:
    answer = braid("runs", "--server", server.url)
    assert answer.code == 2
    assert "BRAID_LOGIN_CLIENT_ID" in answer.err


def test_a_person_is_asked_to_log_in_on_standard_error(
    braid: Braid,
    server: Serving,
    environ: dict[str, str],
    logged_in: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BRAID_LOGIN_CLIENT_SECRET")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    answer = braid("runs", "--server", server.url, "--format", "json")
    assert (answer.code, answer.out) == (1, "")
    assert "/v2/oauth2/authorize?" in answer.err
    assert "A login is needed" in answer.err.splitlines()[-1]


def test_a_server_that_is_not_there(braid: Braid) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    answer = braid("runs", "--server", f"http://127.0.0.1:{port}")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.count("\n") == 1
    assert "http://127.0.0.1:" in answer.err
    assert "cannot be reached" in answer.err


def test_a_port_in_use_is_said_in_one_line(
    braid: Braid, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = braid("serve", "--port", taken.getsockname()[1])
    assert answer.code == 1
    assert answer.err.count("\n") == 1
    assert "in use" in answer.err


def test_serving_ends_orderly_and_keeps_what_it_answered(
    environ: dict[str, str], sandbox: Sandbox, tmp_path: Path, braid: Braid
) -> None:
    store = f"sqlite:///{tmp_path / 'data.db'}"
    settings = {**environ, "BRAID_STORE_URL": store}
    with serving("serve", "--port", "0", environ=settings, folder=tmp_path) as server:
        receipt = record(server, environ, sandbox)
        assert server.stop(signal.SIGTERM) == 0
    assert braid("lineage", receipt["step"], "--store", store).code == 0
    with serving("serve", "--port", "0", environ=settings, folder=tmp_path) as server:
        assert answer_of(f"{server.url}/readyz") == {"status": "ok"}


def test_a_server_is_started_again_beside_newer_ones_that_upgraded_the_store(
    environ: dict[str, str], tmp_path: Path, braid: Braid
) -> None:
    file = tmp_path / "data.db"
    open_store(f"sqlite:///{file}").close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9998'")
    assert "9998, and this Braid" in braid("store", "upgrade", "--dry-run", "--store", file).err
    with serving(
        "serve", "--store", str(file), "--port", "0", environ=environ, folder=tmp_path
    ) as server:
        assert answer_of(f"{server.url}/readyz") == {"status": "ok"}


def test_no_upgrade_needs_a_store_that_is_there(
    braid: Braid, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    answer = braid("serve", "--no-upgrade", "--port", 0)
    assert answer.code == 1
    assert "There is no store" in answer.err


def test_the_sandbox_calls_functions_and_gives_answers(
    braid: Braid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fit.py").write_text(
        "def fit(n):\n    return n + 1\n\ndef other():\n    return 0\n"
    )
    (tmp_path / "answer.json").write_text('{"submission_id": 17}')
    url, function = "https://ingest.example.org/", "9e8f7a6b-0000-4000-8000-000000000001"
    task = {"endpoint": "e", "function": function, "kwargs": {"n": 4}}
    definition = flow(
        Fit=action(ActionUrl="https://compute.actions.globus.org", Parameters=task, Next="Send"),
        Send=action(ActionUrl=url, Parameters={}, ResultPath="$.Sent"),
    )
    (tmp_path / "flow.json").write_text(json.dumps(definition))
    options = ("--function", function, "fit.py:fit", "--answer", url, "answer.json")
    with serving("sandbox", "--port", "0", *options, environ={}, folder=tmp_path) as started:
        assert started.process.stdout is not None
        for line in iter(started.process.stdout.readline, ""):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            monkeypatch.setenv(name, value.strip("'"))
            if name == "BRAID_LOGIN_CLIENT_SECRET":
                break
        made = braid("flow", "deploy", "flow.json", "--title", "Fit")
        assert made.code == 0, made.err
        app = globus_sdk.ClientApp(
            "test",
            client_id=os.environ["BRAID_LOGIN_CLIENT_ID"],
            client_secret=os.environ["BRAID_LOGIN_CLIENT_SECRET"],
            config=globus_sdk.GlobusAppConfig(token_storage="memory"),
        )
        flow_id = made.out.strip()
        run = globus_sdk.SpecificFlowClient(flow_id, app=app).run_flow({"input": {}})
        reader = globus_sdk.FlowsClient(app=app)
        while (ended := reader.get_run(run["run_id"]))["status"] == "ACTIVE":
            time.sleep(0.05)
        output = ended["details"]["output"]
        assert output["Done"]["details"]["result"] == [5]
        assert output["Sent"]["details"] == {"submission_id": 17}


def test_the_sandbox_says_how_to_reach_it_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    with serving("sandbox", "--port", "0", environ={}, folder=tmp_path) as started:
        assert started.process.stdout is not None
        assert started.stop(signal.SIGINT) == 0
        lines = started.process.stdout.read().splitlines()
    exported = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
    for service in ("auth", "groups", "transfer", "flows"):
        address = f"{started.url}/{service}/"
        assert exported[f"GLOBUS_SDK_SERVICE_URL_{service.upper()}"] == address
    assert exported["BRAID_SCOPE"].endswith("/action_all")
