"""What all sandbox providers have in common: actions, and where they are kept.

The life of an action: a request becomes an Action; `Provider.start` either finishes it at once
or hands a job to the worker threads, in which case its status stays ACTIVE until the job
ends; it can be canceled before, and released after.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from flows.sandbox.directory import Identity
from flows.sandbox.times import Timing, now_text

__all__ = ["Action", "ActionFailed", "ActionRefused", "Provider", "Workers"]


class ActionRefused(Exception):
    """The run request is refused with an HTTP status, a code and a description."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description


class ActionFailed(Exception):
    """The action ends FAILED with these details."""

    def __init__(self, details: dict[str, Any], display_status: str = "FAILED") -> None:
        super().__init__(display_status)
        self.details = details
        self.display_status = display_status


@dataclass
class Action:
    """One action of a provider; status and details change until it is final."""

    request: dict[str, Any]
    creator: Identity
    principals: frozenset[str]
    consents: frozenset[str]
    named_url: str | None
    action_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "ACTIVE"
    display_status: str = "ACTIVE"
    details: Any = field(default_factory=dict)
    start_time: str = field(default_factory=now_text)
    completion_time: str | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.canceled = threading.Event()

    @property
    def body(self) -> dict[str, Any]:
        """What the action was asked to do."""
        return dict(self.request["body"])

    @property
    def final(self) -> bool:
        """Whether the status can no longer change."""
        return self.status in ("SUCCEEDED", "FAILED")

    def finish(self, status: str, details: Any, display_status: str | None = None) -> None:
        """Makes a status final; later calls change nothing."""
        with self._lock:
            if self.final:
                return
            self.details = details
            self.display_status = display_status or status
            self.completion_time = now_text()
            self.status = status

    def document(self) -> dict[str, Any]:
        """The action status."""
        return {
            "action_id": self.action_id,
            "status": self.status,
            "display_status": self.display_status,
            "details": self.details,
            "creator_id": self.creator.urn,
            "label": self.request.get("label"),
            "monitor_by": self.request.get("monitor_by") or [],
            "manage_by": self.request.get("manage_by") or [],
            "start_time": self.start_time,
            "completion_time": self.completion_time,
            "release_after": self.request.get("release_after") or "P30D",
        }


class Workers:
    """The threads in which jobs of asynchronous providers run."""

    def __init__(self, timing: Timing, count: int = 4) -> None:
        self.timing = timing
        self.stopping = threading.Event()
        self._on_stop: list[Callable[[], None]] = []
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="sandbox-job")

    def submit(self, action: Action, job: Callable[[Action], Any]) -> None:
        """Runs a job for an action: what it returns are the details, unless it raises."""
        self._pool.submit(self.settle, action, job)

    def settle(self, action: Action, job: Callable[[Action], Any]) -> None:
        """Does a job now, and makes its outcome the action's final status."""
        try:
            action.finish("SUCCEEDED", job(action))
        except ActionFailed as failure:
            action.finish("FAILED", failure.details, failure.display_status)
        except Exception as error:
            described = {"code": type(error).__name__, "description": str(error)}
            action.finish("FAILED", described)

    def on_stop(self, do: Callable[[], None]) -> None:
        """Something to do when the sandbox stops, to end jobs early."""
        self._on_stop.append(do)

    def stop(self) -> None:
        """Ends all jobs and waits for the threads."""
        self.stopping.set()
        for do in self._on_stop:
            do()
        self._pool.shutdown(wait=True, cancel_futures=True)


class Provider:
    """An action provider; subclasses say what an action does.

    `scope` and `workers` are set when the provider is added to a sandbox.
    """

    name = ""
    title = ""
    synchronous = True
    input_schema: dict[str, Any] = {"type": "object"}  # noqa: RUF012
    scope = ""
    workers: Workers

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._actions: dict[str, Action] = {}
        self._requests: dict[tuple[str, str], str] = {}

    def new_id(self) -> str:
        """An id for a new action."""
        return str(uuid.uuid4())

    def check(self, action: Action) -> None:
        """Raises ActionRefused for a body that cannot be acted on."""

    def perform(self, action: Action) -> Any:
        """Does the work and returns the details; raises ActionFailed when it does not succeed."""
        raise NotImplementedError

    def start(self, action: Action) -> None:
        """Does the work now, or in the background when the provider is asynchronous."""
        if self.synchronous:
            self.workers.settle(action, self.perform)
        else:
            self.workers.submit(action, self.perform)

    def cancel(self, action: Action) -> None:
        """Ends an action that is not final."""
        action.canceled.set()
        details = {"code": "Canceled", "description": "The action was canceled."}
        action.finish("FAILED", details, "CANCELED")

    def resume(self, action: Action) -> None:
        """Looks again at an action that waits for somebody."""

    def add(self, action: Action) -> tuple[Action, bool]:
        """Starts an action, and says whether it is new: a repeated request_id finds the first.

        Raises ActionRefused; 409 when the same request_id came with another body.
        """
        key = (action.creator.id, str(action.request["request_id"]))
        with self._lock:
            known = self._actions.get(self._requests.get(key, ""))
            if known is not None:
                if known.body != action.body:
                    raise ActionRefused(409, "Conflict", "The request_id was used before.")
                return known, False
            self.check(action)
            self._actions[action.action_id] = action
            self._requests[key] = action.action_id
        self.start(action)
        return action, True

    def find(self, action_id: str) -> Action | None:
        """The action with an id."""
        return self._actions.get(action_id)

    def all(self) -> list[Action]:
        """All actions that were not released, oldest first."""
        with self._lock:
            return list(self._actions.values())

    def release(self, action: Action) -> None:
        """Forgets an action."""
        with self._lock:
            self._actions.pop(action.action_id, None)
