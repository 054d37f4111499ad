"""The grants of the stand-in for Globus Auth: what tokens are given for."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import request

from flows.sandbox.auth_requests import Refused, id_token
from flows.sandbox.consents import ConsentStore
from flows.sandbox.directory import Client, Directory, Identity
from flows.sandbox.scopes import AUTH, bare_scopes
from flows.sandbox.tokens import Token, TokenStore

__all__ = ["DEPENDENT_GRANT", "Codes", "Grants", "Pending"]

DEPENDENT_GRANT = "urn:globus:auth:grant_type:dependent_token"
CODE_SECONDS = 600
"""How long an authorization code may be exchanged for tokens."""


@dataclass(frozen=True)
class Pending:
    """A login that a person has agreed to; `asked` is the query of the authorize page."""

    identity: Identity
    client_id: str
    asked: Mapping[str, str]
    until: float = field(default_factory=lambda: time.monotonic() + CODE_SECONDS)


class Codes:
    """Authorization codes; each works once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, Pending] = {}

    def issue(self, pending: Pending) -> str:
        """A new code."""
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._pending[code] = pending
        return code

    def take(self, code: str) -> Pending | None:
        """What a code stands for, once; None when it is not known or too old."""
        with self._lock:
            found = self._pending.pop(code, None)
        return found if found and found.until > time.monotonic() else None


@dataclass
class Grants:
    """Answers requests for tokens."""

    directory: Directory
    tokens: TokenStore
    consents: ConsentStore
    codes: Codes

    def answer(self, client: Client) -> Any:
        """The token response for the form of the present request. Raises Refused."""
        grants = {
            "authorization_code": self._authorization_code,
            "client_credentials": self._client_credentials,
            "refresh_token": self._refresh,
            DEPENDENT_GRANT: self._dependent,
        }
        grant = grants.get(request.form.get("grant_type", ""))
        if grant is None:
            raise Refused("unsupported_grant_type")
        if client.public and grant in (self._client_credentials, self._dependent):
            raise Refused("unauthorized_client")
        return grant(client)

    def _authorization_code(self, client: Client) -> dict[str, Any]:
        pending = self.codes.take(request.form.get("code", ""))
        if pending is None or pending.client_id != client.client_id:
            raise Refused("invalid_grant", 401)
        asked = pending.asked
        if request.form.get("redirect_uri", "") != asked["redirect_uri"]:
            raise Refused("invalid_grant", 401, "The redirect_uri is not the one of the code.")
        if not _verified(asked, request.form.get("code_verifier", "")):
            raise Refused("invalid_grant", 401, "The code_verifier does not fit the code.")
        offline = asked.get("access_type") == "offline"
        identity, scope = pending.identity, asked["scope"]
        self.consents.grant(identity.id, client.client_id, scope)
        issued = self.tokens.issue(identity.id, client.client_id, scope, refreshable=offline)
        answer = _with_others(issued) | {"state": asked.get("state", "")}
        if "openid" in bare_scopes(scope):
            access = next(t.text for t in issued if t.resource_server == AUTH)
            nonce = asked.get("nonce")
            answer["id_token"] = id_token(identity, client.client_id, access, nonce)
        return answer

    def _client_credentials(self, client: Client) -> dict[str, Any]:
        scope = request.form.get("scope", "")
        wanted = bare_scopes(scope)
        if not wanted or not all(self.directory.knows_scope(single) for single in wanted):
            raise Refused("invalid_scope" if not wanted else "unknown_scope")
        offline = request.form.get("access_type") == "offline"
        self.consents.grant(client.client_id, client.client_id, scope)
        return _with_others(
            self.tokens.issue(client.client_id, client.client_id, scope, refreshable=offline)
        )

    def _refresh(self, client: Client) -> dict[str, Any]:
        token = self.tokens.refresh(request.form.get("refresh_token", ""), client.client_id)
        if token is None:
            raise Refused("invalid_grant")
        return _with_others([token])

    def _dependent(self, client: Client) -> list[dict[str, Any]]:
        """Tokens for what the presented token's scopes depend on; only its own audience may ask."""
        presented = self.tokens.find(request.form.get("token", ""))
        if presented is None or presented.resource_server != client.client_id:
            raise Refused("invalid_grant")
        allowed = self.directory.dependencies_of(presented.scopes, presented.consents)
        wanted = bare_scopes(request.form.get("scope", "")) or allowed
        if not set(wanted) <= set(allowed):
            raise Refused("invalid_scope")
        issued = self.tokens.issue(
            presented.identity_id,
            client.client_id,
            " ".join(wanted),
            lifetime=max(1, presented.expires_at - int(time.time())),
            refreshable=request.form.get("access_type") == "offline",
            consents=presented.consents,
        )
        return [token.document() for token in issued]


def _with_others(issued: list[Token]) -> dict[str, Any]:
    first, *others = [token.document() for token in issued]
    return {**first, "other_tokens": others}


def _verified(asked: Mapping[str, str], verifier: str) -> bool:
    """Whether a code comes back to who asked for it (RFC 7636)."""
    challenge = asked.get("code_challenge")
    if challenge is None:
        return True
    if asked.get("code_challenge_method", "plain") == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        verifier = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return secrets.compare_digest(challenge.encode(), verifier.encode())
