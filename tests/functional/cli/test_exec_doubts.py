"""`braid exec` when something that it is told cannot be recorded as it is: the step is recorded
all the same, with a note in it and on standard error, and the exit code is the command's."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provenance_store import Store, open_store
from tests.support.command_line import Braid

ROOT = Path(__file__).resolve().parents[3]
BRAID = [sys.executable, "-m", "braid"]
UNKNOWN = "urn:braid:00000000-0000-4000-8000-000000000000:7"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'braid.db'}"
    monkeypatch.setenv("BRAID_STORE_URL", url)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return url


def only_step(url: str) -> dict[str, Any]:
    with open_store(url, create=False) as opened:
        assert opened.check() == []
        (found,) = opened.documents().records(kind="step")["records"]
        step: dict[str, Any] = opened.documents().record(found["id"])
        return step


def notes(step: dict[str, Any]) -> str:
    return " ".join([*step["parameters"].get("notes", ()), *step["result"].get("notes", ())])


def call(*args: str | bytes, cwd: Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """As a shell would call it: arguments are bytes."""
    # Not what C code set beside os.environ: readline, which pytest imports, sets COLUMNS.
    more = {"env": dict(os.environ), **more}
    return subprocess.run([*BRAID, *args], cwd=cwd, capture_output=True, timeout=60, **more)


def test_bytes_that_are_not_utf8_are_recorded_escaped(store: str, tmp_path: Path) -> None:
    told = (b"--name", b"n\xff", b"--tag", b"t\xff=v\xfe", b"--input", b"in\xff")
    ran = call(
        "exec", *told, "--output", b"out\xff", "--", "cp", b"in\xff", b"out\xff", cwd=tmp_path
    )
    assert ran.returncode == 1  # cp finds no such file.
    (tmp_path / "braid.db").unlink()
    Path(os.fsdecode(bytes(tmp_path) + b"/in\xff")).write_text("photons")
    ran = call(
        "exec", *told, "--output", b"out\xff", "--", "cp", b"in\xff", b"out\xff", cwd=tmp_path
    )
    assert ran.returncode == 0
    step = only_step(store)
    assert step["name"] == r"n\xff"
    assert step["parameters"]["command"] == ["cp", r"in\xff", r"out\xff"]
    assert step["tags"][r"t\xff"] == r"v\xfe"
    assert "arguments 1, 2 are not UTF-8" in notes(step)
    assert b"arguments 1, 2 are not UTF-8" in ran.stderr
    with open_store(store) as opened:
        (made,) = opened.documents().records(name=r"out\xff")["records"]
        assert made["uris"][0]["uri"] == f"{tmp_path.as_uri()}/out%FF"
        assert made["uris"][0]["size"] == len("photons")
    verified = call("verify", made["id"], cwd=tmp_path)
    assert (verified.returncode, verified.stderr) == (0, b"1 of 1 file checked; 1 ok.\n")


@pytest.mark.parametrize("option", ["--model", "--input"])
@pytest.mark.parametrize("reference", [UNKNOWN, "9.9", "9999999999.1"])
def test_an_unknown_id_costs_the_link_and_nothing_else(
    braid: Braid, store: str, option: str, reference: str
) -> None:
    scan = braid("record", "data", "scan").out.strip()
    call = ("--input", scan, option, reference, "--output", "made", "--tag", "beam=7")
    ran = braid("exec", *call, "--", "sh", "-c", "echo > made; exit 3")
    assert ran.code == 3
    step = only_step(store)
    assert f"{option} {reference} is recorded as text only" in notes(step)
    assert f"{option} {reference} is recorded as text only" in ran.err
    assert step["tags"] == {"beam": 7, "exit_code": 3}
    with open_store(store) as opened:
        nodes = opened.documents().lineage(scan, direction="down")["nodes"]
        assert {node["name"] for node in nodes} == {"scan", "sh", "made"}


def test_a_model_that_is_none_is_recorded_as_an_input(braid: Braid, store: str) -> None:
    scan = braid("record", "data", "scan").out.strip()
    ran = braid("exec", "--model", scan, "--model", "net", "--", "true")
    assert ran.code == 0
    step = only_step(store)
    assert f"--model {scan} is recorded as an input: its kind is data." in notes(step)
    assert "--model net is recorded as text only" in notes(step)
    with open_store(store) as opened:
        names = [node["name"] for node in opened.documents().lineage(step["id"])["nodes"]]
        assert sorted(names) == ["scan", "true"]


def test_a_name_is_looked_up_when_a_spool_is_loaded(braid: Braid, store: str) -> None:
    net = braid("record", "model", "net").out.strip()
    named = ("--model", "net", "--input", UNKNOWN, "--model", "nothing")
    ran = braid("exec", *named, "--spool", "sp", "--", "true")
    assert (ran.code, ran.err) == (0, "")
    assert braid("spool", "load", "sp").code == 0
    with open_store(store) as opened:
        step = opened.documents().record("true")
        assert [link["id"] for link in step["links"] if link.get("name")] == [net]
        assert "'nothing' named nothing" in step["tags"]["braid_note"]


def test_an_unknown_id_is_left_out_of_a_server(braid: Braid, server: str, its_store: Store) -> None:
    ran = braid("exec", "--model", UNKNOWN, "--server", server, "--", "sh", "-c", "exit 3")
    assert ran.code == 3
    assert ran.err.count("\n") == ran.err.count(f"{UNKNOWN} is recorded as text only") == 1
    assert not Path("braid-spool").exists()
    (step,) = its_store.documents().records()["records"]
    assert UNKNOWN in notes(its_store.documents().record(step["id"]))
    assert its_store.check() == []


def test_a_link_to_a_file_is_that_file_to_a_server(
    braid: Braid, server: str, its_store: Store
) -> None:
    Path("link").symlink_to("real")
    at = ("--server", server)
    made = braid("exec", *at, "--output", "link", "--", "sh", "-c", "echo photons > real")
    used = braid("exec", *at, "--name", "next", "--input", "real", "--", "true")
    assert (made.code, made.err, used.code, used.err) == (0, "", 0, "")
    (step,) = its_store.documents().records(name="next")["records"]
    up = {node["name"] for node in its_store.documents().lineage(step["id"])["nodes"]}
    assert up == {"next", "link", "sh"}


@pytest.mark.parametrize(
    "told",
    [
        ("--name", "n" * 2000),
        ("--tag", f"{'t' * 300}=1"),
        ("--tag", f"t={'v' * 20_000}"),
        ("--output", "/".join(["d" * 200] * 60)),
        ("--input", "i" * 300),
        ("--name", " ", "--input", "", "--output", "", "--run", ""),
    ],
    ids=["name", "tag name", "tag", "path", "file name", "empty"],
)
def test_what_is_too_long_or_empty_costs_no_step(
    braid: Braid, store: str, told: tuple[str, ...]
) -> None:
    assert braid("exec", *told, "--", "sh", "-c", "exit 3").code == 3
    step = only_step(store)
    assert step["parameters"]["command"] == ["sh", "-c", "exit 3"]
    assert step["result"]["exit_code"] == 3


def test_very_many_arguments_are_recorded_by_digest(braid: Braid, store: str) -> None:
    assert braid("exec", "--", "true", *(["x" * 1000] * 200)).code == 0
    assert only_step(store)["parameters"]["_truncated"]["digest"].startswith("sha256:")


def test_an_output_that_was_not_made_is_a_doubt_too(braid: Braid, store: str) -> None:
    ran = braid("exec", "--strict", "--output", "never.txt", "--", "true")
    assert ran.code == 1
    assert "never.txt was not made" in ran.err
    assert braid("exec", "--strict", "--", "true").code == 0
    assert only_step(store)["name"] == "true"


def test_a_folder_that_is_gone_is_noted(store: str, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    script = 'rmdir ../away; exec "$@"'
    words = [*BRAID, "exec", "--input", "x", "--output", "y", "--", "sh", "-c", "exit 3"]
    ran = subprocess.run(
        ["sh", "-c", script, "sh", *words], cwd=away, capture_output=True, timeout=60
    )
    assert ran.returncode == 3, ran.stderr
    assert "the current folder is not recorded" in notes(only_step(store))


def test_an_environment_that_cannot_be_read_costs_no_step(store: str, tmp_path: Path) -> None:
    environ = {**os.environ, "SLURM_JOB_NAME": os.fsdecode(b"j\xff")}
    assert call("exec", "--", "true", cwd=tmp_path, env=environ).returncode == 0
    only_step(store)
    # A package that was removed by half: its metadata is a folder.
    broken = tmp_path / "site" / "broken-1.0.dist-info"
    (broken / "METADATA").mkdir(parents=True)
    path = os.pathsep.join([str(ROOT), str(tmp_path / "site")])
    made = call("record", "model", "net", cwd=tmp_path, env={**os.environ, "PYTHONPATH": path})
    assert (made.returncode, made.stderr) == (0, b"")


def test_a_disk_that_is_full_for_the_store_and_the_spool_is_told(
    store: str, tmp_path: Path
) -> None:
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    ran = call("exec", "--", "sh", "-c", "exit 3", cwd=tmp_path, preexec_fn=no_room)
    assert ran.returncode == 3
    assert b"the step is not recorded: " in ran.stderr
    assert b"The spool folder braid-spool cannot be written: File too large." in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_a_spool_that_is_full_leaves_the_other_one(
    braid: Braid, store: str, tmp_path: Path
) -> None:
    (tmp_path / "sp").write_text("no folder")
    ran = braid("exec", "--spool", "sp/x", "--", "sh", "-c", "exit 3")
    assert ran.code == 3
    assert "The step is kept in braid-spool." in ran.err
    assert braid("spool", "load", "braid-spool").code == 0
    assert only_step(store)["result"] == {"exit_code": 3}


def test_a_setting_that_is_wrong_costs_no_exit_code(
    braid: Braid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_SPOOL_FILE_MB", "many")
    ran = braid("exec", "--store", "nonsense://x", "--", "sh", "-c", "exit 3")
    assert ran.code == 3
    assert "the step is not recorded" in ran.err
    assert "BRAID_SPOOL_FILE_MB" in ran.err


def test_strict_records_no_step_that_is_not_as_it_was(
    braid: Braid, store: str, tmp_path: Path
) -> None:
    assert braid("exec", "--strict", "--output", "made", "--", "touch", "made").code == 0
    for told in (("--model", "9.9"), ("--input", "gone"), ("--name", "n" * 2000)):
        ran = braid("exec", "--strict", *told, "--", "sh", "-c", "echo >> ran")
        assert ran.code == 1
        assert "the step is not recorded, for --strict: " in ran.err
        assert braid("exec", "--strict", *told, "--", "sh", "-c", "exit 3").code == 3
    assert (tmp_path / "ran").read_text() == "\n\n\n"
    assert only_step(store)["name"] == "touch"
    assert not (tmp_path / "braid-spool").exists()


def test_a_store_that_is_away_is_no_matter_of_strictness(braid: Braid, store: str) -> None:
    ran = braid("exec", "--strict", "--store", "sqlite:////nowhere/x.db", "--", "true")
    assert ran.code == 0
    assert "The step is kept in braid-spool." in ran.err


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_to_us_reaches_the_command_and_is_recorded(
    store: str, tmp_path: Path, number: signal.Signals
) -> None:
    script = f"trap 'exit 9' {number.name[3:]}; echo up; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [*BRAID, "exec", "--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # the suite may run under nohup
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            process.send_signal(number)
            assert process.wait(30) == 9
        finally:
            process.kill()
    assert only_step(store)["result"] == {"exit_code": 9}


def test_nohup_holds_for_the_command_too(store: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        ["nohup", *BRAID, "exec", "--", "sh", "-c", "kill -HUP $$; echo alive"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (0, b"alive\n")


def test_a_process_substitution_reaches_the_command(store: str, tmp_path: Path) -> None:
    line = f"{' '.join(BRAID)} exec -- cat <(echo photons)"
    ran = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, b"photons\n")


def test_standard_error_that_is_closed_changes_nothing(store: str, tmp_path: Path) -> None:
    words = [*BRAID, "exec", "--input", "gone", "--", "sh", "-c", "exit 3"]
    ran = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *words], cwd=tmp_path, timeout=60)
    assert ran.returncode == 3
    only_step(store)


def test_a_uri_is_an_input_and_an_output(braid: Braid, store: str) -> None:
    assert braid("exec", "--output", "globus://c/a/b.h5", "--", "true").err == ""
    assert braid("exec", "--input", "globus://c/a/b.h5", "--name", "next", "--", "true").code == 0
    with open_store(store) as opened:
        (made,) = opened.documents().records(kind="data")["records"]
        assert (made["name"], made["uris"][0]["uri"]) == ("b.h5", "globus://c/a/b.h5")
        down = opened.documents().lineage(made["id"], direction="down")["nodes"]
        assert "next" in {node["name"] for node in down}
