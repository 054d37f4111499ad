"""Who asks the stand-in for Globus Auth, and how it refuses."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from flask import request

from flows.sandbox.directory import Client, Directory, Identity
from flows.sandbox.tokens import Token, TokenStore

__all__ = ["Bearer", "NotPermitted", "Refused", "bearer", "calling_client", "form_client"]


class Refused(Exception):
    """An OAuth 2 error answer."""

    def __init__(self, code: str, status: int = 400, description: str | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.document: dict[str, Any] = {"error": code}
        if description is not None:
            self.document["error_description"] = description


class NotPermitted(Exception):
    """An error answer of the API, as opposed to those of OAuth 2."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(code)
        title = code.replace("_", " ").capitalize()
        error = {"status": str(status), "id": str(uuid.uuid4()), "code": code, "detail": detail}
        self.status = status
        self.document = {
            "errors": [error | {"title": title}],
            "error": code.lower(),
            "error_description": title,
        }


class Bearer(NamedTuple):
    """A valid access token, and whose it is."""

    token: Token
    identity: Identity


def form_client(directory: Directory) -> Client:
    """The client that a request logs in as, by basic authentication or in the form.

    A public client names itself only. Raises Refused.
    """
    given = request.authorization
    if given is not None and given.type == "basic":
        client_id, secret = given.username or "", given.password or ""
    else:
        client_id = request.form.get("client_id", "")
        secret = request.form.get("client_secret", "")
    client = directory.check_client(client_id, secret)
    if client is None:
        raise Refused("invalid_client", 401)
    return client


def bearer(directory: Directory, tokens: TokenStore, *scopes: str) -> Bearer:
    """The owner of the request's token, which must have one of the scopes if any are named.

    Raises NotPermitted.
    """
    given = request.authorization
    token = tokens.find(given.token or "") if given and given.type == "bearer" else None
    identity = directory.identity(token.identity_id) if token else None
    if token is None or identity is None:
        raise NotPermitted(401, "UNAUTHORIZED", "Call must be authenticated")
    if scopes and not set(scopes) & set(token.scopes):
        raise NotPermitted(403, "FORBIDDEN", f"The token has none of {', '.join(scopes)}")
    return Bearer(token, identity)


def calling_client(directory: Directory, tokens: TokenStore) -> Client | Bearer:
    """Who calls a route that takes a client's secret as well as a token. Raises either error."""
    given = request.authorization
    if given is not None and given.type == "basic":
        return form_client(directory)
    return bearer(directory, tokens)
