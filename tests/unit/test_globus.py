"""What our clients are made with, whichever globus-sdk is there."""

from __future__ import annotations

import globus_sdk
import pytest

from provenance_store.globus import a_scope, given, session_of, transport_options

OUTER, INNER = "https://auth.globus.org/scopes/a/b", "urn:globus:auth:scope:c:d"


@pytest.mark.parametrize("text", [OUTER, f"{OUTER}[{INNER}]", f"{OUTER}[*{INNER}]"])
def test_a_scope_is_read_and_written_again(text: str) -> None:
    assert str(a_scope(text)) == str(a_scope(a_scope(text))) == text


def test_two_scopes_are_not_one() -> None:
    with pytest.raises(ValueError, match="one scope"):
        a_scope(f"{OUTER} {INNER}")


def test_a_client_is_as_patient_as_it_is_told() -> None:
    options = transport_options(max_retries=7, max_sleep=3, http_timeout=5)
    client = globus_sdk.FlowsClient(**options)
    patience = getattr(client, "retry_config", client.transport)
    try:
        assert (patience.max_retries, patience.max_sleep) == (7, 3)
        assert client.transport.http_timeout == 5
    finally:
        client.transport.close()


def test_what_is_none_is_not_given() -> None:
    assert given(a=0, b=None, c="") == {"a": 0, "c": ""}


def test_the_connections_of_authorizers_that_renew_are_found() -> None:
    login = globus_sdk.ConfidentialAppAuthClient("id", "secret")
    try:
        by_client = globus_sdk.ClientCredentialsAuthorizer(
            login, OUTER, access_token="t", expires_at=2**40
        )
        by_token = globus_sdk.RefreshTokenAuthorizer("r", login, access_token="t", expires_at=2**40)
        assert session_of(by_client) is session_of(by_token) is login.transport.session
        assert session_of(globus_sdk.AccessTokenAuthorizer("t")) is None
    finally:
        login.transport.close()
