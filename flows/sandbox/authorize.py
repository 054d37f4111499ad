"""Logging in to a sandbox: a page where one picks who one is, and then goes back with a code."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from flows.sandbox.auth_requests import Refused
from flows.sandbox.directory import Client, Directory, Identity
from flows.sandbox.grants import Codes, Pending
from flows.sandbox.loopback import is_loopback
from flows.sandbox.scopes import bare_scopes

__all__ = ["authorize_blueprint"]

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
