"""Running a command for `braid exec`, and what is recorded of it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from braid.settings import JOB_VARIABLES

__all__ = ["Finished", "job_environment", "run"]

NOT_FOUND = 127
NOT_EXECUTABLE = 126


@dataclass(frozen=True)
class Finished:
    """How a command ended; times are microseconds UTC, `code` is as a shell gives it."""

    code: int
    started_at: int
    completed_at: int
    problem: str | None = None
    """Why it could not be started, in a sentence."""


def run(command: Sequence[str]) -> Finished:
    """Run a command to its end, with our own input and output; signals go on to it.

    A command that cannot be started has the code that a shell would give, 126 or 127.
    """
    from provenance_store.ids import now

    start = now()
    problem = None
    try:
        code = _wait_for(command)
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        problem = _problem(command[0], error)
    return Finished(128 - code if code < 0 else code, start, now(), problem)


def _problem(program: str, error: OSError) -> str:
    shown = "".join(c if c.isprintable() else " " for c in program)
    if isinstance(error, FileNotFoundError):
        return f"{shown}: the command was not found."
    return f"{shown}: the command cannot be run: {error.strerror}."


def _wait_for(command: Sequence[str]) -> int:
    """Run it. SIGTERM goes on to it; Ctrl-C it gets from the terminal as we do."""
    running: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            running[0].send_signal(number) if running else early.append(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        running.append(subprocess.Popen(command))
        for number in early:
            running[0].send_signal(number)
        return running[0].wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def job_environment() -> dict[str, Any]:
    """Where the command ran: machine, system, and what the batch system says of the job."""
    from provenance_store.environment import current_environment

    here = current_environment()
    job = {setting.name: value for setting in JOB_VARIABLES if (value := setting.get())}
    return {
        "hardware": here["hardware"],
        "software": {"system": here["software"]["system"]},
        "job": job,
    }
