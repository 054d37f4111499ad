"""`braid` commands that serve, as processes of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue

__all__ = ["ROOT", "Serving", "children", "serving"]

ROOT = Path(__file__).resolve().parents[2]


class Serving:
    """A process that said where it listens."""

    def __init__(self, process: subprocess.Popen[str], seconds: float) -> None:
        self.process = process
        self.lines: list[str] = []
        self._said: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self._wait_for_address(seconds)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            self._said.put(line)

    def _wait_for_address(self, seconds: float) -> str:
        try:
            while True:
                line = self._said.get(timeout=seconds)
                said = line.startswith("braid: ") or '"logger":"braid.serve"' in line
                if said and (found := re.search(r"http://[^\s;]+", line)):
                    return found[0]
        except Empty:
            self.process.kill()
            raise AssertionError(f"no address in {seconds} s: {self.lines}") from None

    def stop(self, number: int = signal.SIGTERM, seconds: float = 120) -> int:
        """Send a signal and wait; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


def children(pid: int) -> list[int]:
    """The processes that a process started, by their ids."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return sorted(int(child) for task in tasks for child in task.read_text().split())


@contextmanager
def serving(*args: str, environ: Mapping[str, str], folder: Path) -> Iterator[Serving]:
    """Run ``braid ARGS`` until the block is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "braid", *args],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Serving(process, 180)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
