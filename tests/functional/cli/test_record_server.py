"""Recording from a shell through a server, and what becomes of it when the server is away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provenance_store import Store
from tests.support.command_line import Braid


def made(braid: Braid, server: str, *args: object) -> str:
    answer = braid("record", *args, "--server", server)
    assert (answer.code, answer.err) == (0, "")
    return answer.out.strip()


def test_what_is_recorded_through_a_server_is_there(
    braid: Braid, server: str, its_store: Store, tmp_path: Path
) -> None:
    (tmp_path / "scan.h5").write_text("photons")
    setup = made(braid, server, "fact", "setup")
    scan = made(braid, server, "data", "scan", "--file", "scan.h5", "--depends-on", setup)
    made(braid, server, "model", "net", "--trained-on", scan)
    made(braid, server, "model", "net", "--update", "--trained-on", scan)
    step = made(braid, server, "step", "Fit", "--input", scan, "--run", "r1", "--output", "fit")
    made(braid, server, "data", "log", "--made-by", step)
    reader = its_store.documents()
    assert [v["version"] for v in reader.model("net")["versions"]] == [0, 1]
    assert [each["name"] for each in reader.run("r1")["steps"]] == ["Fit"]
    down = reader.lineage(setup, direction="down")["nodes"]
    assert {node["name"] for node in down} == {"setup", "scan", "net", "Fit", "fit", "log"}
    assert its_store.check() == []
    assert not Path("braid-spool").exists()
    assert not Path("braid.db").exists()


def test_json_is_the_document_of_the_server(braid: Braid, server: str, its_store: Store) -> None:
    answer = braid("record", "data", "scan", "--tag", "a=1", "--server", server, "--format", "json")
    document = json.loads(answer.out)
    assert document == its_store.documents().record(document["id"])


def test_live_data_is_promoted_through_a_server(
    braid: Braid, server: str, its_store: Store
) -> None:
    scan = made(braid, server, "data", "scan", "--live")
    assert its_store.documents().record(scan)["live"]
    assert made(braid, server, "promote", scan, "--note", "beam off") == scan
    assert not its_store.documents().record(scan)["live"]
    again = braid("record", "promote", scan, "--server", server)
    assert (again.code, again.out) == (1, "")
    assert "static already" in again.err


def test_a_command_is_recorded_through_a_server(
    braid: Braid, server: str, its_store: Store
) -> None:
    at = ("--server", server)
    assert braid("exec", "--output", "a", *at, "--", "sh", "-c", "echo 1 > a").code == 0
    ran = braid("exec", "--input", "a", "--run", "r1", *at, "--", "sh", "-c", "exit 3")
    assert (ran.code, ran.err) == (3, "")
    (run,) = its_store.documents().runs()["runs"]
    (step,) = its_store.documents().run("r1")["steps"]
    assert run["start_time"] == step["start_time"]
    assert len(its_store.documents().records(name="a")["records"]) == 1
    up = its_store.documents().lineage(step["id"])["nodes"]
    assert [node["name"] for node in up if node["kind"] == "step"] == ["sh", "sh"]


def kept(answer: Any, server: str, why: str, where: str) -> bool:
    line: str = answer.err
    assert line.count("\n") == 1, line
    assert line.startswith(f"braid: {server} has not taken it ({why}"), line
    return f"it is kept in braid-spool, and `braid spool load braid-spool{where}" in line


@pytest.mark.parametrize("scope", [True, False])
def test_what_a_server_that_is_away_has_not_taken_is_in_the_spool(
    braid: Braid,
    server: str,
    its_store: Store,
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
    assert kept(data, away, why, f" --server {away}` later")
    ran = braid("exec", "--name", "fit", "--server", away, "--", "sh", "-c", "exit 3")
    assert ran.code == 3
    assert kept(ran, away, why, f" --server {away}` later")
    assert braid("spool", "load", "braid-spool", "--store", store_url(its_store)).code == 0
    assert its_store.documents().record(data.out.strip())["name"] == "scan"
    assert len(its_store.documents().records()["records"]) == 2


def store_url(its_store: Store) -> str:
    return str(its_store.sink.session.engine.url)


def test_what_a_server_refuses_is_said_with_its_reason_and_is_in_the_spool(
    braid: Braid, server: str, its_store: Store
) -> None:
    fact = made(braid, server, "fact", "setup")
    refused = braid("record", "data", "log", "--made-by", fact, "--server", server)
    assert refused.code == 2
    assert kept(refused, server, "422: ", "` on the server's machine")
    assert [r["name"] for r in its_store.documents().records()["records"]] == ["setup"]


def test_calls_that_are_wrong_record_nothing(
    braid: Braid, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert braid("record", "fact", "a", "--server", server, "--spool", "sp").code == 2
    assert braid("record", "fact", "a", "--server", server, "--store", "b.db").code == 2
    assert braid("record", "fact", "a", "--server", "http://braid.example.org").code == 2
    assert braid("record", "model", "net", "--update", "--server", server).code == 1
    assert braid("record", "data", "a", "--depends-on", "1.1", "--server", server).code == 1
    monkeypatch.delenv("BRAID_LOGIN_CLIENT_ID")
    unset = braid("record", "fact", "a", "--server", server)
    assert unset.code == 2
    assert "BRAID_LOGIN_CLIENT_ID" in unset.err
    assert not [path for path in ("sp", "b.db", "braid-spool") if Path(path).exists()]
