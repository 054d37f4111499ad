"""A server in this process, for command lines to call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from action_provider.app import EXTENSION, create_app
from flows.sandbox.webserver import WebServer

__all__ = ["served"]


@contextmanager
def served(environ: Mapping[str, str], store: Path, **more: str) -> Iterator[str]:
    """The address of a server over a SQLite store, with settings of its own."""
    settings = {**environ, "BRAID_RECORDING": "threads", "BRAID_LANES": "threads", **more}
    app = create_app(f"sqlite:///{store}", environ=settings)
    server = WebServer(app)
    try:
        yield server.url
    finally:
        server.stop()
        app.extensions[EXTENSION].close()
