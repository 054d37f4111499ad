"""Who asks the stand-in for Globus Auth, how it refuses, and the ID tokens that it signs."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from functools import cache
from typing import Any, NamedTuple

from flask import request

from flows.sandbox.directory import Client, Directory, Identity
from flows.sandbox.tokens import Token, TokenStore
from provenance_store.extras import extra

__all__ = [
    "ISSUER",
    "Bearer",
    "NotPermitted",
    "Refused",
    "bearer",
    "calling_client",
    "form_client",
    "id_token",
    "key_set",
    "openid_configuration",
    "profile",
]


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


with extra("sandbox", "The sandbox"):
    import jwt
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

ISSUER = "https://auth.globus.org"
ALGORITHM = "RS512"
KEY_ID = "sandbox"
LIFETIME = 48 * 3600


@cache
def _key() -> RSAPrivateKey:
    """The key of this process: all its sandboxes have the same."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def key_set() -> dict[str, Any]:
    """The public key as a JSON Web Key Set."""
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_key().public_key()))
    return {"keys": [key | {"alg": ALGORITHM, "kid": KEY_ID, "use": "sig"}]}


def openid_configuration(url: str) -> dict[str, Any]:
    """The discovery document of the stand-in for Globus Auth at `url`."""
    return {
        "issuer": ISSUER,
        "authorization_endpoint": f"{url}/v2/oauth2/authorize",
        "token_endpoint": f"{url}/v2/oauth2/token",
        "introspection_endpoint": f"{url}/v2/oauth2/token/introspect",
        "revocation_endpoint": f"{url}/v2/oauth2/token/revoke",
        "userinfo_endpoint": f"{url}/v2/oauth2/userinfo",
        "jwks_uri": f"{url}/jwk.json",
        "scopes_supported": ["openid", "email", "profile"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "code_challenge_methods_supported": ["S256", "plain"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "claims_supported": ["at_hash", "aud", "email", "exp", "iat", "iss", "name", "sub"],
    }


def profile(identity: Identity, logged_in: int) -> dict[str, Any]:
    """What OpenID Connect tells of a person, and when they logged in, in seconds since 1970."""
    return {
        "sub": identity.id,
        "preferred_username": identity.username,
        "name": identity.name,
        "email": identity.email,
        "organization": None,
        "identity_provider": None,
        "identity_provider_display_name": "Sandbox",
        "last_authentication": logged_in,
    }


def id_token(identity: Identity, client_id: str, access_token: str, nonce: str | None) -> str:
    """A signed ID token that tells a client who has logged in."""
    now = int(time.time())
    half = hashlib.sha512(access_token.encode()).digest()[:32]
    claims = {
        "iss": ISSUER,
        "aud": client_id,
        "iat": now,
        "exp": now + LIFETIME,
        "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        **profile(identity, now),
    }
    if nonce:
        claims["nonce"] = nonce
    return jwt.encode(claims, _key(), algorithm=ALGORITHM, headers={"kid": KEY_ID})
