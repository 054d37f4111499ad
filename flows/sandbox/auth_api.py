"""The stand-in for the API of Globus Auth: identities, consents, scopes, clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, request

from flows.sandbox.auth import identity_document
from flows.sandbox.auth_requests import (
    NotPermitted,
    bearer,
    calling_client,
    form_client,
)
from flows.sandbox.consents import ConsentStore
from flows.sandbox.directory import Client, Directory
from flows.sandbox.scopes import (
    FLOWS_ALL,
    FLOWS_RUN_STATUS,
    GROUPS_ALL,
    TRANSFER_ALL,
    VIEW_MY_GROUPS,
    bare_scopes,
    owner_id,
    scope_id,
)
from flows.sandbox.tokens import TokenStore

__all__ = ["DirectoryApi"]

_OF_SERVICES: dict[str, tuple[str, ...]] = dict.fromkeys(
    (FLOWS_ALL, FLOWS_RUN_STATUS, GROUPS_ALL, VIEW_MY_GROUPS, TRANSFER_ALL), ()
)
"""Scopes that nobody has to register."""


@dataclass
class DirectoryApi:
    """What the routes need."""

    directory: Directory
    tokens: TokenStore
    consents: ConsentStore

    def blueprint(self) -> Blueprint:
        """The routes under ``/auth/v2/api``."""
        routes = Blueprint("auth_api", __name__)
        identities = "/v2/api/identities"
        routes.add_url_rule(identities, view_func=self.find_identities)
        routes.add_url_rule(f"{identities}/<identity_id>", view_func=self.identity)
        routes.add_url_rule(f"{identities}/<identity_id>/consents", view_func=self.list_consents)
        routes.add_url_rule("/v2/api/scopes", view_func=self.find_scopes)
        routes.add_url_rule("/v2/api/scopes/<id_>", view_func=self.scope)
        clients = "/v2/api/clients"
        routes.add_url_rule(clients, view_func=self.create_client, methods=["POST"])
        routes.add_url_rule(f"{clients}/<client_id>", view_func=self.client)
        routes.add_url_rule(
            f"{clients}/<client_id>", view_func=self.delete_client, methods=["DELETE"]
        )
        return routes

    def find_identities(self) -> Response:
        """GET /v2/api/identities: those with one of the `usernames` or `ids`."""
        calling_client(self.directory, self.tokens)
        names = set(request.args.get("usernames", "").lower().split(","))
        ids = set(request.args.get("ids", "").lower().split(","))
        found = [
            identity_document(one)
            for one in self.directory.identities()
            if one.username.lower() in names or one.id in ids
        ]
        return jsonify({"identities": found})

    def identity(self, identity_id: str) -> Response:
        """GET /v2/api/identities/{id}"""
        calling_client(self.directory, self.tokens)
        found = self.directory.identity(identity_id)
        if found is None:
            raise NotPermitted(404, "NOT_FOUND", "There is no such identity")
        return jsonify({"identity": identity_document(found)})

    def list_consents(self, identity_id: str) -> Response:
        """GET /v2/api/identities/{id}/consents: one's own, to the client that asks or to all."""
        token, identity = bearer(self.directory, self.tokens)
        if identity_id not in identity.identity_set:
            raise NotPermitted(403, "FORBIDDEN", "These are the consents of somebody else")
        everything = request.args.get("all", "").lower() == "true"
        found = self.consents.of(identity_id, None if everything else token.client_id)
        return jsonify({"consents": [consent.document() for consent in found]})

    def find_scopes(self) -> Response:
        """GET /v2/api/scopes: all, or those with one of the `scope_strings` or `ids`."""
        calling_client(self.directory, self.tokens)
        found = self._scopes()
        for name, key in (("scope_strings", "scope_string"), ("ids", "id")):
            if name in request.args:
                wanted = set(request.args[name].split(","))
                found = [scope for scope in found if scope[key] in wanted]
        return jsonify({"scopes": found})

    def scope(self, id_: str) -> Response:
        """GET /v2/api/scopes/{id}"""
        calling_client(self.directory, self.tokens)
        for found in self._scopes():
            if found["id"] == id_:
                return jsonify({"scope": found})
        raise NotPermitted(404, "NOT_FOUND", "There is no such scope")

    def _scopes(self) -> list[dict[str, Any]]:
        known = _OF_SERVICES | self.directory.scopes()
        return [_scope_document(scope, needs) for scope, needs in known.items()]

    def create_client(self) -> tuple[Response, int]:
        """POST /v2/api/clients: a public client's instance with a secret of its own."""
        body = request.get_json(silent=True)
        given = body.get("client") if isinstance(body, dict) else None
        template_id = given.get("template_id") if isinstance(given, dict) else None
        template = self.directory.client(str(template_id))
        if given is None or template is None or not template.public:
            raise NotPermitted(400, "BAD_REQUEST", "A template_id of a public client is needed")
        client = self.directory.add_client(str(given.get("name") or template.name))
        credential = {
            "id": scope_id(client.client_id),
            "name": "Made with the client",
            "client": client.client_id,
            "secret": client.client_secret,
        }
        document = _client_document(client) | {"parent_client": template.client_id}
        return jsonify({"client": document, "included": {"client_credential": credential}}), 201

    def client(self, client_id: str) -> Response:
        """GET /v2/api/clients/{id}"""
        calling_client(self.directory, self.tokens)
        found = self.directory.client(client_id)
        if found is None:
            raise NotPermitted(404, "NOT_FOUND", "There is no such client")
        return jsonify({"client": _client_document(found)})

    def delete_client(self, client_id: str) -> Response:
        """DELETE /v2/api/clients/{id}, by the client itself."""
        caller = form_client(self.directory)
        if caller.public or caller.client_id != client_id:
            raise NotPermitted(403, "FORBIDDEN", "A client may delete itself only")
        self.directory.remove_client(client_id)
        return jsonify({"client": _client_document(caller)})


def _scope_document(scope: str, needs: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": scope_id(scope),
        "scope_string": scope,
        "name": scope.rpartition("/")[2].rpartition(":")[2],
        "description": "A scope of the sandbox",
        "client": owner_id(scope),
        "advertised": False,
        "allows_refresh_token": True,
        "required_domains": [],
        "dependent_scopes": [
            {
                "scope": scope_id(dependency),
                "optional": text.startswith("*"),
                "requires_refresh_token": False,
            }
            for text in needs
            for dependency in bare_scopes(text)
        ],
    }


def _client_document(client: Client) -> dict[str, Any]:
    kind = "public_installed_client" if client.public else "confidential_client"
    grants = ["authorization_code", "refresh_token"]
    return {
        "id": client.client_id,
        "name": client.name,
        "public_client": client.public,
        "client_type": kind,
        "grant_types": grants if client.public else ["client_credentials", *grants],
        "fqdns": [],
        "links": {"privacy_policy": None, "terms_and_conditions": None},
        "parent_client": None,
        "preselect_idp": None,
        "project": None,
        "prompt_for_named_grant": False,
        "redirect_uris": [],
        "required_idp": None,
        "scopes": [],
        "userinfo_from_effective_identity": True,
        "visibility": "private",
    }
