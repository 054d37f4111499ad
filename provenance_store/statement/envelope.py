"""Statements as files: strict JSON, and DSSE envelopes signed with ed25519 or ECDSA P-256.

What JSON leaves open, and readers decide differently, is refused: a name that an object has twice,
numbers that are not finite or have more than 64 bits, text that is not Unicode. Envelopes are
signed through securesystemslib, which needs the extra ``sign``. Whoever checks an envelope gives
the key; what the envelope says of its key is not believed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from provenance_store.errors import BadFile
from provenance_store.extras import extra

__all__ = ["PAYLOAD_TYPE", "is_envelope", "payload_of", "read_json", "sign", "signed_by"]

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope

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


MAX_INTEGER = (1 << 64) - 1
NOT_THE_JSON = "verify takes the JSON form of a statement, as `--format json` writes it."


def read_json(data: bytes, *, path: str = "") -> Any:
    """The document in UTF-8 JSON text; raises BadFile, with a path, for anything doubtful."""
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadFile("it has text that is not Unicode: half of a pair.", path=path) from None
    except RecursionError:
        raise BadFile("it is nested too deeply.", path=path) from None
    except _Doubtful as error:
        raise BadFile(f"{error}", path=path) from None
    except ValueError as error:
        looks_like_json = data.lstrip().startswith((b"{", b"["))
        why = f"it is not JSON: {error}." if looks_like_json else NOT_THE_JSON
        raise BadFile(why, path=path) from None
    return document


class _Doubtful(ValueError):
    """JSON that programs read differently."""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Doubtful(f"an object has the field {twice!r:.80} twice; each may be there once.")
    return found


def _no_constant(name: str) -> Any:
    raise _Doubtful(f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise _Doubtful(f"the number {text:.40} is too large.")
    return number


def _integer(text: str) -> int:
    if len(text) > 20 or not -MAX_INTEGER // 2 <= (number := int(text)) <= MAX_INTEGER:
        raise _Doubtful(f"the number {text:.40} has more than 64 bits.")
    return number
