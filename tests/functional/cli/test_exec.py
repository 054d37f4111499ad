"""`braid exec`, `braid record --spool` and `braid spool load`."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from provenance_store import open_store
from tests.support.command_line import Braid

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'braid.db'}"
    monkeypatch.setenv("BRAID_STORE_URL", url)
    return url


def steps(url: str) -> list[dict[str, object]]:
    with open_store(url, create=False) as opened:
        assert opened.check() == []
        reader = opened.documents()
        found = reader.records(kind="step")["records"]
        return [reader.record(each["id"]) for each in reversed(found)]


def test_a_command_is_recorded_as_a_step(
    braid: Braid, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_JWT", "secret")
    (tmp_path / "in.txt").write_text("photons\n")
    made = braid(
        *("exec", "--name", "copy", "--input", "in.txt", "--output", "out.txt"),
        *("--tag", "beam=7", "--", "cp", "in.txt", "out.txt"),
    )
    assert made.code == 0, made.err
    [step] = steps(store)
    assert step["name"] == "copy"
    assert step["status"] == "SUCCEEDED"
    assert step["parameters"]["command"] == ["cp", "in.txt", "out.txt"]  # type: ignore[index]
    assert step["tags"] == {"beam": 7, "exit_code": 0}
    with closing(sqlite3.connect(tmp_path / "braid.db")) as connection, connection:
        [(environment,)] = connection.execute("SELECT document FROM environment")
    connection.close()
    assert json.loads(environment)["job"] == {"SLURM_JOB_ID": "4711"}
    with open_store(store) as opened:
        [out] = opened.documents().records(name="out.txt")["records"]
        lineage = opened.documents().lineage(out["id"], direction="up")
        assert {node["name"] for node in lineage["nodes"]} == {"copy", "in.txt", "out.txt"}
        [uri] = opened.documents().record(out["id"])["uris"]
        assert uri["size"] == 8
        assert uri["digest"].startswith("sha256:")


def test_a_file_made_by_one_command_is_the_input_of_the_next(
    braid: Braid, store: str, tmp_path: Path
) -> None:
    assert braid("exec", "--output", "a", "--", "sh", "-c", "echo 1 > a").code == 0
    assert braid("exec", "--input", "a", "--output", "b", "--", "cp", "a", "b").code == 0
    (tmp_path / "a").write_text("changed by hand")
    assert braid("exec", "--input", "a", "--", "true").code == 0
    with open_store(store) as opened:
        [b] = opened.documents().records(name="b")["records"]
        names = [node["name"] for node in opened.documents().lineage(b["id"])["nodes"]]
        assert sorted(names) == ["a", "b", "cp", "sh"]
        new, old = opened.documents().records(name="a")["records"]
        assert new["tags"] == {"differs_from": old["id"]}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -9 $$"), 137),
        (("there-is-no-such-command",), 127),
        (("/",), 126),
    ],
)
def test_the_exit_code_is_passed_on(
    braid: Braid, store: str, command: tuple[str, ...], code: int
) -> None:
    assert braid("exec", "--", *command).code == code
    [step] = steps(store)
    assert step["status"] == "FAILED"
    assert step["result"] == {"exit_code": code}


def test_secrets_of_a_command_line_are_not_recorded(braid: Braid, store: str) -> None:
    secrets = ("--token", "S3", "--api-key=S3", "PASSWORD=S3", "Authorization: Bearer S3")
    assert braid("exec", "--", "true", *secrets, "https://me:S3@host/x", "--keep", "S").code == 0
    [step] = steps(store)
    assert step["parameters"]["command"] == [  # type: ignore[index]
        *("true", "--token", "[redacted]", "--api-key=[redacted]", "PASSWORD=[redacted]"),
        *("Authorization: [redacted]", "https://me:[redacted]@host/x", "--keep", "S"),
    ]


def test_a_store_that_is_down_does_not_stop_the_command(
    braid: Braid, store: str, tmp_path: Path
) -> None:
    ran = braid(
        *("exec", "--store", "sqlite:////nowhere/x.db", "--output", "made"),
        *("--", "sh", "-c", "echo > made; exit 3"),
    )
    assert ran.code == 3
    assert "The step is kept in braid-spool." in ran.err
    assert braid("spool", "load", "braid-spool").code == 0
    [step] = steps(store)
    assert step["result"] == {"exit_code": 3}


def test_neither_store_nor_spool_still_gives_the_exit_code(
    braid: Braid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_SPOOL", "/dev/null/spool")
    ran = braid("exec", "--store", "sqlite:////nowhere/x.db", "--", "sh", "-c", "exit 4")
    assert ran.code == 4
    assert "the step is not recorded" in ran.err


def test_records_go_into_a_spool_and_from_there_into_a_store(braid: Braid, store: str) -> None:
    data = braid("record", "data", "scan", "--spool", "sp", "--uri", "file:///s", "--run", "r1")
    assert data.code == 0, data.err
    urn = data.out.strip()
    made = braid("record", "model", "net", "--trained-on", urn, "--spool", "sp", "--format", "json")
    assert json.loads(made.out)["kind"] == "model"
    assert braid("record", "step", "s", "--input", urn, "--output", "o", "--spool", "sp").code == 0
    assert braid("record", "fact", "f", "--spool", "sp").code == 0
    ran = braid("exec", "--spool", "sp", "--input", urn, "--", "sh", "-c", "exit 2")
    assert ran.code == 2
    loaded = braid("spool", "load", "sp", "--format", "json")
    assert loaded.code == 0, loaded.err
    assert json.loads(loaded.out) == {
        "files": 5,
        "batches": 5,
        "records": 6,
        "unfinished": 0,
        "bad": [],
    }
    with open_store(store) as opened:
        reader = opened.documents()
        assert opened.check() == []
        down = reader.lineage(urn, direction="down")["nodes"]
        assert {node["name"] for node in down} == {"scan", "net", "s", "o", "sh"}
        assert reader.run("r1")["run_id"] == "r1"


def test_calls_that_are_wrong(braid: Braid) -> None:
    assert braid("exec").code == 2
    assert braid("record", "data", "x", "--spool", "a", "--store", "b.db").code == 2
    assert braid("record", "model", "net", "--update", "--spool", "a").code == 2
    assert braid("spool", "load", "nothing-there").code == 1


def test_a_short_id_in_a_spool_is_looked_up_when_it_is_loaded(braid: Braid) -> None:
    assert braid("record", "data", "scan").code == 0
    assert braid("record", "data", "x", "--depends-on", "1.1", "--spool", "sp").code == 0
    assert braid("spool", "load", "sp").code == 0
    shown = braid("show", "x").out
    assert "scan" in shown


def test_sigterm_reaches_the_command_and_is_recorded(store: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "braid", "exec", "--", "sh", "-c", "echo up; exec sleep 60"],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "BRAID_STORE_URL": store},
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(30) == 143
    [step] = steps(store)
    assert step["result"] == {"exit_code": 143}


def test_tags_are_typed_as_they_are_spelled(braid: Braid, store: str) -> None:
    tags = ("version=1.10", "commit=12e3456", "lr:float=1e-5", "n:int=007", "id:str=7", "a:b=c")
    ran = braid("exec", *(word for tag in tags for word in ("--tag", tag)), "--", "true")
    assert ran.code == 0
    assert ran.err.count("\n") == ran.err.count("version:float=1.10") == 1
    [step] = steps(store)
    assert step["tags"] == {
        "version": "1.10",
        "commit": "12e3456",
        "lr": 1e-5,
        "n": 7,
        "id": "7",
        "a:b": "c",
        "exit_code": 0,
    }


@pytest.mark.parametrize(
    "wrong", [("--tag", "n:int=many"), ("--tag", "nothing"), ("--run", "r" * 65), ("--nonsense",)]
)
def test_a_wrong_call_is_told_before_the_command_runs(
    braid: Braid, store: str, tmp_path: Path, wrong: tuple[str, ...]
) -> None:
    ran = braid("exec", *wrong, "--", "touch", "ran")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_cannot_be_started_is_told(braid: Braid, tmp_path: Path) -> None:
    missing = braid("exec", "--", "/nonexistent")
    assert (missing.code, missing.err) == (127, "braid: /nonexistent: the command was not found.\n")
    refused = braid("exec", "--", str(tmp_path))
    assert (refused.code, refused.err.count("cannot be run")) == (126, 1)
