"""The Action state: where it goes, as whom; run the action, poll it to the end, judge the
result."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from flows.sandbox.states import Outcome, RunCanceled, StateFailed, Step
from flows.sandbox.webserver import Answer, call, is_loopback

__all__ = ["ECHO", "Target", "action_state", "action_token", "find_target", "provider_for"]

ECHO = "echo"
"""The provider for everything that has no stand-in of its own."""

_ACTIONS = r"https://actions(?:\.automate)?\.globus\.org"
_TRANSFER = rf"(?:{_ACTIONS}/transfer|https://transfer\.actions\.globus\.org)"

_TABLE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern + r"/?$"), provider)
    for pattern, provider in (
        (rf"{_TRANSFER}(?:/transfer)?", "transfer"),
        (rf"{_TRANSFER}/ls", "ls"),
        (rf"{_TRANSFER}/stat", "stat"),
        (rf"{_TRANSFER}/collection_info", "collection_info"),
        (rf"{_TRANSFER}/mkdir", "mkdir"),
        (rf"{_TRANSFER}/delete", "delete"),
        (r"https://compute\.actions\.globus\.org(?:/v2|/v3|/fxap)?", "compute"),
        (r"https://(?:api\.funcx\.org|automate\.funcx\.org)(?:/automate)?", "funcx"),
        (rf"{_ACTIONS}/hello_world", "hello"),
        (r"https://hello-world\.actions\.globus\.org(?:/.*)?", "hello"),
        (rf"{_ACTIONS}/expression_eval", "expression"),
    )
)


def provider_for(action_url: str) -> str | None:
    """The name of the stand-in for a hosted action URL, or None when there is none."""
    for pattern, provider in _TABLE:
        if pattern.match(action_url):
            return provider
    return None


@dataclass(frozen=True)
class Target:
    """The provider that is really called; `named` is the address in the definition."""

    url: str
    scope: str
    named: str
    headers: dict[str, str] = field(default_factory=dict)


def find_target(step: Step) -> Target:
    """The provider of an Action. Raises StateFailed (ActionUnableToRun) when it has none."""
    url, scope = _named(step.definition)
    if is_loopback(url):
        return Target(url.rstrip("/"), scope or _scope_of(step, url.rstrip("/")), url)
    provider = step.engine.stand_in(url)
    if provider is None:
        raise StateFailed(
            "ActionUnableToRun",
            {"code": "NotReachable", "description": f"{url} has no stand-in in this sandbox."},
        )
    return Target(provider.url, provider.scope, url, {"X-Sandbox-Action-Url": url})


def _named(definition: dict[str, Any]) -> tuple[str, str | None]:
    handler = definition.get("Handler")
    if isinstance(handler, str):
        return handler, None
    if isinstance(handler, dict):
        url = handler.get("Url") or f"urn:globus:flows:registered-api:{handler.get('Id')}"
        return str(url), handler.get("Scope")
    return str(definition["ActionUrl"]), definition.get("ActionScope")


def _scope_of(step: Step, url: str) -> str:
    """The scope that a provider says it needs; asked once for each address."""
    known = step.engine.scopes.get(url)
    if known is not None:
        return known
    try:
        answer = call("GET", f"{url}/", timeout=step.engine.http_timeout)
    except OSError as error:
        raise StateFailed("ActionUnableToRun", _unreachable(url, error)) from None
    scope = answer.body.get("globus_auth_scope") if isinstance(answer.body, dict) else None
    if answer.status != 200 or not isinstance(scope, str):
        raise StateFailed("ActionUnableToRun", answer.body)
    step.engine.scopes[url] = scope
    return scope


def _unreachable(url: str, error: OSError) -> dict[str, str]:
    return {"code": "ConnectionError", "description": f"{url}: {error}"}


def action_token(step: Step, scope: str) -> str:
    """A new token for an action's scope: the RunAs identity's, issued to the flow's client."""
    role = step.definition.get("RunAs", "User")
    engine, flow_id = step.engine, step.run.flow.id
    identity_id = step.run.owner.id
    if role == "Flow":
        identity_id = flow_id
    elif role != "User":
        given = engine.tokens.find(step.run.role_tokens.get(role, ""))
        if given is None:
            raise StateFailed(
                "ActionUnableToRun",
                {"code": "MissingToken", "description": f"_tokens has no valid token for {role}."},
            )
        identity_id = given.identity_id
    issued = engine.tokens.issue(identity_id, flow_id, scope, consents=step.run.consents)
    return issued[0].text


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
