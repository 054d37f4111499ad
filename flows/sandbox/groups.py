"""The stand-in for Globus Groups: whoever asks is told their own groups."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from flows.sandbox.directory import Directory, Group, Identity
from flows.sandbox.scopes import GROUPS_ALL, VIEW_MY_GROUPS
from flows.sandbox.tokens import TokenStore

__all__ = ["groups_blueprint"]


def groups_blueprint(directory: Directory, tokens: TokenStore) -> Blueprint:
    """The routes under ``/groups``."""
    blueprint = Blueprint("groups", __name__)

    @blueprint.get("/v2/groups/my_groups")
    def my_groups() -> tuple[Response, int]:
        given = request.authorization
        token = tokens.find(given.token or "") if given and given.type == "bearer" else None
        identity = directory.identity(token.identity_id) if token else None
        if token is None or identity is None:
            return jsonify({"code": "UNAUTHORIZED", "detail": "The token is not valid."}), 401
        if not {VIEW_MY_GROUPS, GROUPS_ALL} & set(token.scopes):
            return jsonify({"code": "FORBIDDEN", "detail": "The token lacks a scope."}), 403
        return jsonify([_document(g, identity) for g in directory.groups_of(identity)]), 200

    return blueprint


def _document(group: Group, identity: Identity) -> dict[str, Any]:
    memberships = [
        {
            "group_id": group.id,
            "identity_id": id_,
            "username": identity.username,
            "role": "member",
            "status": "active",
        }
        for id_ in identity.identity_set
        if id_ in group.members
    ]
    return {
        "id": group.id,
        "name": group.name,
        "description": None,
        "group_type": "regular",
        "parent_id": None,
        "my_memberships": memberships,
    }
