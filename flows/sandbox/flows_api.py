"""The stand-in for the Flows service: flows, and starting them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, request

from flows.language.context import RunContext
from flows.sandbox.caller import Caller, Doorkeeper
from flows.sandbox.check import definition_problems, input_problems, role_names, schema_problems
from flows.sandbox.directory import Directory
from flows.sandbox.engine import Engine
from flows.sandbox.flow import ROLES, Flow, FlowStore, field_problems
from flows.sandbox.flow_errors import (
    FlowsError,
    bad_input,
    forbidden,
    not_found,
    unprocessable,
)
from flows.sandbox.interpreter import interpret
from flows.sandbox.paging import in_order, names_in, number, page_of, read_marker
from flows.sandbox.run import Run, RunStore
from flows.sandbox.scopes import FLOWS_ALL, FLOWS_MANAGE, FLOWS_VIEW
from flows.sandbox.times import now_text

__all__ = ["FlowsApi"]

_ORDER_FIELDS = {
    "id": "id",
    "title": "title",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "scope_string": "globus_auth_scope",
    "flow_owners": "flow_owner",
    "created_by": "created_by",
    "flow_administrators": "flow_administrators",
    "administered_by": "administered_by",
}
"""What flows may be ordered by, and the member that it is."""


@dataclass
class FlowsApi:
    """What the routes need."""

    directory: Directory
    doorkeeper: Doorkeeper
    engine: Engine
    flows: FlowStore
    runs: RunStore

    def blueprint(self) -> Blueprint:
        """The routes under ``/flows/flows``."""
        routes = Blueprint("flows", __name__)
        routes.add_url_rule("/flows", view_func=self.create, methods=["POST"])
        routes.add_url_rule("/flows", view_func=self.list_flows)
        routes.add_url_rule("/flows/validate", view_func=self.validate, methods=["POST"])
        routes.add_url_rule("/flows/<flow_id>", view_func=self.get)
        routes.add_url_rule("/flows/<flow_id>", view_func=self.update, methods=["PUT"])
        routes.add_url_rule("/flows/<flow_id>", view_func=self.delete, methods=["DELETE"])
        routes.add_url_rule("/flows/<flow_id>/run", view_func=self.run, methods=["POST"])
        routes.add_url_rule(
            "/flows/<flow_id>/validate_run", view_func=self.validate_run, methods=["POST"]
        )
        return routes

    def create(self) -> tuple[Response, int]:
        """POST /flows"""
        caller = self.doorkeeper.admit(FLOWS_MANAGE, FLOWS_ALL)
        body = _object()
        problems = definition_problems(body.get("definition"))
        problems += schema_problems(body.get("input_schema", {}))
        problems += field_problems({"title": None, **body})
        if problems:
            raise unprocessable(problems)
        flow = self.flows.create(caller.identity.urn, body)
        self._register(flow)
        return jsonify(flow.document("flow_owner")), 201

    def _register(self, flow: Flow) -> None:
        """Makes the flow a client of Auth, with a scope to start it for each role."""
        client = self.directory.client(flow.id) or self.directory.add_client(
            flow.fields["title"], client_id=flow.id
        )
        name = f"flow_{flow.id.replace('-', '_')}"
        for role in ("user", *map(str.lower, role_names(flow.fields["definition"]))):
            self.directory.add_scope(client, f"{name}_{role}", dependencies=())

    def list_flows(self) -> Response:
        """GET /flows"""
        caller = self.doorkeeper.admit(FLOWS_VIEW, FLOWS_MANAGE, FLOWS_ALL)
        args = read_marker(request.args)
        found = [flow for flow in self.flows.all() if flow.role(caller.principals)]
        if wanted := names_in(args, "filter_roles"):
            found = [flow for flow in found if wanted & set(flow.roles(caller.principals))]
        if least := args.get("filter_role"):  # deprecated: the weakest role, not one of several
            found = [flow for flow in found if _has_at_least(flow, caller, least)]
        documents = [flow.document(flow.role(caller.principals) or "") for flow in found]
        text = args.get("filter_fulltext", "").lower()
        documents = [d for d in documents if text in f"{d['title']} {d['description']}".lower()]
        documents = in_order(documents, args, _ORDER_FIELDS)
        page, paging = page_of(documents, args, number(args, "per_page", 20, 1, 100))
        return jsonify({"flows": page, **paging})

    def get(self, flow_id: str) -> Response:
        """GET /flows/{id}"""
        caller = self.doorkeeper.admit(FLOWS_VIEW, FLOWS_MANAGE, FLOWS_ALL)
        flow, role = self._visible(flow_id, caller)
        return jsonify(flow.document(role))

    def _visible(self, flow_id: str, caller: Caller) -> tuple[Flow, str]:
        flow = self.flows.get(flow_id)
        role = flow.role(caller.principals) if flow else None
        if flow is None or role is None:
            raise not_found("Flow", flow_id)
        return flow, role

    def _permitted(self, flow_id: str, caller: Caller, least: str, permission: str) -> Flow:
        flow, role = self._visible(flow_id, caller)
        if ROLES.index(role) < ROLES.index(least):
            raise forbidden("flow", flow_id, permission)
        return flow

    def update(self, flow_id: str) -> Response:
        """PUT /flows/{id}"""
        caller = self.doorkeeper.admit(FLOWS_MANAGE, FLOWS_ALL)
        flow = self._permitted(flow_id, caller, "flow_administrator", "UPDATE")
        body = _object()
        problems = definition_problems(body["definition"]) if "definition" in body else []
        problems += schema_problems(body["input_schema"]) if "input_schema" in body else []
        problems += field_problems(body)
        if problems:
            raise unprocessable(problems)
        self.flows.update(flow, body)
        self._register(flow)
        return jsonify(flow.document(flow.role(caller.principals) or "flow_viewer"))

    def delete(self, flow_id: str) -> Response:
        """DELETE /flows/{id}"""
        caller = self.doorkeeper.admit(FLOWS_MANAGE, FLOWS_ALL)
        flow = self._permitted(flow_id, caller, "flow_owner", "DELETE")
        self.flows.delete(flow_id)
        self.directory.remove_client(flow_id)
        deleted = {"DELETED": True, "deleted_at": now_text()}
        return jsonify(flow.document("flow_owner") | deleted)

    def validate(self) -> Response:
        """POST /flows/validate"""
        self.doorkeeper.admit(FLOWS_MANAGE, FLOWS_ALL)
        body = _object()
        problems = definition_problems(body.get("definition"))
        problems += schema_problems(body.get("input_schema") or {})
        if problems:
            raise unprocessable(problems)
        scopes: dict[str, list[str]] = {"User": []}
        for state in body["definition"]["States"].values():
            needed = scopes.setdefault(state.get("RunAs", "User"), [])
            scope = state.get("ActionScope")
            if isinstance(scope, str) and scope not in needed:
                needed.append(scope)
        return jsonify({"scopes": scopes})

    def validate_run(self, flow_id: str) -> Response:
        """POST /flows/{id}/validate_run"""
        flow, _ = self._starter(flow_id)
        self._check_input(flow, _object())
        return jsonify({"message": "validation successful"})

    def run(self, flow_id: str) -> tuple[Response, int]:
        """POST /flows/{id}/run"""
        flow, caller = self._starter(flow_id)
        body = _object()
        self._check_input(flow, body)
        run = self._new_run(flow, caller, body)
        self.runs.add(run)
        self.engine.start(run, interpret)
        return jsonify(run.document(["run_owner"])), 201

    def _starter(self, flow_id: str) -> tuple[Flow, Caller]:
        flow = self.flows.get(flow_id)
        if flow is None:
            raise not_found("Flow", flow_id)
        caller = self.doorkeeper.admit(flow.scope)
        return self._permitted(flow_id, caller, "flow_starter", "RUN"), caller

    def _check_input(self, flow: Flow, body: dict[str, Any]) -> None:
        given = body.get("body", {})
        if not isinstance(given, dict):
            problem = {"loc": ["body"], "msg": "body must be an object", "type": "value_error"}
            raise unprocessable([problem])
        problems = input_problems(given, flow.fields["input_schema"])
        if problems:
            raise bad_input(problems)

    def _new_run(self, flow: Flow, caller: Caller, body: dict[str, Any]) -> Run:
        run_id, token = str(uuid.uuid4()), caller.token
        context = RunContext(
            flow_id=flow.id,
            run_id=run_id,
            username=caller.identity.username,
            email=caller.identity.email,
            user_id=caller.identity.urn,
            identities=tuple(
                f"urn:globus:auth:identity:{id_}" for id_ in caller.identity.identity_set
            ),
            token_info={"exp": token.expires_at, "iat": token.issued_at, "nbf": token.issued_at},
        )
        given = dict(body.get("body", {}))
        roles = given.pop("_tokens", {})
        return Run(
            flow=flow,
            owner=caller.identity,
            context=context,
            input=given,
            label=str(body.get("label") or ""),
            tags=list(body.get("tags") or ()),
            managers=list(body.get("run_managers") or ()),
            monitors=list(body.get("run_monitors") or ()),
            role_tokens=roles if isinstance(roles, dict) else {},
            run_id=run_id,
            consents=set(token.consents),
        )


def _has_at_least(flow: Flow, caller: Caller, least: str) -> bool:
    role = flow.role(caller.principals)
    return role is not None and least in ROLES and ROLES.index(role) >= ROLES.index(least)


def _object() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise FlowsError(400, "BAD_REQUEST", "The body must be a JSON object.")
    return body
