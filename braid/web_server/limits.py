"""How much one worker process of `braid serve` takes from its callers, and how long it waits."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Limits", "allow_descriptors", "connections_possible"]

DESCRIPTORS_WANTED = 8192
DESCRIPTORS_OF_A_THREAD = 4
"""A thread that answers has a database connection (SQLite: three files) or a socket to Globus."""
DESCRIPTORS_RESERVED = 16
FEWEST_CONNECTIONS = 4
OPEN_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True)
class Limits:
    """Bounds of one worker; times in seconds, sizes in bytes.

    A request has `head_seconds` from its connection or first byte to the end of its head. Its body
    has `body_seconds` plus the time that it takes at `body_rate` bytes a second, at most
    `body_most_seconds`: a sender of one byte a second is cut off soon, a slow upload is not.
    """

    connections: int = 1000
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    body_rate: int = 16 * 1024
    body_most_seconds: float = 300.0
    answer_seconds: float = 60.0
    linger_seconds: float = 10.0
    linger_idle_seconds: float = 2.0
    head_bytes: int = 64 * 1024
    body_bytes: int = 16 << 20
    """Larger bodies are read by the thread that answers, if the application wants them at all."""
    bodies_bytes: int = 64 << 20
    """All bodies together that are on their way."""
    answers_bytes: int = 128 << 20
    """All answers together that wait to be read."""

    @property
    def unfinished_per_address(self) -> int:
        """How many connections of one address may be on their way to a complete request."""
        return max(FEWEST_CONNECTIONS, self.connections // 4)

    def body_deadline(self, begun: float, received: int) -> float:
        """When a body that began then, and of which so much is here, is given up."""
        allowed = self.body_seconds + received / self.body_rate
        return begun + min(allowed, self.body_most_seconds)


def allow_descriptors() -> None:
    """Raise this process's soft limit of open files; the usual 1,024 is for programs with select.

    A system that forbids it leaves the limit as it is.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections_possible(wanted: int, *, threads: int) -> int:
    """How many connections this process can hold without taking the descriptors of its threads."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    open_now = len(os.listdir(OPEN_DESCRIPTORS)) if OPEN_DESCRIPTORS.is_dir() else 0
    left = soft - open_now - DESCRIPTORS_RESERVED - DESCRIPTORS_OF_A_THREAD * threads
    return max(FEWEST_CONNECTIONS, min(wanted, left))
