"""The command as a process: pipes, Ctrl-C, completion, the trace on request."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT


def environ(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def run(folder: Path, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "braid", *args]
    return subprocess.run(
        command, cwd=folder, env=environ(**more), capture_output=True, text=True, timeout=60
    )


def test_a_reader_that_goes_away_ends_the_command_without_a_word(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "braid", "flow", "strip", "-"],
        cwd=tmp_path,
        env=environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    states = ", ".join(f'"S{number}": {{"Type": "Pass"}}' for number in range(5000))
    process.stdin.write(f'{{"States": {{{states}}}}}'.encode())
    process.stdin.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait(60) == 1


def test_the_trace_is_shown_on_request_only(tmp_path: Path) -> None:
    plain = run(tmp_path, "runs")
    assert plain.returncode == 1
    assert plain.stderr.count("\n") == 1
    traced = run(tmp_path, "runs", BRAID_DEBUG="1")
    assert traced.returncode == 1
    assert traced.stderr.splitlines()[0] == plain.stderr.strip()
    assert "Traceback" in traced.stderr


def test_a_spool_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "sp").write_text("no folder")
    calls = (("record", "data", "x", "--spool", "sp/x"), ("exec", "--spool", "sp/x", "--", "true"))
    for call, code in zip(calls, (1, 0), strict=True):
        ran = run(tmp_path, *call, BRAID_SPOOL="sp/x")
        assert (ran.returncode, ran.stdout) == (code, "")
        assert ran.stderr.count("\n") == 1
        assert "The spool folder sp/x cannot be written" in ran.stderr


def test_names_are_completed(tmp_path: Path) -> None:
    answer = run(
        tmp_path, _BRAID_COMPLETE="bash_complete", COMP_WORDS="braid flow i", COMP_CWORD="2"
    )
    assert answer.stdout.split(",")[-1].strip() == "instrument"


def test_a_closed_standard_output_is_told_in_a_sentence(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec '{sys.executable}' -m braid models >&-"],
        cwd=tmp_path,
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "standard output is closed" in done.stderr
