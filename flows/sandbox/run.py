"""Runs as the stand-in for the Flows service keeps them: status, details and log."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.language.context import RunContext
from flows.language.templates import strip_private
from flows.sandbox.directory import Identity
from flows.sandbox.flow import Flow
from flows.sandbox.times import now_text

__all__ = ["FINAL", "Run", "RunStore"]

FINAL = frozenset({"SUCCEEDED", "FAILED", "ENDED"})


@dataclass
class Run:
    """One run. The interpreter's thread writes status, details and log; others read."""

    flow: Flow
    owner: Identity
    context: RunContext
    input: dict[str, Any]
    label: str
    tags: list[str]
    managers: list[str]
    monitors: list[str]
    role_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    start_time: str = field(default_factory=now_text)
    completion_time: str | None = None
    status: str = "ACTIVE"
    details: dict[str, Any] = field(default_factory=dict)
    blocking_web_input_id: str | None = None
    consents: set[str] = field(default_factory=set)
    log: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.definition = self.flow.fields["definition"]
        self.input_schema = self.flow.fields["input_schema"]
        self.flow_title = self.flow.fields["title"]
        self.flow_last_updated = self.flow.updated_at
        self.canceled = threading.Event()
        self.finished = threading.Event()
        self._wake = threading.Event()
        self.resumed = False
        self.details = {
            "code": "FlowStarting",
            "description": "The Flow is starting execution",
            "details": {"input": strip_private(self.input)},
        }

    def wait(self, seconds: float) -> None:
        """Waits, but no longer than until somebody wakes the run."""
        self._wake.wait(seconds)
        self._wake.clear()

    def wait_until(self, deadline: float) -> None:
        """Waits to a time of time.monotonic(), through wakings, unless canceled."""
        while not self.canceled.is_set() and (left := deadline - time.monotonic()) > 0:
            self.wait(left)

    def cancel(self) -> None:
        """Asks the interpreter to stop as soon as it can."""
        self.canceled.set()
        self._wake.set()

    def resume(self, consents: frozenset[str] = frozenset()) -> None:
        """Asks the interpreter to look again, with what was consented to since."""
        self.consents |= consents
        self.resumed = True
        self._wake.set()

    def wake(self) -> None:
        """Lets a waiting interpreter look again."""
        self._wake.set()

    def take_resume(self) -> bool:
        """Whether the run was resumed since this was last asked."""
        resumed, self.resumed = self.resumed, False
        return resumed

    def add_log(self, code: str, description: str, details: dict[str, Any]) -> None:
        """Appends a log entry; members named ``_private...`` are left out."""
        entry = {
            "time": now_text(),
            "code": code,
            "description": description,
            "details": strip_private(details),
        }
        self.log.append(entry)

    def finish(self, status: str, details: dict[str, Any]) -> None:
        """Makes a status final."""
        self.details = strip_private(details)
        self.completion_time = now_text()
        self.blocking_web_input_id = None
        self.status = status
        self.finished.set()

    def roles(self, principals: frozenset[str]) -> list[str]:
        """The roles that principals have in this run, strongest first."""
        fields = self.flow.fields
        held = (
            ("run_owner", {self.owner.urn}),
            ("run_manager", set(self.managers)),
            ("run_monitor", set(self.monitors)),
            ("flow_run_manager", set(fields["run_managers"])),
            ("flow_run_monitor", set(fields["run_monitors"])),
        )
        return [role for role, urns in held if principals & urns]

    def document(self, roles: list[str]) -> dict[str, Any]:
        """The run as somebody with these roles sees it."""
        shown = {
            "run_id": self.run_id,
            "action_id": self.run_id,
            "flow_id": self.flow.id,
            "flow_title": self.flow_title,
            "flow_last_updated": self.flow_last_updated,
            "start_time": self.start_time,
            "status": self.status,
            "display_status": self.status,
            "details": self.details,
            "label": self.label,
            "tags": self.tags,
            "run_owner": self.owner.urn,
            "created_by": self.owner.urn,
            "run_managers": self.managers,
            "run_monitors": self.monitors,
            "manage_by": self.managers,
            "monitor_by": self.monitors,
            "user_role": roles[0],
            "user_roles": roles,
            "blocking_web_input_id": self.blocking_web_input_id,
        }
        return shown | ({"completion_time": self.completion_time} if self.completion_time else {})


class RunStore:
    """All runs that were not released, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}

    def add(self, run: Run) -> None:
        """Keeps a run."""
        with self._lock:
            self._runs[run.run_id] = run

    def get(self, run_id: str) -> Run | None:
        """The run with an id."""
        return self._runs.get(run_id)

    def remove(self, run_id: str) -> None:
        """Forgets a run."""
        with self._lock:
            self._runs.pop(run_id, None)

    def all(self) -> list[Run]:
        """All runs, oldest first."""
        with self._lock:
            return list(self._runs.values())
