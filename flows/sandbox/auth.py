"""The stand-in for Globus Auth: tokens, introspection, OpenID Connect, and its page to log in."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from flows.sandbox.auth_requests import (
    ISSUER,
    NotPermitted,
    Refused,
    bearer,
    form_client,
    key_set,
    openid_configuration,
    profile,
)
from flows.sandbox.consents import ConsentStore
from flows.sandbox.directory import Client, Directory, Identity
from flows.sandbox.grants import Codes, Grants, Pending
from flows.sandbox.scopes import VIEW_IDENTITY_SET, bare_scopes
from flows.sandbox.tokens import Token, TokenStore
from flows.sandbox.webserver import is_loopback

__all__ = ["AuthApi", "authorize_blueprint", "identity_document", "introspection"]

CODE_PAGE = "/v2/web/auth-code"


def authorize_blueprint(directory: Directory, codes: Codes) -> Blueprint:
    """The pages that people see of ``/auth``."""
    blueprint = Blueprint("authorize", __name__, template_folder="pages")

    @blueprint.get("/v2/oauth2/authorize")
    def authorize() -> AnyResponse | str:
        asked = request.args.to_dict()
        client = _asking(directory, asked)
        people = _offered(directory, asked)
        if not people:
            raise Refused("access_denied", 403, "Nobody in this sandbox can log in so.")
        if len(people) > 1:
            links = [
                (person, f"?{urlencode(asked | {'identity': person.id})}") for person in people
            ]
            scopes = bare_scopes(asked["scope"])
            return render_template("authorize.html", client=client, links=links, scopes=scopes)
        code = codes.issue(Pending(people[0], client.client_id, asked))
        answer = {"code": code, "state": asked.get("state", "")}
        uri = asked["redirect_uri"]
        return redirect(f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer)}")

    @blueprint.get(CODE_PAGE)
    def show_code() -> Response:
        page = render_template("code.html", code=request.args.get("code", ""))
        return Response(page, headers={"Cache-Control": "no-store"})

    return blueprint


def _asking(directory: Directory, asked: Mapping[str, str]) -> Client:
    """The client that wants somebody to log in. Raises Refused for a request that is not valid."""
    client = directory.client(asked.get("client_id", ""))
    if client is None:
        raise Refused("unauthorized_client", 400, "There is no client with this client_id.")
    uri = asked.get("redirect_uri", "")
    if not is_loopback(uri):
        text = "A sandbox sends people back to http addresses of this machine only."
        raise Refused("invalid_request", 400, text)
    if asked.get("response_type") != "code":
        raise Refused("unsupported_response_type")
    if client.public and not asked.get("code_challenge"):
        raise Refused("invalid_request", 400, "A client without a secret needs a code_challenge.")
    wanted = bare_scopes(asked.get("scope", ""))
    unknown = [scope for scope in wanted if not directory.knows_scope(scope)]
    if unknown or not wanted:
        text = f"Unknown scopes: {' '.join(unknown)}" if unknown else "No scope is asked for."
        raise Refused("unknown_scope" if unknown else "invalid_scope", 400, text)
    return client


def _offered(directory: Directory, asked: Mapping[str, str]) -> list[Identity]:
    """Who may log in: everybody, those whom the client requires, or the one who was picked."""
    people = directory.people()
    required = set(filter(None, asked.get("session_required_identities", "").split(",")))
    if required:
        people = [p for p in people if required & {p.id, p.username}]
    domains = set(filter(None, asked.get("session_required_single_domain", "").split(",")))
    if domains:
        people = [p for p in people if p.username.rpartition("@")[2] in domains]
    picked = asked.get("identity") or asked.get("login_hint")
    return [p for p in people if picked in (None, p.id, p.username)]


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
