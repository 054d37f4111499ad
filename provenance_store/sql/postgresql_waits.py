"""Connections to PostgreSQL that do not wait for ever for a server that has stopped answering.

A server that was stopped, or whose network was cut, breaks no connection: the other machine's
kernel, or nobody, takes what is sent. Neither TCP's keepalives nor the server's own time limits
end such a wait. So whoever waits for long asks the server for a sign of life on a line of its own,
and goes on waiting, for however long a statement takes, while there is one.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.errors import ConnectionTimeout, QueryCanceled

from provenance_store.sql.waits import Waits

__all__ = ["PatientConnection", "SilentServer", "connect_options"]

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""A question of PostgreSQL's protocol that every server answers with one byte, to anybody."""
KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
UNACKNOWLEDGED_MS = 30_000
"""How long what was sent may stay unacknowledged, at the least: a server that is busy with a
large load can let TCP wait for several seconds."""
LEAST_PAUSE, LEAST_ANSWER = 1.0, 2.0
"""Seconds until a silent server is asked for a sign of life, and until it has to give one, at the
least."""


class SilentServer(ConnectionTimeout):
    """The server gives no sign of life."""


class PatientConnection(psycopg.Connection[Any]):
    """Waits while the server lives, and no longer than `limit` seconds for one answer if given."""

    waits: Waits | None = None
    limit: float | None = None
    ends: float | None = None
    """When nothing more is sent but the end of the transaction, by `time.monotonic`."""

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        """As psycopg's own. Raises SilentServer when the server has died or hangs, and
        ConnectionTimeout when the answer took too long; the connection is closed then. Raises
        QueryCanceled, and stays, when its time was over before."""
        if self.ends is not None and time.monotonic() >= self.ends:
            self.ends = None
            gen.close()
            raise QueryCanceled("the time to read is over")
        return super().wait(self._attended(gen), *args, **options)

    def _attended(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The same steps; psycopg says ten times a second that there is nothing yet."""
        began = asked = time.monotonic()
        try:
            state = next(gen)
            while True:
                ready = yield state
                if not ready and self.waits is not None:
                    asked = self._look_after(self.waits, began, asked)
                state = gen.send(ready)
        except StopIteration as done:
            return done.value

    def _look_after(self, waits: Waits, began: float, asked: float) -> float:
        """Give up, or say when the server was last known to live."""
        now = time.monotonic()
        pause = max(waits.patience / 2, LEAST_PAUSE)
        if now - asked >= pause:
            if not _lives(self.info, max(pause, LEAST_ANSWER)):
                self._give_up(SilentServer("the database server does not answer"))
            asked = time.monotonic()
        if self.limit is not None and now - began >= max(self.limit, LEAST_PAUSE):
            self._cancel()
            self._give_up(ConnectionTimeout("the database took too long to answer"))
        return asked

    def _cancel(self) -> None:
        """Ask the server to stop: it would notice only when it answers that nobody listens. That
        is a connection of its own, which may take its time, and nobody waits for it."""
        threading.Thread(target=_cancel, args=(self.pgconn.get_cancel(),), daemon=True).start()

    def _give_up(self, error: Exception) -> None:
        self.pgconn.finish()
        raise error


def _cancel(running: Any) -> None:
    with suppress(psycopg.Error):
        running.cancel()


def _lives(server: psycopg.ConnectionInfo, seconds: float) -> bool:
    """Whether the server answers anybody, within so many seconds."""
    try:
        with _line(server, seconds) as line:
            line.settimeout(seconds)
            line.sendall(_SSL_REQUEST)
            return bool(line.recv(1))
    except OSError:
        return False


def _line(server: psycopg.ConnectionInfo, seconds: float) -> socket.socket:
    if not server.host.startswith("/"):
        return socket.create_connection((server.hostaddr or server.host, server.port), seconds)
    line = socket.socket(socket.AF_UNIX)
    try:
        line.settimeout(seconds)
        line.connect(f"{server.host}/.s.PGSQL.{server.port}")
    except BaseException:
        line.close()
        raise
    return line


def connect_options(seconds: float) -> dict[str, int]:
    """What libpq is told of connections that are made, or kept, for calls that wait so long."""
    return {
        "connect_timeout": max(2, round(seconds)),
        "tcp_user_timeout": max(UNACKNOWLEDGED_MS, int(seconds * 1000)),
        **KEEPALIVE,
    }
