"""The production server: gunicorn with threads, in this process, over a socket that is ours."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from braid.web_server.limits import Limits, allow_descriptors
from braid.web_server.worker import STOPS, Worker

__all__ = ["Listening", "listen", "serve"]

WsgiApplication = Callable[..., Any]
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Listening:
    """A bound socket and the address that clients use."""

    socket: socket.socket
    url: str


def listen(host: str, port: int) -> Listening:
    """Bind the address, or raise OSError at once; port 0 takes any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family, backlog=2048)
    name = f"[{host}]" if ":" in host else host
    return Listening(bound, f"http://{name}:{bound.getsockname()[1]}")


def serve(
    make_app: Callable[[], WsgiApplication],
    listening: Listening,
    *,
    workers: int,
    threads: int,
    when_ready: Callable[[], None],
    limits: Limits | None = None,
    stalled_seconds: int = 60,
    when_ended: Callable[[int], None] = lambda pid: None,
) -> None:
    """Serve until stopped; every worker process makes an application of its own.

    A worker that shows no sign of life for `stalled_seconds` is killed and replaced: one that is
    stopped, or held by something that lets no other thread run. Long requests alone do not stall
    it, for they run in threads of their own.

    `when_ended` is called with the process id of each worker that has ended.
    """
    options = {
        "bind": f"fd://{listening.socket.fileno()}",
        "worker_class": Worker,
        "workers": workers,
        "threads": threads,
        "timeout": stalled_seconds,
        "graceful_timeout": 30,
        "keepalive": 30,
        "errorlog": "-",
        "loglevel": "warning",
        "logger_class": _Log,
        # Nobody in front is believed about who called or how: no header changes the request.
        "forwarder_headers": "",
        "proc_name": "braid",
        "control_socket_disable": True,
        "child_exit": lambda _arbiter, worker: when_ended(worker.pid),
        "when_ready": lambda _arbiter: when_ready(),
        # Workers prove to be alive by touching a file; on a disk that may be slow they would not.
        "worker_tmp_dir": str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None,
    }
    allow_descriptors()
    _Gunicorn(make_app, options, limits or Limits()).run()


class _Log(Logger):  # type: ignore[misc]
    """Gunicorn's log, written as that of the application is."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    """Gunicorn's way to be started from Python: it asks for its configuration and its app."""

    def __init__(
        self, make_app: Callable[[], WsgiApplication], options: dict[str, Any], limits: Limits
    ) -> None:
        self.limits = limits
        """Read by each worker."""
        self._make_app = make_app
        self._options = options
        super().__init__()

    def run(self) -> None:
        _Arbiter(self).run()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> WsgiApplication:
        return self._make_app()


class _Arbiter(Arbiter):  # type: ignore[misc]
    """Gunicorn's, which tells workers once to stop: one that has just been forked, and has no
    handler yet, would not hear it, and be waited for in vain."""

    def spawn_worker(self) -> Any:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
