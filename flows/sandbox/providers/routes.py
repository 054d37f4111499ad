"""The action API in both route styles, for any sandbox provider."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from jsonschema import Draft7Validator

from flows.sandbox.directory import Directory
from flows.sandbox.providers.base import Action, ActionRefused, Provider
from flows.sandbox.tokens import Token, TokenStore

__all__ = ["ProviderRoutes"]

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
