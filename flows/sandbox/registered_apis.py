"""The stand-in for the Flows service: APIs that were registered to be called by flows.

They are shown, and are not called: in a run the echo provider stands in for all of them.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, jsonify, request

from flows.sandbox.caller import Doorkeeper
from flows.sandbox.flow_errors import not_found
from flows.sandbox.paging import in_order, names_in, number, page_of, read_marker
from flows.sandbox.scopes import FLOWS_ALL, FLOWS_MANAGE, FLOWS_VIEW
from flows.sandbox.times import now_text

__all__ = ["RegisteredApi", "RegisteredApis", "RegisteredApisApi"]

_ORDER_FIELDS = {n: n for n in ("id", "name", "created_timestamp", "updated_timestamp")}


@dataclass(frozen=True)
class RegisteredApi:
    """One API; the lists hold principal URNs, and ``public`` among the viewers is everybody."""

    name: str
    method: str
    url: str
    owners: tuple[str, ...]
    administrators: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()
    description: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: str = field(default_factory=now_text)

    def roles(self, principals: frozenset[str]) -> list[str]:
        """The roles that principals have, strongest first."""
        held = (
            ("owner", set(self.owners) & principals),
            ("administrator", set(self.administrators) & principals),
            ("viewer", set(self.viewers) & (principals | {"public"})),
        )
        return [role for role, found in held if found]

    def summary(self) -> dict[str, Any]:
        """The API as lists show it."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "created_timestamp": self.created,
            "updated_timestamp": self.created,
        }

    def document(self) -> dict[str, Any]:
        """The whole API, as the service shows one without parameters."""
        responses = {"200": {"description": "An answer"}}
        return self.summary() | {
            "roles": {
                "owners": list(self.owners),
                "administrators": list(self.administrators),
                "viewers": list(self.viewers),
            },
            "target": {
                "type": "openapi",
                "openapi_version": "3.1",
                "destination": {"method": self.method, "url": self.url},
                "specification": {"summary": self.name, "parameters": [], "responses": responses},
                "transforms": None,
                "components": {"schemas": {}},
            },
            "data_templates": {"request": {"template": {}}, "response": {}},
            "state_input_schema": {"type": "object"},
            "status": "ACTIVE",
            "subscription_id": None,
            "edited_timestamp": None,
            "scheduled_deletion_timestamp": None,
        }


class RegisteredApis:
    """All registered APIs of one sandbox, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._apis: dict[str, RegisteredApi] = {}

    def add(self, api: RegisteredApi) -> None:
        """Keeps an API."""
        with self._lock:
            self._apis[api.id] = api

    def remove(self, api_id: str) -> None:
        """Forgets an API."""
        with self._lock:
            self._apis.pop(api_id, None)

    def get(self, api_id: str) -> RegisteredApi | None:
        """The API with an id."""
        return self._apis.get(api_id)

    def all(self) -> list[RegisteredApi]:
        """All of them."""
        with self._lock:
            return list(self._apis.values())


@dataclass
class RegisteredApisApi:
    """What the routes need."""

    doorkeeper: Doorkeeper
    apis: RegisteredApis

    def blueprint(self) -> Blueprint:
        """The routes under ``/flows/registered_apis``."""
        routes = Blueprint("registered_apis", __name__)
        routes.add_url_rule("/registered_apis", view_func=self.list_apis)
        routes.add_url_rule("/registered_apis/<api_id>", view_func=self.get)
        return routes

    def list_apis(self) -> Response:
        """GET /registered_apis"""
        caller = self.doorkeeper.admit(FLOWS_VIEW, FLOWS_MANAGE, FLOWS_ALL)
        args = read_marker(request.args)
        wanted = names_in(args, "filter_roles") or {"owner", "administrator", "viewer"}
        found = [api for api in self.apis.all() if wanted & set(api.roles(caller.principals))]
        documents = in_order([api.summary() for api in found], args, _ORDER_FIELDS)
        page, paging = page_of(documents, args, number(args, "per_page", 20, 1, 100))
        return jsonify({"registered_apis": page, **paging})

    def get(self, api_id: str) -> Response:
        """GET /registered_apis/{id}"""
        caller = self.doorkeeper.admit(FLOWS_VIEW, FLOWS_MANAGE, FLOWS_ALL)
        api = self.apis.get(api_id)
        if api is None or not api.roles(caller.principals):
            raise not_found("Registered API", api_id)
        return jsonify(api.document())
