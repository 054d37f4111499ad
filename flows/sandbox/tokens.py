"""Access and refresh tokens of a sandbox.

A token belongs to one identity, was issued to one client, and is for one resource server.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from flows.sandbox.scopes import bare_scopes, dependent_scopes, resource_server

__all__ = ["LIFETIME", "Token", "TokenStore"]

LIFETIME = 48 * 3600
"""How long an access token is valid, in seconds, as in Globus Auth."""


@dataclass(frozen=True)
class Token:
    """One access token; times are seconds since 1970."""

    text: str = field(repr=False)
    identity_id: str
    client_id: str
    resource_server: str
    scopes: tuple[str, ...]
    issued_at: int
    expires_at: int
    consents: frozenset[str] = frozenset()
    refresh_text: str | None = field(default=None, repr=False)

    def document(self) -> dict[str, object]:
        """The token as a token response shows it."""
        shown: dict[str, object] = {
            "access_token": self.text,
            "scope": " ".join(self.scopes),
            "resource_server": self.resource_server,
            "expires_in": max(0, self.expires_at - int(time.time())),
            "token_type": "Bearer",
        }
        return shown | ({"refresh_token": self.refresh_text} if self.refresh_text else {})


class TokenStore:
    """Issues, finds and revokes tokens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}
        self._by_refresh: dict[str, Token] = {}

    def issue(
        self,
        identity_id: str,
        client_id: str,
        scope: str,
        *,
        lifetime: int = LIFETIME,
        refreshable: bool = False,
        consents: Iterable[str] = (),
    ) -> list[Token]:
        """One token for each resource server that the scope string names, in its order.

        Dependencies in brackets become consents of the tokens.
        """
        by_server: dict[str, list[str]] = {}
        for single in bare_scopes(scope):
            by_server.setdefault(resource_server(single), []).append(single)
        now = int(time.time())
        agreed = dependent_scopes(scope) | frozenset(consents)
        issued = [
            Token(
                text=f"Ag{secrets.token_urlsafe(36)}",
                identity_id=identity_id,
                client_id=client_id,
                resource_server=server,
                scopes=tuple(dict.fromkeys(scopes)),
                issued_at=now,
                expires_at=now + lifetime,
                consents=agreed,
                refresh_text=f"Ar{secrets.token_urlsafe(36)}" if refreshable else None,
            )
            for server, scopes in by_server.items()
        ]
        with self._lock:
            for token in issued:
                self._keep(token)
        return issued

    def _keep(self, token: Token) -> None:
        self._tokens[token.text] = token
        if token.refresh_text:
            self._by_refresh[token.refresh_text] = token

    def find(self, text: str) -> Token | None:
        """The token, if it was issued here, is not revoked and has not expired."""
        with self._lock:
            token = self._tokens.get(text)
        return token if token and token.expires_at > time.time() else None

    def is_active(self, text: str, client_id: str) -> bool:
        """Whether a client has this access or refresh token, and it still works."""
        with self._lock:
            token = self._by_refresh.get(text)
        token = token or self.find(text)
        return token is not None and token.client_id == client_id

    def refresh(self, refresh_text: str, client_id: str) -> Token | None:
        """A new access token for a refresh token of this client."""
        with self._lock:
            old = self._by_refresh.get(refresh_text)
            if old is None or old.client_id != client_id:
                return None
            now = int(time.time())
            text = f"Ag{secrets.token_urlsafe(36)}"
            token = replace(old, text=text, issued_at=now, expires_at=now + LIFETIME)
            self._keep(token)
            return token

    def revoke(self, text: str) -> None:
        """Ends an access token, or a refresh token and what it can still make."""
        with self._lock:
            self._tokens.pop(text, None)
            self._by_refresh.pop(text, None)
