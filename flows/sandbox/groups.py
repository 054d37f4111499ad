"""The stand-in for Globus Groups: whoever asks is told of the groups they are in."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from flows.sandbox.directory import Directory, Group, Identity
from flows.sandbox.scopes import GROUPS_ALL, VIEW_MY_GROUPS
from flows.sandbox.tokens import TokenStore

__all__ = ["groups_blueprint"]


class _Refused(Exception):
    """An error answer of the Groups service."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(code)
        self.status = status
        self.document = {"code": code, "detail": detail}


def groups_blueprint(directory: Directory, tokens: TokenStore) -> Blueprint:
    """The routes under ``/groups``."""
    blueprint = Blueprint("groups", __name__)

    @blueprint.errorhandler(_Refused)
    def refused(error: _Refused) -> tuple[Response, int]:
        return jsonify(error.document), error.status

    def caller() -> Identity:
        given = request.authorization
        token = tokens.find(given.token or "") if given and given.type == "bearer" else None
        identity = directory.identity(token.identity_id) if token else None
        if token is None or identity is None:
            raise _Refused(401, "UNAUTHORIZED", "The token is not valid.")
        if not {VIEW_MY_GROUPS, GROUPS_ALL} & set(token.scopes):
            raise _Refused(403, "FORBIDDEN", "The token lacks a scope.")
        return identity

    @blueprint.get("/v2/groups/my_groups")
    def my_groups() -> Response:
        identity = caller()
        statuses = request.args.get("statuses", "active").split(",")
        found = directory.groups_of(identity) if "active" in statuses else []
        return jsonify([_document(directory, g, identity) for g in found])

    @blueprint.get("/v2/groups/<group_id>")
    def group(group_id: str) -> Response:
        identity = caller()
        found = directory.group(group_id)
        if found is None or found not in directory.groups_of(identity):
            raise _Refused(404, "NOT_FOUND", f"There is no group {group_id} that you may see.")
        document = _document(directory, found, identity)
        include = request.args.get("include", "").split(",")
        if "memberships" in include:
            document["memberships"] = _memberships(directory, found, found.members)
        return jsonify(document)

    return blueprint


def _document(directory: Directory, group: Group, identity: Identity) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "description": None,
        "group_type": "regular",
        "parent_id": None,
        "enforce_session": False,
        "session_limit": 28800,
        "session_timeouts": {},
        "my_memberships": _memberships(directory, group, frozenset(identity.identity_set)),
        "policies": {"group_visibility": "private", "group_members_visibility": "members"},
        "subscription_id": None,
        "subscription_info": None,
    }


def _memberships(directory: Directory, group: Group, ids: frozenset[str]) -> list[dict[str, Any]]:
    members = [i for i in directory.identities() if i.id in group.members & ids]
    return [
        {
            "group_id": group.id,
            "identity_id": member.id,
            "username": member.username,
            "role": "member",
            "status": "active",
            "membership_fields": {},
        }
        for member in members
    ]
