"""Signed statements: DSSE envelopes, through securesystemslib; keys are ed25519 or ECDSA P-256.

The one module that needs the extra ``sign``. The key of an envelope is given by whoever checks
it; what an envelope says of its key is not believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from provenance_store.errors import BadFile
from provenance_store.extras import extra

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope

__all__ = ["PAYLOAD_TYPE", "is_envelope", "payload_of", "sign", "signed_by"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
KINDS = "ed25519 or ECDSA P-256"
MAKE_A_KEY = "make one with `openssl genpkey -algorithm ed25519 -out key.pem`"
FROM_CERTIFICATE = "get it with `openssl x509 -in cert.pem -pubkey -noout -out pub.pem`"
MAKE_PUBLIC = "get it with `openssl pkey -in key.pem -pubout -out pub.pem`"


def sign(payload: bytes, private_key: bytes) -> dict[str, Any]:
    """A DSSE envelope around an in-toto Statement, signed with a private key in PEM.

    Raises BadFile when the key is none, ConfigurationError when signing is not installed.
    """
    dsse, signer = _library()
    envelope = dsse.Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(signer.CryptoSigner(_private(private_key)))
    document: dict[str, Any] = envelope.to_dict()
    return document


def is_envelope(document: Mapping[str, Any]) -> bool:
    """Whether a document is meant as a DSSE envelope."""
    return "payloadType" in document and "payload" in document


def payload_of(document: Mapping[str, Any]) -> bytes:
    """What an envelope holds; raises BadFile when it is none around an in-toto Statement."""
    envelope = _envelope(document)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise BadFile(
            f"The envelope holds {envelope.payload_type[:80]!r} and not an in-toto Statement."
        )
    return bytes(envelope.payload)


def signed_by(document: Mapping[str, Any], public_key: bytes) -> bool:
    """Whether one of the envelope's signatures was made with this key over this very payload.

    `public_key` is an ed25519 or ECDSA P-256 key in PEM; raises BadFile when it is none.
    """
    envelope = _envelope(document)
    key = _public(public_key)
    from securesystemslib.exceptions import UnverifiedSignatureError

    for signature in envelope.signatures.values():
        key.keyid = signature.keyid
        try:
            key.verify_signature(signature, envelope.pae())
        except UnverifiedSignatureError:
            continue
        return True
    return False


def _envelope(document: Mapping[str, Any]) -> Envelope:
    dsse, _ = _library()
    try:
        given = msgspec.convert(document, _Given)
        # Signatures are told apart by their place: what they say of their key is not believed.
        signatures = [{"keyid": str(n), "sig": one.sig} for n, one in enumerate(given.signatures)]
        envelope: Envelope = dsse.Envelope.from_dict(
            {
                "payload": given.payload,
                "payloadType": given.payload_type,
                "signatures": signatures,
            }
        )
    except Exception as error:
        raise BadFile(f"This is not a DSSE envelope: {_first_line(error)}.") from None
    return envelope


class _Signature(msgspec.Struct, forbid_unknown_fields=True):
    sig: str
    keyid: str = ""


class _Given(msgspec.Struct, rename={"payload_type": "payloadType"}, forbid_unknown_fields=True):
    """Nothing beside these: what is not in the payload is not signed."""

    payload: str
    payload_type: str
    signatures: list[_Signature]


def _private(pem: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise BadFile(
            "The private key is encrypted; decrypt it with `openssl pkey -in key.pem -out "
            "plain.pem` for as long as it is needed."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadFile(f"The file is {_instead(pem, 'private key')}; {MAKE_A_KEY}.") from None
    if not isinstance(key, Ed25519PrivateKey) and not _is_p256(key):
        raise BadFile(f"The private key is {_named(key)}, and not {KINDS}; {MAKE_A_KEY}.")
    return key


def _public(pem: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        how = FROM_CERTIFICATE if b"BEGIN CERTIFICATE" in pem else MAKE_PUBLIC
        raise BadFile(f"The file is {_instead(pem, 'public key')}; {how}.") from None
    if not isinstance(key, Ed25519PublicKey) and not _is_p256(key):
        raise BadFile(f"The public key is {_named(key)}, and not {KINDS}; {MAKE_PUBLIC}.")
    return _library()[1].SSlibKey.from_crypto(key)


def _instead(pem: bytes, wanted: str) -> str:
    """What a file is in place of a key that can be read."""
    if not (held := _held(pem)):
        return f"no {wanted} in PEM"
    if wanted in held:
        return f"{held} that is damaged, or of a kind that is not known here"
    return f"{held} and no {wanted}"


def _is_p256(key: Any) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec

    kinds = (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)
    return isinstance(key, kinds) and isinstance(key.curve, ec.SECP256R1)


def _named(key: Any) -> str:
    """What kind of key one is that cannot be used."""
    curve = getattr(getattr(key, "curve", None), "name", "")
    return f"ECDSA {curve}" if curve else type(key).__name__.partition("P")[0].lstrip("_")


def _held(pem: bytes) -> str:
    """What a PEM file holds in place of the key that is wanted."""
    names = {b"CERTIFICATE": "a certificate", b"PUBLIC KEY": "a public key"}
    names |= {b"PRIVATE KEY": "a private key"}
    found = re.search(rb"-----BEGIN (?:[A-Z0-9]+ )*?(CERTIFICATE|PUBLIC KEY|PRIVATE KEY)-----", pem)
    return names[found[1]] if found else ""


def _library() -> tuple[Any, Any]:
    with extra("sign", "A signature"):
        import cryptography  # noqa: F401
        from securesystemslib import dsse, signer
    return dsse, signer


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
