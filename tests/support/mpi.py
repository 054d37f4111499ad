"""Scripts and commands under a real `mpiexec`, never for longer than they may take."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.needs import missing

__all__ = ["Ended", "braid_on_ranks", "mpi_job", "need_mpi", "run_mpi"]

ROOT = Path(__file__).resolve().parents[2]


class Ended(NamedTuple):
    """How a job ended."""

    code: int
    out: str
    err: str


@contextmanager
def mpi_job(
    script: str,
    folder: Path,
    *,
    ranks: int = 3,
    arguments: Sequence[object] = (),
    environ: Mapping[str, str] | None = None,
    launcher: Sequence[str] = (),
) -> Iterator[subprocess.Popen[str]]:
    """Start a Python script on ranks; whatever is left of it is killed at the end."""
    file = folder / "job.py"
    file.write_text(textwrap.dedent(script))
    python = ["-m", "mpi4py", str(file), *map(str, arguments)]
    with _started([*launcher, "-n", str(ranks)], python, folder, environ or {}) as process:
        yield process


@contextmanager
def _started(
    launcher: Sequence[str], python: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [need_mpi(), *launcher, sys.executable, *python],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _kill_all(process)


def run_mpi(script: str, folder: Path, *, seconds: float = 60, **options: object) -> Ended:
    """Run a Python script on ranks to its end; fails the test when it takes too long."""
    with mpi_job(script, folder, **options) as process:  # type: ignore[arg-type]
        return _ended(process, seconds)


def braid_on_ranks(*args: object, folder: Path, ranks: int = 3, seconds: float = 60) -> Ended:
    """Run ``mpiexec -n RANKS braid ARGS`` to its end; fails the test when it takes too long."""
    python = ["-m", "braid", *map(str, args)]
    with _started(["-n", str(ranks)], python, folder, {}) as process:
        return _ended(process, seconds)


def _ended(process: subprocess.Popen[str], seconds: float) -> Ended:
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _kill_all(process)
        out, err = process.communicate()
        pytest.fail(f"the job hangs after {seconds} s:\n{out}\n{err}")
    return Ended(process.returncode, out, err)


def need_mpi() -> str:
    """The path of mpiexec; where there is none the test is skipped, or in CI fails."""
    if importlib.util.find_spec("mpi4py") is None:
        missing("mpi4py is not installed (pip install mpi4py)")
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        missing("mpiexec is not installed (pip install mpich)")
    return found


def _kill_all(process: subprocess.Popen[str]) -> None:
    """Kill the launcher, and the ranks, which it puts into sessions and groups of their own."""
    for child in _descendants(process.pid):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    for folder in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, folder.read_text().split()):
                found += [*_descendants(child), child]
    return found
