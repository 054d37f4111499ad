"""The Action state: run a provider's action, poll it to the end, and judge the result."""

from __future__ import annotations

import time
import uuid
from typing import Any

from flows.sandbox.loopback import Answer, call
from flows.sandbox.outcome import Outcome, RunCanceled, StateFailed, Step
from flows.sandbox.targets import Target, action_token, find_target

__all__ = ["action_state"]

DEFAULT_WAIT = 300
RUN_ATTEMPTS = 3
_TRY_AGAIN = frozenset({429, 502, 503, 504})
_STATUS_KEYS = [
    "action_id",
    "status",
    "details",
    "creator_id",
    "display_status",
    "label",
    "manage_by",
    "monitor_by",
    "release_after",
    "start_time",
    "completion_time",
]
_STATUSES = frozenset({"ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"})


def action_state(step: Step) -> Outcome:
    """Runs one action to its end.

    Raises StateFailed: ActionUnableToRun when it cannot be started, ActionTimeout when it takes
    longer than WaitTime, ActionFailedException when it fails and the state says that matters.
    """
    body = step.body()
    if not isinstance(body, dict):
        raise StateFailed("States.Runtime", "The body of an action must be an object.")
    call_ = _Call(step, find_target(step))
    status = call_.follow(call_.start(body))
    result = {key: status.get(key) for key in _STATUS_KEYS} | {"state_name": step.name}
    if status["status"] == "FAILED" and step.definition.get("ExceptionOnActionFailure", True):
        raise StateFailed("ActionFailedException", result)
    return step.done(result)


class _Call:
    """One action, from run to its final status."""

    def __init__(self, step: Step, target: Target) -> None:
        self.step = step
        self.target = target
        self.token = action_token(step, target.scope)
        seconds = step.definition.get("WaitTime", DEFAULT_WAIT)
        self.deadline = time.monotonic() + seconds * step.engine.timing.wait_time_scale

    def start(self, body: dict[str, Any]) -> dict[str, Any]:
        """Sends the run request, again with the same request_id when no answer comes."""
        run = self.step.run
        request: dict[str, Any] = {
            "request_id": str(uuid.uuid4()),
            "body": body,
            "monitor_by": run.monitors,
            "manage_by": run.managers,
        }
        if run.label:
            request["label"] = run.label[:64]
        for attempt in range(RUN_ATTEMPTS):
            try:
                answer = self._http("POST", "/run", request)
            except OSError as error:
                answer = Answer(503, {"code": "ConnectionError", "description": str(error)})
            if answer.status not in _TRY_AGAIN or attempt == RUN_ATTEMPTS - 1:
                break
            self._pause(attempt)
        if answer.status not in (200, 201, 202) or not _is_status(answer.body):
            raise StateFailed("ActionUnableToRun", answer.body)
        return dict(answer.body)

    def follow(self, status: dict[str, Any]) -> dict[str, Any]:
        """Polls until the status is final."""
        attempt = 0
        while status["status"] in ("ACTIVE", "INACTIVE"):
            self._show(status)
            if time.monotonic() >= self.deadline:
                raise StateFailed("ActionTimeout", status | {"state_name": self.step.name})
            self._pause(attempt, status)
            attempt += 1
            status = self._resume(status) if self.step.run.take_resume() else self._poll(status)
        self._show(status)
        return status

    def _poll(self, last: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._http("GET", f"/{last['action_id']}/status")
        except OSError:
            return last
        if answer.status >= 500:
            return last
        if answer.status != 200 or not _is_status(answer.body):
            raise StateFailed("ActionUnableToRun", answer.body)
        return dict(answer.body)

    def _resume(self, last: dict[str, Any]) -> dict[str, Any]:
        """Tells the provider to go on, with a token that carries what was consented to."""
        self.token = action_token(self.step, self.target.scope)
        try:
            answer = self._http("POST", f"/{last['action_id']}/resume")
        except OSError:
            return last
        return dict(answer.body) if answer.status == 200 and _is_status(answer.body) else last

    def _pause(self, attempt: int, status: dict[str, Any] | None = None) -> None:
        """Waits for the next poll; on cancellation cancels the action too."""
        run = self.step.run
        left = max(0.0, self.deadline - time.monotonic())
        if not run.canceled.is_set():
            run.wait(min(self.step.engine.timing.poll(attempt), left))
        if run.canceled.is_set():
            if status is not None:
                self._cancel(status)
            raise RunCanceled

    def _cancel(self, status: dict[str, Any]) -> None:
        try:
            self._http("POST", f"/{status['action_id']}/cancel")
        except OSError:
            return

    def _show(self, status: dict[str, Any]) -> None:
        """Shows in the run whether it waits for somebody."""
        run = self.step.run
        if status["status"] != "INACTIVE":
            run.status = "ACTIVE"
            return
        details = status.get("details")
        found = details if isinstance(details, dict) else {}
        run.details = {
            "code": found.get("code", "ActionInactive"),
            "description": found.get("description", "The action waits for somebody."),
            "state_name": self.step.name,
            "action_statuses": [status],
        }
        if isinstance(required := found.get("required_scope"), str):
            # The consent is one to the flow: that its run may have the action do this.
            run.details["required_scope"] = f"{run.flow.scope}[{required}]"
        if "authorization_parameters" in found:
            run.details["authorization_parameters"] = found["authorization_parameters"]
        run.status = "INACTIVE"

    def _http(self, method: str, path: str, body: Any = None) -> Answer:
        if method == "POST" and body is None:
            body = {}
        return call(
            method,
            self.target.url + path,
            token=self.token,
            body=body,
            headers=self.target.headers,
            timeout=self.step.engine.http_timeout,
        )


def _is_status(body: Any) -> bool:
    return (
        isinstance(body, dict)
        and isinstance(body.get("action_id"), str)
        and body.get("status") in _STATUSES
    )
