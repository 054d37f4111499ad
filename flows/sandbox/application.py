"""The one WSGI application of a sandbox: all services under their prefixes."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from flows.sandbox.auth import auth_blueprint
from flows.sandbox.caller import Doorkeeper
from flows.sandbox.directory import Directory
from flows.sandbox.engine import Engine, StandIn
from flows.sandbox.flow import FlowStore
from flows.sandbox.flow_errors import FlowsError
from flows.sandbox.flows_api import FlowsApi
from flows.sandbox.groups import groups_blueprint
from flows.sandbox.providers.base import Provider, Workers
from flows.sandbox.providers.routes import ProviderRoutes
from flows.sandbox.run import RunStore
from flows.sandbox.runs_api import RunsApi

__all__ = ["add_provider", "build_application"]

log = logging.getLogger(__name__)


def build_application(directory: Directory, engine: Engine) -> Flask:
    """``/auth``, ``/groups`` and ``/flows``; providers are added with `add_provider`."""
    app = Flask("sandbox")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    doorkeeper = Doorkeeper(directory, engine.tokens)
    runs = RunStore()
    flows_api = FlowsApi(directory, doorkeeper, engine, FlowStore(), runs)
    app.register_blueprint(auth_blueprint(directory, engine.tokens), url_prefix="/auth")
    app.register_blueprint(groups_blueprint(directory, engine.tokens), url_prefix="/groups")
    app.register_blueprint(flows_api.blueprint(), url_prefix="/flows")
    app.register_blueprint(RunsApi(doorkeeper, engine, runs).blueprint(), url_prefix="/flows")
    app.register_error_handler(FlowsError, _flows_error)
    app.register_error_handler(Exception, _any_error)
    return app


def add_provider(
    app: Flask, provider: Provider, directory: Directory, engine: Engine, workers: Workers
) -> None:
    """Mounts a provider under ``/providers/<name>``, with a client and a scope of its own."""
    client = directory.add_client(f"Sandbox provider {provider.name}")
    provider.scope = directory.add_scope(client, "action_all")
    provider.workers = workers
    path = f"/providers/{provider.name}"
    routes = ProviderRoutes(provider, directory, engine.tokens)
    app.register_blueprint(routes.blueprint(), url_prefix=path)
    engine.stand_ins[provider.name] = StandIn(path, provider.scope)


def _flows_error(error: FlowsError) -> tuple[Response, int]:
    return jsonify(error.document()), error.status


def _any_error(error: Exception) -> tuple[Response, int]:
    if isinstance(error, HTTPException):
        code, status = error.name.upper().replace(" ", "_"), error.code or 500
        return jsonify({"error": {"code": code, "detail": error.description}}), status
    log.error("The sandbox failed: %s", type(error).__name__, exc_info=error)
    return jsonify({"error": {"code": "INTERNAL_ERROR", "detail": type(error).__name__}}), 500
