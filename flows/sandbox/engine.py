"""What all runs of a sandbox share: tokens, stand-ins, timing, limits, and their threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from flows.sandbox.actions import ECHO, provider_for
from flows.sandbox.run import Run
from flows.sandbox.times import Timing
from flows.sandbox.tokens import TokenStore
from flows.sandbox.web_inputs import WebInputs

__all__ = ["Engine", "Limits", "StandIn", "Unmapped"]

Unmapped = Literal["echo", "refuse"]


@dataclass(frozen=True)
class Limits:
    """What a run may grow to."""

    state_bytes: int = 200_000
    """Largest state of a run, in bytes of JSON (200 KB in production)."""
    visits: int = 10_000
    """Most states that one run may visit; only the sandbox has this limit."""


@dataclass(frozen=True)
class StandIn:
    """A sandbox provider as runs call it."""

    url: str
    scope: str


@dataclass
class Engine:
    """Starts runs, each in a thread of its own, and stops them all."""

    tokens: TokenStore
    timing: Timing
    limits: Limits
    unmapped: Unmapped
    web_inputs: WebInputs = field(default_factory=WebInputs)
    stand_ins: dict[str, StandIn] = field(default_factory=dict)
    scopes: dict[str, str] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    """Beginnings of hosted addresses for which answers were given."""
    http_timeout: float = 30.0

    def __post_init__(self) -> None:
        self._threads: dict[threading.Thread, Run] = {}
        self._lock = threading.Lock()

    def stand_in(self, action_url: str) -> StandIn | None:
        """The provider for an address that is not on this machine, or None to refuse it."""
        if any(action_url.startswith(beginning) for beginning in self.answered):
            return self.stand_ins[ECHO]
        name = provider_for(action_url)
        if name is None and self.unmapped == "refuse":
            return None
        return self.stand_ins[name or ECHO]

    def start(self, run: Run, interpret: Callable[[Run, Engine], None]) -> None:
        """Executes a run in the background."""
        name = f"run-{run.run_id}"
        thread = threading.Thread(target=interpret, args=(run, self), name=name, daemon=True)
        with self._lock:
            self._threads = {t: r for t, r in self._threads.items() if t.is_alive()}
            self._threads[thread] = run
            thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Cancels all runs and waits for their threads."""
        with self._lock:
            threads = dict(self._threads)
        for run in threads.values():
            run.cancel()
        for thread in threads:
            thread.join(timeout)
