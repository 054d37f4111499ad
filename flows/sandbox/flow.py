"""Flows as the stand-in for the Flows service keeps them."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from flows.language.templates import hide_private_parameters
from flows.sandbox.check import role_names
from flows.sandbox.scopes import auth_scope, flow_scope
from flows.sandbox.times import now_text

__all__ = ["EDITABLE", "Flow", "FlowStore", "field_problems"]

EDITABLE: dict[str, Any] = {
    "title": "",
    "definition": None,
    "input_schema": None,
    "subtitle": "",
    "description": "",
    "keywords": (),
    "flow_viewers": (),
    "flow_starters": (),
    "flow_administrators": (),
    "run_managers": (),
    "run_monitors": (),
    "subscription_id": None,
    "authentication_policy_id": None,
}
"""What the owner of a flow may set, with defaults."""

ROLES = ("flow_viewer", "flow_starter", "flow_administrator", "flow_owner")


@dataclass
class Flow:
    """One flow; `fields` are the editable ones, `owner` is a principal URN."""

    id: str
    owner: str
    fields: dict[str, Any]
    created_at: str = field(default_factory=now_text)
    updated_at: str = field(default_factory=now_text)

    @property
    def scope(self) -> str:
        """The scope for starting this flow."""
        return flow_scope(self.id)

    def roles(self, principals: frozenset[str]) -> list[str]:
        """The roles that the principals were given, strongest first."""
        fields = self.fields
        given = (
            ("flow_owner", {self.owner}),
            ("flow_administrator", set(fields["flow_administrators"])),
            ("flow_starter", set(fields["flow_starters"])),
            ("flow_viewer", set(fields["flow_viewers"])),
            ("run_manager", set(fields["run_managers"])),
            ("run_monitor", set(fields["run_monitors"])),
        )
        everybody = {"flow_starter": {"all_authenticated_users"}, "flow_viewer": {"public"}}
        return [role for role, urns in given if urns & (principals | everybody.get(role, set()))]

    def role(self, principals: frozenset[str]) -> str | None:
        """The strongest role in the flow itself that any of the principals has, or None."""
        return next((role for role in self.roles(principals) if role in ROLES), None)

    def document(self, role: str) -> dict[str, Any]:
        """The flow as somebody with a role sees it: private parameters only for who may edit."""
        shown = {key: list(v) if isinstance(v, tuple) else v for key, v in self.fields.items()}
        if role not in ("flow_owner", "flow_administrator"):
            shown["definition"] = hide_private_parameters(shown["definition"])
        scopes = {"User": self.scope} | {
            name: auth_scope(self.id, f"flow_{self.id.replace('-', '_')}_{name.lower()}")
            for name in role_names(self.fields["definition"])
        }
        url = f"https://flows.globus.org/flows/{self.id}"
        return shown | {
            "id": self.id,
            "globus_auth_scope": self.scope,
            "globus_auth_scopes_by_RunAs": scopes,
            "globus_auth_username": f"{self.id}@clients.auth.globus.org",
            "principal_urn": f"urn:globus:auth:identity:{self.id}",
            "synchronous": False,
            "log_supported": True,
            "types": ["Action"],
            "api_version": "1.0",
            "action_url": url,
            "flow_url": url,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "created_by": self.owner,
            "flow_owner": self.owner,
            "user_role": role,
            "visible_to": list(self.fields["flow_viewers"]),
            "runnable_by": list(self.fields["flow_starters"]),
            "administered_by": list(self.fields["flow_administrators"]),
        }


def field_problems(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with the texts and lists among the editable fields that a body has."""
    problems = []
    for name, default in EDITABLE.items():
        value = body.get(name)
        if name not in body or default is None:
            continue
        if name == "title" and not (isinstance(value, str) and 1 <= len(value) <= 128):
            problem = "The title must have 1 to 128 characters."
        elif isinstance(default, str) and not isinstance(value, str):
            problem = f"{name} must be a string."
        elif isinstance(default, tuple) and not _is_list_of_texts(value):
            problem = f"{name} must be a list of strings."
        else:
            continue
        problems.append({"loc": [name], "msg": problem, "type": "value_error"})
    return problems


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


class FlowStore:
    """All flows, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flows: dict[str, Flow] = {}

    def create(self, owner: str, body: dict[str, Any]) -> Flow:
        """Keeps a new flow; the body has been checked."""
        given = {key: body[key] for key in EDITABLE if body.get(key) is not None}
        fields = {**EDITABLE, "input_schema": {}, **given}
        flow = Flow(str(uuid.uuid4()), owner, fields)
        with self._lock:
            self._flows[flow.id] = flow
        return flow

    def update(self, flow: Flow, body: dict[str, Any]) -> None:
        """Changes what the body names."""
        with self._lock:
            flow.fields = {**flow.fields, **{k: body[k] for k in EDITABLE if k in body}}
            flow.owner = body.get("flow_owner", flow.owner)
            flow.updated_at = now_text()

    def get(self, flow_id: str) -> Flow | None:
        """The flow with an id."""
        return self._flows.get(flow_id)

    def delete(self, flow_id: str) -> None:
        """Forgets a flow; its runs stay."""
        with self._lock:
            self._flows.pop(flow_id, None)

    def all(self) -> list[Flow]:
        """All flows, oldest first."""
        with self._lock:
            return list(self._flows.values())
