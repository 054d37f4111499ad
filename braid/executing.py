"""Running a command for `braid exec`, and where it ran."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from braid.settings import JOB_VARIABLES
from provenance_store.undecoded import escaped

__all__ = ["Finished", "job_environment", "run"]

NOT_FOUND = 127
NOT_EXECUTABLE = 126

PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Sent to us in the command's place: by batch systems, supervisors and people."""
FROM_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""The command gets them from the terminal as we do."""


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
    if isinstance(error, FileNotFoundError):
        return f"{program}: the command was not found."
    return f"{program}: the command cannot be run: {error.strerror}."


def _wait_for(command: Sequence[str]) -> int:
    """Run it. What is not ignored already (`nohup`, a job in the background) is handled here for
    so long: the record is written after a signal too."""
    running: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if number in PASSED_ON:
            running[0].send_signal(number) if running else early.append(number)

    numbers = (*PASSED_ON, *FROM_THE_TERMINAL)
    handled = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in handled}
    try:
        # What the shell opened for the command stays open: `<(...)` is a file descriptor.
        running.append(subprocess.Popen(command, close_fds=False))
        for number in early:
            running[0].send_signal(number)
        return running[0].wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def job_environment() -> dict[str, Any]:
    """Where the command ran: machine, system, and what the batch system says of the job.

    Never raises: a part that cannot be read says why in ``unreadable``.
    """
    from provenance_store.environment import hardware, read_parts, system

    return read_parts({"hardware": hardware, "software": lambda: {"system": system()}, "job": _job})


def _job() -> dict[str, Any]:
    job = {setting.name: setting.get() for setting in JOB_VARIABLES}
    return {name: escaped(value) for name, value in job.items() if value}
