"""Signed statements: DSSE envelopes that hold with the right key over the very same bytes."""

from __future__ import annotations

import base64
import copy
import json
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from provenance_store import Store
from provenance_store.errors import BadFile, ConfigurationError, InvalidInput
from provenance_store.statement.envelope import PAYLOAD_TYPE, sign
from provenance_store.statement.verdict import judge, opened
from tests.support.science import some_science

Document = dict[str, Any]
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
PLAIN = serialization.NoEncryption()


SEC1 = serialization.PrivateFormat.TraditionalOpenSSL
PARAMETERS = b"""-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
"""
"""What `openssl ecparam -name prime256v1 -genkey` writes before the key."""


def key_pair() -> tuple[bytes, bytes]:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(PEM, PKCS8, PLAIN), key.public_key().public_bytes(PEM, SPKI)


@pytest.fixture
def keys() -> tuple[bytes, bytes]:
    return key_pair()


@pytest.mark.parametrize("form", ["PKCS8", "SEC1", "with parameters"])
def test_keys_are_ecdsa_p256_too_as_openssl_writes_them(store: Store, form: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(PEM, PKCS8 if form == "PKCS8" else SEC1, PLAIN)
    public = key.public_key().public_bytes(PEM, SPKI)
    statement = store.documents().statement(some_science(store).peaks.urn)
    signed = sign(
        json.dumps(statement).encode(), (PARAMETERS if form == "with parameters" else b"") + private
    )
    assert signature_of(signed, public) == "holds"
    assert signature_of(signed, key_pair()[1]) == "broken"
    # What sigstore asks of an envelope: one signature, ECDSA over the bytes before authentication.
    (signature,) = signed["signatures"]
    payload, type_ = base64.b64decode(signed["payload"]), signed["payloadType"]
    encoded = f"DSSEv1 {len(type_)} {type_} {len(payload)} ".encode() + payload
    key.public_key().verify(base64.b64decode(signature["sig"]), encoded, ec.ECDSA(hashes.SHA256()))


def test_subjects_have_standard_digests_alone(store: Store) -> None:
    """Parsers of sigstore refuse a whole statement for one digest whose name they do not know."""
    places = [("sha256", "01" * 32), ("md5", "02" * 16), ("tree-sha256", "03" * 32)]
    places += [("sha512", "04" * 64), ("blake2b", "05" * 64)]
    uris = [{"uri": f"globus://c/{name}", "digest": f"{name}:{d}"} for name, d in places]
    record = store.data("x", uris=[*uris, "globus://c/none"])
    statement = store.documents().statement(record.urn)
    assert {name for s in statement["subject"] for name in s["digest"]} == {"sha256", "sha512"}
    assert [s["name"] for s in statement["subject"]] == [
        record.urn,
        "globus://c/sha256",
        "globus://c/sha512",
    ]
    assert judge(*opened(statement)).holds
    before = copy.deepcopy(statement)
    leaf = before["subject"][0]["digest"].pop("sha256")
    digests = {f"globus://c/{name}": {name: digest} for name, digest in places}
    before["subject"] = [{"name": record.urn, "digest": {"braidRecordSha256": leaf}}] + [
        {"name": uri["uri"], "digest": digests[uri["uri"]]}
        for uri in before["predicate"]["evidence"]["leaves"][0]["record"]["uris"]
        if uri["digest"]
    ]
    assert judge(*opened(before)).holds


@pytest.fixture
def signed(store: Store, keys: tuple[bytes, bytes]) -> Document:
    statement = store.documents().statement(some_science(store).peaks.urn)
    return sign(json.dumps(statement).encode(), keys[0])


def signature_of(document: Document, public_key: bytes) -> str:
    statement, envelope = opened(document)
    verdict = judge(statement, envelope, public_key=public_key)
    assert verdict.holds == (verdict.signature == "holds" and verdict.is_whole)
    return verdict.signature


def test_it_holds_with_the_key_that_made_it(signed: Document, keys: tuple[bytes, bytes]) -> None:
    assert signed["payloadType"] == PAYLOAD_TYPE == "application/vnd.in-toto+json"
    assert signature_of(signed, keys[1]) == "holds"
    assert signature_of(json.loads(json.dumps(signed)), keys[1]) == "holds"


def test_any_dsse_library_verifies_it(signed: Document, keys: tuple[bytes, bytes]) -> None:
    envelope = Envelope.from_dict(copy.deepcopy(signed))
    key = SSlibKey.from_crypto(serialization.load_pem_public_key(keys[1]))
    assert envelope.verify([key], 1)
    assert json.loads(envelope.payload)["_type"] == "https://in-toto.io/Statement/v1"


def test_it_does_not_hold_with_another_key(signed: Document) -> None:
    assert signature_of(signed, key_pair()[1]) == "broken"


def test_a_changed_payload_breaks_the_signature(
    signed: Document, keys: tuple[bytes, bytes]
) -> None:
    payload = base64.b64decode(signed["payload"]).replace(b"scan-17", b"scan-18")
    signed["payload"] = base64.b64encode(payload).decode()
    assert signature_of(signed, keys[1]) == "broken"


def test_even_a_space_more_breaks_the_signature(
    signed: Document, keys: tuple[bytes, bytes]
) -> None:
    signed["payload"] = base64.b64encode(base64.b64decode(signed["payload"]) + b" ").decode()
    assert signature_of(signed, keys[1]) == "broken"


@pytest.mark.parametrize("sig", ["", "AAAA", base64.b64encode(bytes(64)).decode()])
def test_a_changed_signature_does_not_hold(
    signed: Document, keys: tuple[bytes, bytes], sig: str
) -> None:
    signed["signatures"][0]["sig"] = sig
    assert signature_of(signed, keys[1]) == "broken"


def test_the_name_of_a_key_is_not_believed(signed: Document, keys: tuple[bytes, bytes]) -> None:
    signed["signatures"][0]["keyid"] = "somebody else"
    assert signature_of(signed, keys[1]) == "holds"
    del signed["signatures"][0]["keyid"]
    assert signature_of(signed, keys[1]) == "holds"


def test_one_of_several_signatures_is_enough(signed: Document, keys: tuple[bytes, bytes]) -> None:
    other, public = key_pair()
    more = sign(base64.b64decode(signed["payload"]), other)
    signed["signatures"] += more["signatures"]
    assert signature_of(signed, keys[1]) == signature_of(signed, public) == "holds"


def test_without_signatures_it_does_not_hold(signed: Document, keys: tuple[bytes, bytes]) -> None:
    signed["signatures"] = []
    assert signature_of(signed, keys[1]) == "broken"


def test_a_statement_that_is_not_signed_fails_where_a_key_is_given(
    signed: Document, keys: tuple[bytes, bytes]
) -> None:
    plain = json.loads(base64.b64decode(signed["payload"]))
    verdict = judge(*opened(plain), public_key=keys[1])
    assert (verdict.holds, verdict.signature) == (False, "none")
    assert judge(*opened(plain)).holds


def test_a_signature_that_nobody_checked_is_told_apart(signed: Document) -> None:
    verdict = judge(*opened(signed))
    assert (verdict.holds, verdict.signature) == (True, "unchecked")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("payload", "***"),
        ("payload", 3),
        ("payload", base64.b64encode(b"no json").decode()),
        ("payload", base64.b64encode(b"[]").decode()),
        ("payload", base64.b64encode(b"{}").decode()),
        ("payloadType", "text/plain"),
        ("payloadType", None),
        ("signatures", None),
        ("signatures", {}),
        ("signatures", [3]),
        ("signatures", [{}]),
        ("signatures", [{"sig": "***"}]),
        ("signatures", [{"sig": None}]),
    ],
)
def test_an_envelope_that_is_none_is_refused(signed: Document, part: str, value: Any) -> None:
    signed[part] = value
    with pytest.raises(InvalidInput):
        opened(signed)


