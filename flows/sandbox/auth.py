"""The stand-in for Globus Auth: tokens, introspection, and OpenID Connect."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, jsonify, request

from flows.sandbox.auth_requests import NotPermitted, Refused, bearer, form_client
from flows.sandbox.consents import ConsentStore
from flows.sandbox.directory import Client, Directory, Identity
from flows.sandbox.grants import Codes, Grants
from flows.sandbox.id_tokens import ISSUER, key_set, openid_configuration, profile
from flows.sandbox.scopes import VIEW_IDENTITY_SET
from flows.sandbox.tokens import Token, TokenStore

__all__ = ["AuthApi", "identity_document", "introspection"]


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


def identity_document(identity: Identity) -> dict[str, Any]:
    """An identity as Globus Auth shows it."""
    return {
        "id": identity.id,
        "sub": identity.id,
        "username": identity.username,
        "name": identity.name,
        "email": identity.email,
        "organization": None,
        "identity_type": "login",
        "identity_provider": None,
        "identity_provider_display_name": "Sandbox",
        "last_authentication": None,
        "status": "used",
    }


@dataclass
class AuthApi:
    """What the routes need."""

    directory: Directory
    tokens: TokenStore
    consents: ConsentStore
    codes: Codes = field(default_factory=Codes)

    def blueprint(self) -> Blueprint:
        """The routes under ``/auth`` that OAuth 2 and OpenID Connect know of."""
        routes = Blueprint("auth", __name__)
        oauth2 = "/v2/oauth2"
        routes.add_url_rule(f"{oauth2}/token", view_func=self.token, methods=["POST"])
        for answer in (self.introspect, self.revoke, self.validate):
            path = f"{oauth2}/token/{answer.__name__}"
            routes.add_url_rule(path, view_func=answer, methods=["POST"])
        routes.add_url_rule(f"{oauth2}/userinfo", view_func=self.userinfo)
        routes.add_url_rule("/.well-known/openid-configuration", view_func=self.configuration)
        routes.add_url_rule("/jwk.json", view_func=self.keys)
        return routes

    def token(self) -> Response:
        """POST /v2/oauth2/token"""
        grants = Grants(self.directory, self.tokens, self.consents, self.codes)
        return jsonify(grants.answer(form_client(self.directory)))

    def introspect(self) -> Response:
        """POST /v2/oauth2/token/introspect"""
        self._with_secret()
        found = self.tokens.find(request.form.get("token", ""))
        identity = self.directory.identity(found.identity_id) if found else None
        if not found or not identity:
            return jsonify({"active": False})
        include = set(request.form.get("include", "").split(","))
        return jsonify(introspection(found, identity, include))

    def _with_secret(self) -> Client:
        client = form_client(self.directory)
        if client.public:
            raise Refused("invalid_client", 401)
        return client

    def validate(self) -> Response:
        """POST /v2/oauth2/token/validate: whether a client's own token still works."""
        client = form_client(self.directory)
        text = request.form.get("token", "")
        return jsonify({"active": self.tokens.is_active(text, client.client_id)})

    def revoke(self) -> Response:
        """POST /v2/oauth2/token/revoke"""
        form_client(self.directory)
        self.tokens.revoke(request.form.get("token", ""))
        return jsonify({"active": False})

    def userinfo(self) -> Response:
        """GET /v2/oauth2/userinfo: with linked identities for who may see them."""
        token, identity = bearer(self.directory, self.tokens)
        if "openid" not in token.scopes:
            raise NotPermitted(403, "FORBIDDEN", "The token lacks the scope openid")
        document = profile(identity, token.issued_at)
        if VIEW_IDENTITY_SET in token.scopes:
            linked = self.directory.linked_to(identity)
            document["identity_set"] = [identity_document(one) for one in linked]
        return jsonify(document)

    def configuration(self) -> Response:
        """GET /.well-known/openid-configuration"""
        return jsonify(openid_configuration(f"{request.url_root}auth"))

    def keys(self) -> Response:
        """GET /jwk.json"""
        return jsonify(key_set())
