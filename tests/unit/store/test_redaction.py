"""Secrets are taken out; everything else is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance_store.errors import TooLarge
from provenance_store.redaction import REDACTED, is_secret_key, redact

SECRET = (
    "token accessToken access_token refresh-token Authorization password dbPassword "
    "DB_PASSWORD client_secret AWS_SECRET_ACCESS_KEY api_key apiKey APIKey x-api-key "
    "private_key _private_x _tokens ssh_key bearer Cookie credentials https_token tokens "
    "jwt"
).split()
HARMLESS = (
    "max_tokens num_tokens token_count tokenizer key keys primary_key name secretary path "
    "keyword monkey password_length token_type n_tokens public_keynote tokenize"
).split()


@pytest.mark.parametrize("key", SECRET)
def test_a_key_named_like_a_credential_is_secret(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize("key", HARMLESS)
def test_a_harmless_key_is_kept(key: str) -> None:
    assert not is_secret_key(key)


def test_private_parameters_are_hidden_at_any_level_with_any_suffix() -> None:
    document = {
        "list": [{"a.$": "$.x", "b.=": "y", "c": 1, "__Private_Parameters": ["a", "b.="]}],
        "c": 2,
    }
    assert redact(document) == {"list": [{"a.$": REDACTED, "b.=": REDACTED, "c": 1}], "c": 2}
    assert redact(document, private=["c"])["c"] == REDACTED


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner),
)


@given(json)
def test_what_holds_no_secret_is_unchanged(value: object) -> None:
    assert redact(value) == value


def test_a_document_that_is_too_deep_is_refused() -> None:
    deep: object = 1
    for _ in range(500):
        deep = [deep]
    with pytest.raises(TooLarge, match="nested"):
        redact(deep)
