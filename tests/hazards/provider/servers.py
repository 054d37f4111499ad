"""Servers that a test can kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

import requests

from tests.functional.provider.harvests import wait_until

__all__ = ["Server"]

ROOT = Path(__file__).parents[3]


class Server:
    """The provider under gunicorn in processes of its own, which write into one log."""

    def __init__(self, environ: dict[str, str], folder: Path, *, workers: int = 1) -> None:
        self._environ = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}
        self._workers = workers
        self.log = folder / "server.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGKILL)

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "action_provider.app:create_app()"]
        command += ["--bind", f"127.0.0.1:{self._port}", "--worker-class", "gthread"]
        command += ["--threads", "8", "--workers", str(self._workers), "--log-level", "debug"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environ, start_new_session=True, stdout=log, stderr=log
            )
        try:
            wait_until(self._answers, "the start of the server")
        except BaseException:
            self.end(signal.SIGKILL)  # nobody else would: the block that ends it has not begun
            raise

    def end(self, number: int) -> None:
        """Send a signal to the server and all its workers, and wait for their end."""
        if self._process is not None:
            os.killpg(self._process.pid, number)
            self._process.wait(30 if number == signal.SIGKILL else 60)
            self._process = None

    def _answers(self) -> bool:
        with suppress(requests.ConnectionError, requests.Timeout):
            return requests.get(f"{self.url}/readyz", timeout=30).status_code == 200
        return False
