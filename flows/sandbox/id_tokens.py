"""OpenID Connect of a sandbox: the key that signs ID tokens, and where clients find it."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from functools import cache
from typing import Any

from flows.sandbox.directory import Identity
from provenance_store.extras import extra

with extra("sandbox", "The sandbox"):
    import jwt
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

__all__ = ["ISSUER", "id_token", "key_set", "openid_configuration", "profile"]

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
