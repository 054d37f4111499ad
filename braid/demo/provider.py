"""The action provider as it is run in production, `braid serve`, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from flows.sandbox import Sandbox
from flows.sandbox.environment import inherited
from provenance_store.errors import ServiceUnavailable

__all__ = ["ProviderProcess", "serving"]

START_SECONDS = 60.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05

_SERVING = re.compile(r"^braid: serving (?P<url>http://\S+)", re.MULTILINE)


class ProviderProcess(NamedTuple):
    """Where a provider listens, and the scope that its callers' tokens need."""

    url: str
    scope: str

    @property
    def record_url(self) -> str:
        """The ActionUrl of record states."""
        return f"{self.url}/record"


class Starting(NamedTuple):
    """A provider on its way up."""

    process: subprocess.Popen[bytes]
    scope: str
    log: Path

    def ready(self) -> ProviderProcess:
        """Waits until it listens. Raises ServiceUnavailable when it does not come up."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            said = self.log.read_text(encoding="utf-8", errors="replace")
            if found := _SERVING.search(said):
                return ProviderProcess(found["url"], self.scope)
            if ended:
                last = (said.strip().splitlines() or ["it said nothing"])[-1]
                raise ServiceUnavailable(f"The provider did not start: {last} (see {self.log})")
            time.sleep(POLL_SECONDS)
        raise ServiceUnavailable(
            f"The provider did not start within {START_SECONDS:g} s; {self.log} may tell why."
        )


@contextmanager
def serving(sandbox: Sandbox, store_url: str, log: Path) -> Iterator[Starting]:
    """Start a provider over a store, as a client of the sandbox's Globus Auth.

    It starts while the caller does other things, and is stopped at the end; `log` gets what it
    says.
    """
    client = sandbox.add_client("Braid")
    scope = sandbox.add_scope(client, "action_all")
    secrets = {"BRAID_CLIENT_ID": client.client_id, "BRAID_CLIENT_SECRET": client.client_secret}
    environ = {
        **inherited(leaving_out="BRAID_"),
        **sandbox.environ(),
        **secrets,
        "BRAID_SCOPE": scope,
        "BRAID_LANES": "threads",  # one person asks here, who is kept waiting by nobody
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [sys.executable, "-P", "-m", "braid", "serve", "--port", "0", "--store", store_url]
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=environ,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops the provider.
        )
    try:
        yield Starting(process, scope, log)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to finish what it has begun; whatever is left of it after a while is killed."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
