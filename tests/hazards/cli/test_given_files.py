"""Files that a command is given and that never end, or never begin: it says so and ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from braid.cli import files
from braid.cli.files import read_given
from provenance_store.errors import BadFile
from tests.support.command_line import Braid


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    made = tmp_path / "pipe"
    os.mkfifo(made)
    return made


@contextmanager
def writing(pipe: Path, data: bytes, *, times: int = 1) -> Iterator[None]:
    """Somebody writes into a pipe, until nobody reads it."""

    def write() -> None:
        with suppress(BrokenPipeError), pipe.open("wb", buffering=0) as file:
            for _ in range(times):
                file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)
        assert not thread.is_alive()


def test_a_pipe_is_read_to_its_end(pipe: Path) -> None:
    with writing(pipe, b"x" * 100_000, times=30):
        assert read_given(pipe) == b"x" * 3_000_000


def test_of_what_never_ends_no_more_is_read_than_is_taken(pipe: Path) -> None:
    with writing(pipe, b"x" * 4096, times=1 << 30), pytest.raises(BadFile, match="than 64 KiB"):
        read_given(pipe, most=1 << 16)
    with pytest.raises(BadFile, match=r"/dev/zero: it is larger than 2 MiB"):
        read_given("/dev/zero", most=2 << 20)


def test_a_pipe_that_nobody_writes_into_is_not_waited_for_for_ever(
    braid: Braid, pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SILENT_SECONDS", 0.05)
    for command in (("statement", "verify"), ("flow", "run", "--input"), ("record", "step")):
        extra = ("--parameters", f"@{pipe}", "s") if command[0] == "record" else (pipe,)
        more = ("flow.json",) if command[0] == "flow" else ()
        Path("flow.json").write_text("{}")
        answer = braid(*command, *extra, *more)
        assert answer.code != 0
        assert answer.err.count("\n") == 1
        assert "it sent nothing" in answer.err, command


def test_a_pipe_that_falls_silent_is_given_up(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SILENT_SECONDS", 0.05)
    handle = os.open(pipe, os.O_RDWR)  # somebody who has it open, and writes no more
    os.write(handle, b"{")
    try:
        with pytest.raises(BadFile, match="it sent nothing"):
            read_given(pipe)
    finally:
        os.close(handle)


def test_the_output_of_a_command_is_verified(tmp_path: Path) -> None:
    file = tmp_path / "statement.json"
    file.write_text('{"_type": "x"}')
    said = [
        subprocess.run(
            ["bash", "-c", f"{sys.executable} -m braid statement verify {what}"],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        for what in (str(file), f"<(cat {file})", f"<(sleep 1; cat {file})")
    ]
    assert len({one.returncode for one in said}) == 1
    plain, *piped = (one.stderr for one in said)
    assert "statement.json" in plain
    for one in piped:
        assert one.split(": ")[-1] == plain.split(": ")[-1]
