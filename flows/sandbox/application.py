"""The one WSGI application of a sandbox: all services under their prefixes."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from flows.sandbox.auth import AuthApi, authorize_blueprint
from flows.sandbox.auth_api import DirectoryApi
from flows.sandbox.auth_requests import NotPermitted, Refused
from flows.sandbox.caller import Doorkeeper
from flows.sandbox.consents import ConsentStore
from flows.sandbox.directory import Directory
from flows.sandbox.engine import Engine, StandIn
from flows.sandbox.flow import FlowStore
from flows.sandbox.flow_errors import FlowsError
from flows.sandbox.flows_api import FlowsApi
from flows.sandbox.groups import groups_blueprint
from flows.sandbox.providers.base import Provider, ProviderRoutes, Workers
from flows.sandbox.registered_apis import RegisteredApis, RegisteredApisApi
from flows.sandbox.run import RunStore
from flows.sandbox.runs_api import RunsApi
from flows.sandbox.transfer_api import TransferApi
from flows.sandbox.web_inputs_api import WebInputsApi

__all__ = ["add_provider", "add_transfer", "build_application"]

log = logging.getLogger(__name__)


def build_application(
    directory: Directory, engine: Engine, consents: ConsentStore, registered: RegisteredApis
) -> Flask:
    """``/auth``, ``/groups`` and ``/flows``; `add_transfer` and `add_provider` add the others."""
    app = Flask("sandbox")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    doorkeeper = Doorkeeper(directory, engine.tokens)
    runs = RunStore()
    flows_api = FlowsApi(directory, doorkeeper, engine, FlowStore(), runs)
    auth = AuthApi(directory, engine.tokens, consents)
    app.register_blueprint(auth.blueprint(), url_prefix="/auth")
    app.register_blueprint(authorize_blueprint(directory, auth.codes), url_prefix="/auth")
    directory_api = DirectoryApi(directory, engine.tokens, consents)
    app.register_blueprint(directory_api.blueprint(), url_prefix="/auth")
    app.register_blueprint(groups_blueprint(directory, engine.tokens), url_prefix="/groups")
    for routes in (
        flows_api,
        RunsApi(doorkeeper, engine, runs, consents),
        WebInputsApi(doorkeeper, engine.web_inputs),
        RegisteredApisApi(doorkeeper, registered),
    ):
        app.register_blueprint(routes.blueprint(), url_prefix="/flows")
    app.register_error_handler(FlowsError, _flows_error)
    app.register_error_handler(Refused, _auth_error)
    app.register_error_handler(NotPermitted, _auth_error)
    app.register_error_handler(Exception, _any_error)
    return app


def add_transfer(app: Flask, transfer: TransferApi) -> None:
    """Mounts the stand-in for the Transfer service."""
    app.register_blueprint(transfer.blueprint(), url_prefix="/transfer/v0.10")


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


def _auth_error(error: Refused | NotPermitted) -> tuple[Response, int]:
    return jsonify(error.document), error.status


def _any_error(error: Exception) -> tuple[Response, int]:
    if isinstance(error, HTTPException):
        code, status = error.name.upper().replace(" ", "_"), error.code or 500
        return jsonify({"error": {"code": code, "detail": error.description}}), status
    log.error("The sandbox failed: %s", type(error).__name__, exc_info=error)
    return jsonify({"error": {"code": "INTERNAL_ERROR", "detail": type(error).__name__}}), 500
