"""Signed statements: DSSE envelopes that hold with the right key over the very same bytes."""

from __future__ import annotations

import base64
import copy
import json
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
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


def key_pair() -> tuple[bytes, bytes]:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(PEM, PKCS8, PLAIN), key.public_key().public_bytes(PEM, SPKI)


@pytest.fixture
def keys() -> tuple[bytes, bytes]:
    return key_pair()


@pytest.fixture
def signed(store: Store, keys: tuple[bytes, bytes]) -> Document:
    statement = store.reader().statement(some_science(store).peaks.urn)
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
    curve = ec.generate_private_key(ec.SECP256R1())
    of_another_kind = curve.private_bytes(PEM, PKCS8, PLAIN)
    encrypted = Ed25519PrivateKey.generate().private_bytes(
        PEM, PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    private, public = key_pair()
    for key, sentence in (
        (b"", "openssl genpkey"),
        (b"garbage", "openssl genpkey"),
        (public, "openssl genpkey"),
        (of_another_kind, "not an ed25519 key"),
        (encrypted, "is encrypted"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            sign(b"{}", key)
    statement, envelope = opened(signed)
    for key in (b"", b"garbage", private, curve.public_key().public_bytes(PEM, SPKI)):
        with pytest.raises(InvalidInput, match="openssl pkey"):
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