def test_keys_that_are_none_are_refused_with_advice(signed: Document) -> None:
    curve = ec.generate_private_key(ec.SECP384R1())
    rsa_key = rsa.generate_private_key(65537, 2048)
    encrypted = Ed25519PrivateKey.generate().private_bytes(
        PEM, PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    private, public = key_pair()
    certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    for key, sentence in (
        (b"", "is no private key in PEM; .*openssl genpkey"),
        (b"garbage", "openssl genpkey"),
        (public, "is a public key and no private key"),
        (certificate, "is a certificate and no private key"),
        (curve.private_bytes(PEM, PKCS8, PLAIN), "is ECDSA secp384r1, and not ed25519 or ECDSA"),
        (rsa_key.private_bytes(PEM, PKCS8, PLAIN), "is RSA, and not ed25519 or ECDSA P-256"),
        (encrypted, "is encrypted"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            sign(b"{}", key)
    statement, envelope = opened(signed)
    for key, sentence in (
        (b"", "is no public key in PEM; .*openssl pkey"),
        (b"garbage", "openssl pkey"),
        (private, "is a private key and no public key"),
        (certificate, "openssl x509"),
        (curve.public_key().public_bytes(PEM, SPKI), "is ECDSA secp384r1"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            judge(statement, envelope, public_key=key)


def test_without_the_extra_it_says_which(
    monkeypatch: pytest.MonkeyPatch, keys: tuple[bytes, bytes]
) -> None:
    monkeypatch.setitem(sys.modules, "securesystemslib", None)
    with pytest.raises(ConfigurationError, match=r"braid-provenance\[sign\]"):
        sign(b"{}", keys[0])


@pytest.mark.parametrize("beside", ["predicate", "_type", "note"])
def test_nothing_stands_beside_what_is_signed(signed: Document, beside: str) -> None:
    signed[beside] = {"evidence": {}}
    with pytest.raises(BadFile, match=f"unknown field `{beside}`"):
        opened(signed)


def test_nothing_stands_beside_a_signature(signed: Document) -> None:
    signed["signatures"][0]["signer"] = "an auditor"
    with pytest.raises(BadFile, match="unknown field `signer`"):
        opened(signed)


def test_a_field_twice_in_what_was_signed_is_refused(keys: tuple[bytes, bytes]) -> None:
    signed = sign(b'{"_type": "x", "_type": "https://in-toto.io/Statement/v1"}', keys[0])
    with pytest.raises(BadFile, match="payload: an object has the field '_type' twice"):
        opened(signed)
