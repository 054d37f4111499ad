"""A real PostgreSQL server of one's own: started from the newest one installed, on loopback."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import psycopg

__all__ = ["PostgresServer"]


class PostgresServer:
    """Start with `with`; `new_database` gives the URL of an empty one each time.

    With a `url` that server is used and none is started. `settings` are those of postgresql.conf.
    """

    settings: ClassVar[Mapping[str, str]] = {}

    def __init__(self, binaries: Path | None, url: str | None = None) -> None:
        self._binaries = binaries
        self._base = url
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = (f"braid_{os.getpid()}_{n}" for n in itertools.count())

    @classmethod
    def find(cls) -> Self | None:
        """The server to use, or None when there is none on this machine."""
        found = sorted(
            Path("/usr/lib/postgresql").glob("*/bin/initdb"),
            key=lambda p: int(p.parts[-3]) if p.parts[-3].isdigit() else 0,
        )
        return cls(found[-1].parent) if found else None

    @property
    def is_ours(self) -> bool:
        """Whether this server is started, and may be stopped, by this process."""
        return self._binaries is not None

    @property
    def pid(self) -> int:
        """The process of the server that was started; its sessions are its children."""
        assert self._process is not None
        return self._process.pid

    def version(self) -> str:
        """The number of the version that would be started."""
        done = subprocess.run(
            [str((self._binaries or Path()) / "postgres"), "--version"],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()[2]

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = next(self._names)
        with psycopg.connect(f"{self._base}/postgres", autocommit=True) as connection:
            connection.execute(
                psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
            )
        return f"{self._base}/{name}"

    def __enter__(self) -> Self:
        if self._base is None:
            self._folder = self._new_folder()
            self._init()
            self._port = _free_port()
            self._base = f"postgresql://postgres@127.0.0.1:{self._port}"
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.stop()
        if self._folder != Path():
            shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = ["-p", str(self._port), "-h", "127.0.0.1", "-k", str(self._folder)]
        chosen = [
            word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command("postgres"), *options, *chosen],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(f"{self._base}/postgres").close()
                return
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self._folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once, breaking all connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)
        self._process = None

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="braid-pg-"))

    def _init(self) -> None:
        if os.getuid() == 0:
            shutil.chown(self._folder, "postgres")
        utf8 = ("-E", "UTF8", "--locale=C")
        subprocess.run(
            [
                *self._command("initdb"),
                "-U",
                "postgres",
                "-A",
                "trust",
                "--no-sync",
                *utf8,
            ],
            check=True,
            capture_output=True,
        )

    def _command(self, name: str) -> list[str]:
        assert self._binaries is not None
        return [*_as_user(), str(self._binaries / name), "-D", str(self._folder / "data")]


def _as_user() -> list[str]:
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
