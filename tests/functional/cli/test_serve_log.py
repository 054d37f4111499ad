"""The log of `braid serve`: what stands in a line, in each of its processes."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from action_provider.logs import SANE
from flows.sandbox import Sandbox
from provenance_store.transfer.backup import back_up, restore
from tests.functional.provider.harvests import wait_until
from tests.functional.provider.house import a_body
from tests.support.processes import Serving, serving

MINE = "5f0c1a2e-7a2b-4f57-9c3e-0a4f6f6f2f11"


def headers(environ: dict[str, str], sandbox: Sandbox, **more: str) -> dict[str, str]:
    login = sandbox.directory.identity(environ["BRAID_LOGIN_CLIENT_ID"])
    assert login is not None
    return {"Authorization": f"Bearer {sandbox.token_for(login, environ['BRAID_SCOPE'])}", **more}


def events(server: Serving) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.lines]


def test_each_line_is_json_and_names_the_request_whichever_process_wrote_it(
    environ: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    store = tmp_path / "s.db"
    settings = {**environ, "BRAID_LOG_FORMAT": "json", "BRAID_ACCESS_LOG": "on"}
    command = ("serve", "--store", str(store), "--port", "0")
    named = headers(environ, sandbox, **{"X-Request-Id": MINE})
    with serving(*command, environ=settings, folder=tmp_path) as server, requests.Session() as http:

        def run(name: str, **options: Any) -> requests.Response:
            body = {"request_id": name, "body": a_body()}
            return http.post(f"{server.url}/record/run", json=body, timeout=60, **options)

        answer = run("once", headers=named)
        assert (answer.status_code, answer.headers["X-Request-Id"]) == (202, MINE)
        asked = http.get(f"{server.url}/api/v1/runs?label=x", headers=named, timeout=60)
        assert asked.headers["X-Request-Id"] == MINE
        refused = run("nobody", headers={"X-Request-Id": "not sane" + "x" * 99})
        made = refused.headers["X-Request-Id"]
        assert (refused.status_code, bool(SANE.fullmatch(made))) == (401, True)
        back_up(f"sqlite:///{store}", tmp_path / "backup.db")
        restore(f"sqlite:///{store}", tmp_path / "backup.db", force=True)
        for head in ("no header", "A: " + "x" * 200_000):
            with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0)) as line:
                line.sendall(f"GET /api/v1/runs HTTP/1.1\r\n{head}\r\n\r\n".encode())
                assert line.recv(99).startswith(b"HTTP/1.1 4")
        away = run("away", headers=named)
        assert away.status_code == 503
        assert away.json()["description"].endswith(f". (Request {MINE})")
        wait_until(lambda: run("back", headers=named).status_code == 202, "recording")
        assert server.stop() == 0
    lines = events(server)
    assert lines[0]["message"].startswith(f"serving {server.url} from ")
    assert all({"time", "level", "logger", "process"} <= line.keys() for line in lines)
    access = [line for line in lines if line["logger"] == "braid.access"]
    shown = [(line["request_id"], line["method"], line["path"]) for line in access[:3]]
    assert shown == [
        (MINE, "POST", "/record/run"),
        (MINE, "GET", "/api/v1/runs"),
        (made, "POST", "/record/run"),
    ]
    refused_early = [line for line in access if line["seconds"] is None]
    assert {line["status"] for line in refused_early} == {400, 431}
    access = [line for line in access if line not in refused_early]
    assert [line["status"] for line in access[:4]] == [202, 200, 401, 503]
    assert access[0]["caller"].endswith(environ["BRAID_LOGIN_CLIENT_ID"])
    assert access[2]["caller"] is None
    assert all(line["seconds"] > 0 and line["bytes"] > 0 for line in access)
    opened = [line for line in lines if "opened anew" in line["message"]]
    assert len({line["process"] for line in opened}) > 1  # the worker, and who records for it
    assert {line["request_id"] for line in opened} == {MINE}


def test_a_line_of_text_begins_with_time_level_and_request(
    environ: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    command = ("serve", "--store", str(tmp_path / "s.db"), "--port", "0")
    with serving(*command, environ=environ, folder=tmp_path) as server:
        (tmp_path / "s.db").rename(tmp_path / "elsewhere.db")
        answer = requests.get(f"{server.url}/api/v1/runs", headers=headers(environ, sandbox))
        assert answer.status_code == 503
        assert server.stop() == 0
    served, *lines = server.lines
    assert served.startswith("braid: serving")
    line = next(line for line in lines if "StoreUnavailable" in line)
    time, level, logger, request = line.split()[:4]
    assert (time[10], time[-1], level, logger) == ("T", "Z", "WARNING", "action_provider.errors")
    assert request == f"[{answer.headers['X-Request-Id']}]"
    assert "braid.access" not in "".join(lines)


@pytest.mark.parametrize(
    ("name", "value"), [("BRAID_LOG_FORMAT", "yaml"), ("BRAID_ACCESS_LOG", "perhaps")]
)
def test_a_setting_of_the_log_that_is_wrong_is_said_at_start(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, braid: Any, name: str, value: str
) -> None:
    for key, setting in {**environ, name: value}.items():
        monkeypatch.setenv(key, setting)
    answer = braid("serve", "--port", 0)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert name in answer.err
