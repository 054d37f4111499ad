"""What all sandbox providers have in common: actions, where they are kept, and the action API in
both styles.

The life of an action: a request becomes an Action. `Provider.start` either finishes it at once or
hands a job to the worker threads; then its status stays ACTIVE until the job ends. It can be
canceled before that, and released afterwards.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, jsonify, request
from jsonschema import Draft7Validator

from flows.sandbox.directory import Directory, Identity
from flows.sandbox.times import Timing, now_text
from flows.sandbox.tokens import Token, TokenStore

__all__ = ["Action", "ActionFailed", "ActionRefused", "Provider", "ProviderRoutes", "Workers"]


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


Answer = tuple[Response, int]
_REQUEST_KEYS = frozenset(
    {"request_id", "body", "label", "monitor_by", "manage_by"}
    | {"allowed_clients", "deadline", "release_after"}
)


class ProviderRoutes:
    """The routes of one provider, with token and access checks."""

    def __init__(self, provider: Provider, directory: Directory, tokens: TokenStore) -> None:
        self.provider = provider
        self.directory = directory
        self.tokens = tokens

    def blueprint(self) -> Blueprint:
        """Old style (``/run``, ``/{id}/status``) and new (``/actions``, ``/actions/{id}``)."""
        routes = Blueprint(f"provider_{self.provider.name}", __name__)
        routes.register_error_handler(ActionRefused, _refused)
        routes.add_url_rule("/", view_func=self.describe)
        routes.add_url_rule("/actions", view_func=self.enumerate, methods=["GET"])
        for path in ("/run", "/actions"):
            routes.add_url_rule(path, f"run{path}", self.run, methods=["POST"])
        for path in ("/<action_id>/status", "/actions/<action_id>"):
            routes.add_url_rule(path, f"status{path}", self.status, methods=["GET"])
        for verb in (self.cancel, self.resume, self.release):
            for prefix in ("", "/actions"):
                path = f"{prefix}/<action_id>/{verb.__name__}"
                routes.add_url_rule(path, f"{verb.__name__}{prefix}", verb, methods=["POST"])
        routes.add_url_rule("/actions/<action_id>", "delete", self.release, methods=["DELETE"])
        return routes

    def describe(self) -> Answer:
        """GET /"""
        provider = self.provider
        document = {
            "types": ["Action"],
            "api_version": "1.0",
            "globus_auth_scope": provider.scope,
            "title": provider.title,
            "subtitle": "A sandbox action provider",
            "description": provider.__doc__ or "",
            "keywords": [],
            "visible_to": ["public"],
            "runnable_by": ["all_authenticated_users"],
            "administered_by": [],
            "admin_contact": "sandbox@localhost",
            "synchronous": provider.synchronous,
            "log_supported": False,
            "maximum_deadline": "P30D",
            "input_schema": provider.input_schema,
            "event_types": [],
        }
        return jsonify(document), 200

    def run(self) -> Answer:
        """POST /run"""
        token = self._token()
        identity = self.directory.identity(token.identity_id)
        body: Any = request.get_json(silent=True)
        self._check(body)
        if identity is None:
            raise ActionRefused(401, "Unauthorized", "The token's owner is not known.")
        action = Action(
            request=body,
            creator=identity,
            principals=self.directory.principals_of(identity),
            consents=token.consents,
            named_url=request.headers.get("X-Sandbox-Action-Url"),
            action_id=self.provider.new_id(),
        )
        found, new = self.provider.add(action)
        return jsonify(found.document()), 202 if new else 200

    def _check(self, body: Any) -> None:
        if not isinstance(body, dict) or not isinstance(body.get("body"), dict):
            raise ActionRefused(422, "RequestValidationError", "body must be an object.")
        if not isinstance(body.get("request_id"), str) or set(body) - _REQUEST_KEYS:
            raise ActionRefused(422, "RequestValidationError", "The request is not valid.")
        for error in Draft7Validator(self.provider.input_schema).iter_errors(body["body"]):
            text = f"{error.json_path}: {error.message}"
            raise ActionRefused(422, "RequestValidationError", text)

    def status(self, action_id: str) -> Answer:
        """GET /{id}/status"""
        return jsonify(self._action(action_id).document()), 200

    def cancel(self, action_id: str) -> Answer:
        """POST /{id}/cancel"""
        action = self._action(action_id, manage=True)
        if action.final:
            raise ActionRefused(409, "Conflict", "The action is final.")
        self.provider.cancel(action)
        return jsonify(action.document()), 200

    def resume(self, action_id: str) -> Answer:
        """POST /{id}/resume"""
        action = self._action(action_id, manage=True)
        action.consents |= self._token().consents
        if not action.final:
            self.provider.resume(action)
        return jsonify(action.document()), 200

    def release(self, action_id: str) -> Answer:
        """POST /{id}/release, DELETE /actions/{id}"""
        action = self._action(action_id, manage=True)
        if not action.final:
            raise ActionRefused(409, "Conflict", "The action is not final.")
        self.provider.release(action)
        return jsonify(action.document()), 200

    def enumerate(self) -> Answer:
        """GET /actions"""
        token = self._token()
        actions = [a for a in self.provider.all() if a.creator.id == token.identity_id]
        return jsonify({"actions": [action.document() for action in actions]}), 200

    def _token(self) -> Token:
        given = request.authorization
        token = self.tokens.find(given.token or "") if given and given.type == "bearer" else None
        if token is None:
            raise ActionRefused(401, "Unauthorized", "The token is not valid.")
        if self.provider.scope not in token.scopes:
            raise ActionRefused(403, "Forbidden", f"The token lacks {self.provider.scope}.")
        return token

    def _action(self, action_id: str, *, manage: bool = False) -> Action:
        token = self._token()
        action = self.provider.find(action_id)
        identity = self.directory.identity(token.identity_id)
        held = self.directory.principals_of(identity) if identity else frozenset()
        if action is None or not held & _visible_to(action):
            raise ActionRefused(404, "NotFound", f"There is no action {action_id}.")
        managers = {action.creator.urn, *(action.request.get("manage_by") or ())}
        if manage and not held & managers:
            raise ActionRefused(403, "Forbidden", "Only managers may do this.")
        return action


def _visible_to(action: Action) -> set[str]:
    named = (action.request.get("monitor_by") or [], action.request.get("manage_by") or [])
    return {action.creator.urn, *named[0], *named[1]}


def _refused(error: ActionRefused) -> Answer:
    return jsonify({"code": error.code, "description": error.description}), error.status
