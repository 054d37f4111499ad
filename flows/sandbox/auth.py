"""The stand-in for Globus Auth: tokens, introspection, dependent tokens, identities."""

from __future__ import annotations

import time
import uuid
from typing import Any

from flask import Blueprint, Response, jsonify, request

from flows.sandbox.directory import Client, Directory, Identity
from flows.sandbox.scopes import bare_scopes
from flows.sandbox.tokens import Token, TokenStore

__all__ = ["DEPENDENT_GRANT", "auth_blueprint", "introspection"]

DEPENDENT_GRANT = "urn:globus:auth:grant_type:dependent_token"
ISSUER = "https://auth.globus.org"


class _Refused(Exception):
    """An OAuth 2 error answer."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


def introspection(token: Token, identity: Identity, include: set[str]) -> dict[str, Any]:
    """The introspection document of a valid token; `include` as in the query of the same name."""
    document: dict[str, Any] = {
        "active": True,
        "token_type": "Bearer",
        "scope": " ".join(token.scopes),
        "client_id": token.client_id,
        "sub": identity.id,
        "username": identity.username,
        "name": identity.name,
        "email": identity.email,
        "exp": token.expires_at,
        "iat": token.issued_at,
        "nbf": token.issued_at,
        "aud": list(dict.fromkeys([token.resource_server, token.client_id])),
        "iss": ISSUER,
        "dependent_tokens_cache_id": str(uuid.uuid5(uuid.NAMESPACE_OID, token.text)),
    }
    if "identity_set" in include:
        document["identity_set"] = list(identity.identity_set)
    if "session_info" in include:
        document["session_info"] = {
            "session_id": str(uuid.uuid5(uuid.NAMESPACE_OID, identity.id)),
            "authentications": {identity.id: {"auth_time": token.issued_at, "acr": None}},
        }
    return document


def auth_blueprint(directory: Directory, tokens: TokenStore) -> Blueprint:
    """The routes under ``/auth``."""
    blueprint = Blueprint("auth", __name__)
    grants = {
        "client_credentials": _client_credentials,
        "refresh_token": _refresh,
        DEPENDENT_GRANT: _dependent,
    }

    @blueprint.errorhandler(_Refused)
    def refused(error: _Refused) -> tuple[Response, int]:
        return jsonify({"error": error.code}), error.status

    @blueprint.post("/v2/oauth2/token")
    def token() -> Response:
        client = _client(directory)
        grant = grants.get(request.form.get("grant_type", ""))
        if grant is None:
            raise _Refused("unsupported_grant_type")
        return jsonify(grant(client, directory, tokens))

    @blueprint.post("/v2/oauth2/token/introspect")
    def introspect() -> Response:
        _client(directory)
        found = tokens.find(request.form.get("token", ""))
        identity = directory.identity(found.identity_id) if found else None
        if not found or not identity:
            return jsonify({"active": False})
        include = set(request.form.get("include", "").split(","))
        return jsonify(introspection(found, identity, include))

    @blueprint.post("/v2/oauth2/token/revoke")
    def revoke() -> Response:
        _client(directory)
        tokens.revoke(request.form.get("token", ""))
        return jsonify({"active": False})

    @blueprint.get("/v2/oauth2/userinfo")
    def userinfo() -> Response:
        identity = _bearer(directory, tokens)
        return jsonify(
            {
                "sub": identity.id,
                "preferred_username": identity.username,
                "name": identity.name,
                "email": identity.email,
                "identity_set": [_identity_document(identity)],
            }
        )

    @blueprint.get("/v2/api/identities")
    def identities() -> Response:
        if request.authorization is None or request.authorization.type != "basic":
            _bearer(directory, tokens)
        else:
            _client(directory)
        names = set(request.args.get("usernames", "").split(","))
        ids = set(request.args.get("ids", "").split(","))
        found = [i for i in directory.identities() if i.username in names or i.id in ids]
        return jsonify({"identities": [_identity_document(i) for i in found]})

    return blueprint


def _identity_document(identity: Identity) -> dict[str, Any]:
    return {
        "id": identity.id,
        "sub": identity.id,
        "username": identity.username,
        "name": identity.name,
        "email": identity.email,
        "organization": None,
        "identity_type": "login",
        "identity_provider": None,
        "status": "used",
    }


def _client(directory: Directory) -> Client:
    """The client that a request logs in as, by basic authentication or in the form."""
    given = request.authorization
    if given is not None and given.type == "basic":
        client_id, secret = given.username or "", given.password or ""
    else:
        client_id = request.form.get("client_id", "")
        secret = request.form.get("client_secret", "")
    client = directory.check_client(client_id, secret)
    if client is None:
        raise _Refused("invalid_client", 401)
    return client


def _bearer(directory: Directory, tokens: TokenStore) -> Identity:
    given = request.authorization
    found = tokens.find(given.token or "") if given and given.type == "bearer" else None
    identity = directory.identity(found.identity_id) if found else None
    if identity is None:
        raise _Refused("invalid_token", 401)
    return identity


def _client_credentials(client: Client, directory: Directory, tokens: TokenStore) -> dict[str, Any]:
    scope = request.form.get("scope", "")
    wanted = bare_scopes(scope)
    if not wanted or not all(directory.knows_scope(single) for single in wanted):
        raise _Refused("invalid_scope" if not wanted else "unknown_scope")
    offline = request.form.get("access_type") == "offline"
    issued = tokens.issue(client.client_id, client.client_id, scope, refreshable=offline)
    first, *others = [token.document() for token in issued]
    return {**first, "other_tokens": others}


def _refresh(client: Client, directory: Directory, tokens: TokenStore) -> dict[str, Any]:
    token = tokens.refresh(request.form.get("refresh_token", ""), client.client_id)
    if token is None:
        raise _Refused("invalid_grant")
    return {**token.document(), "other_tokens": []}


def _dependent(client: Client, directory: Directory, tokens: TokenStore) -> list[dict[str, Any]]:
    """Tokens for what the presented token's scopes depend on; only its own audience may ask."""
    presented = tokens.find(request.form.get("token", ""))
    if presented is None or presented.resource_server != client.client_id:
        raise _Refused("invalid_grant")
    allowed = directory.dependencies_of(presented.scopes, presented.consents)
    wanted = bare_scopes(request.form.get("scope", "")) or allowed
    if not set(wanted) <= set(allowed):
        raise _Refused("invalid_scope")
    issued = tokens.issue(
        presented.identity_id,
        client.client_id,
        " ".join(wanted),
        lifetime=max(1, presented.expires_at - int(time.time())),
        refreshable=request.form.get("access_type") == "offline",
        consents=presented.consents,
    )
    return [token.document() for token in issued]
