"""Who calls the stand-in for the Flows service."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from flows.sandbox.directory import Directory, Identity
from flows.sandbox.flow_errors import missing_scope, unauthenticated
from flows.sandbox.tokens import Token, TokenStore

__all__ = ["Caller", "Doorkeeper"]


@dataclass(frozen=True)
class Caller:
    """The owner of the presented token, with everything that counts as them."""

    identity: Identity
    principals: frozenset[str]
    token: Token


class Doorkeeper:
    """Checks the bearer tokens of requests."""

    def __init__(self, directory: Directory, tokens: TokenStore) -> None:
        self.directory = directory
        self.tokens = tokens

    def admit(self, *scopes: str) -> Caller:
        """The caller, if the request's token is valid and has one of the scopes.

        Raises FlowsError: 401 for the token, 403 for its scope.
        """
        given = request.authorization
        bearer = given.token if given is not None and given.type == "bearer" else None
        token = self.tokens.find(bearer or "")
        identity = self.directory.identity(token.identity_id) if token else None
        if token is None or identity is None:
            raise unauthenticated()
        if not set(scopes) & set(token.scopes):
            raise missing_scope(list(scopes))
        return Caller(identity, self.directory.principals_of(identity), token)
