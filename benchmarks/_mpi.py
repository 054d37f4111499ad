"""Starting jobs on ranks, for benchmarks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "job", "run_job"]

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def job(
    script: str,
    *arguments: object,
    ranks: int,
    folder: Path,
    environ: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A script of this folder under mpiexec; whatever is left of it at the end is killed."""
    python = [sys.executable, "-m", "mpi4py", str(ROOT / "benchmarks" / script)]
    process = subprocess.Popen(
        [_mpiexec(), "-n", str(ranks), *python, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_all(process)


def run_job(script: str, *arguments: object, ranks: int, folder: Path, **how: Any) -> Any:
    """Run to the end; what it printed as JSON."""
    with job(script, *arguments, ranks=ranks, folder=folder, **how) as process:
        out, _ = process.communicate(timeout=600)
    if process.returncode:
        raise SystemExit(f"{script} ended with {process.returncode}")
    return json.loads(out)


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill the launcher and the ranks, which it puts into sessions of their own."""
    for child in descendants(process.pid):
        _kill(child)
    _kill(process.pid)
    process.wait(30)


def descendants(process: int) -> list[int]:
    """The processes that a process started, and those that these started."""
    found: list[int] = []
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found += [*descendants(child), child]
    return found


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _mpiexec() -> str:
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise SystemExit("mpiexec is not installed (pip install mpich mpi4py)")
    return found
