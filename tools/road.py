"""How long a step's road through the code is, from `POST /record/run` to its rows.

`python -m tools.road` prints it. Counted are the calls of Braid's own functions while one usual
step (two inputs, an output, a model) is recorded into SQLite, all in one process: calls, different
functions, different files, how often the next call is in another file than the one before, and the
names under which the request, its body, the batch and the answer are passed on.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = tuple(
    f"{ROOT / name}{os.sep}"
    for name in ("action_provider", "braid", "flows", "hpc", "provenance_store")
)
FOLLOWED = ("Answer", "Batch", "Body", "Envelope", "RecordEnvelope", "RecordReply", "RecordRequest")
"""Classes of the values whose names are collected."""


class Road:
    """What is counted on the way."""

    def __init__(self) -> None:
        self.calls = 0
        self.functions: set[tuple[str, str]] = set()
        self.changes = 0
        self.names: set[str] = set()
        self._last = ""

    def on_call(self, frame: FrameType, event: str, _: Any) -> None:
        """What `sys.setprofile` is given."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(PACKAGES):
            return
        self.calls += 1
        self.functions.add((code.co_filename, code.co_qualname))
        self.changes += code.co_filename != self._last
        self._last = code.co_filename
        for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            if name != "self" and type(frame.f_locals.get(name)).__name__ in FOLLOWED:
                self.names.add(name)

    def __str__(self) -> str:
        files = len({file for file, _ in self.functions})
        return (
            f"{self.calls} calls, {len(self.functions)} functions, {files} files, "
            f"{self.changes} changes of file, {len(self.names)} names: "
            f"{', '.join(sorted(self.names))}"
        )


@contextmanager
def counted(road: Road) -> Iterator[None]:
    """Count in this thread: the recording is done in it."""
    sys.setprofile(road.on_call)
    try:
        yield
    finally:
        sys.setprofile(None)


def step(number: int) -> bytes:
    """The body of a request to record a step."""
    body = {
        "run": {"run_id": f"run-{number}", "flow_id": "flow-1", "label": "Ni, 300 K"},
        "step": {"name": "Train", "status": "SUCCEEDED"},
        "parameters": {"epochs": 3},
        "inputs": ["globus://c/scan-17.h5", "globus://c/setup.cfg"],
        "outputs": [f"globus://c/weights-{number}.pt"],
        "models": [{"name": "braggnn", "how": "trained", "trained_on": ["globus://c/scan-17.h5"]}],
    }
    return json.dumps({"request_id": f"request-{number}", "body": body}).encode()


def main() -> None:
    from action_provider.app import create_app
    from flows.sandbox import Sandbox

    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        client = sandbox.add_client("braid")
        scope = sandbox.add_scope(client, "action_all")
        os.environ.update(
            sandbox.environ(),
            BRAID_CLIENT_ID=client.client_id,
            BRAID_CLIENT_SECRET=client.client_secret,
            BRAID_SCOPE=scope,
            BRAID_RECORDING="threads",
            BRAID_LANES="threads",
            BRAID_STORE_URL=f"sqlite:///{folder}/braid.db",
        )
        token = sandbox.token_for(sandbox.add_identity("ada@example.org"), scope)
        callers = create_app().test_client()
        road = Road()
        for number in range(3):  # the last one is counted: what is made once is there then
            ask = {
                "data": step(number),
                "headers": {"Authorization": f"Bearer {token}"},
                "content_type": "application/json",
            }
            if number < 2:
                answer = callers.post("/record/run", **ask)
            else:
                with counted(road):
                    answer = callers.post("/record/run", **ask)
            if answer.status_code not in (200, 202):
                raise SystemExit(f"{answer.status_code}: {answer.get_data(as_text=True)}")
    print(road)


if __name__ == "__main__":
    main()
