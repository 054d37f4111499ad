"""globus-sdk's Auth and Groups clients, and the toolkit, work against the sandbox."""

from __future__ import annotations

from typing import Any

import globus_sdk
import pytest
from globus_action_provider_tools.authentication import AuthState, AuthStateBuilder
from globus_sdk.scopes import GroupsScopes

from flows.sandbox import Client, Identity, Sandbox

GROUPS = GroupsScopes.view_my_groups_and_memberships
RUN_STATUS = globus_sdk.FlowsClient.scopes.run_status


@pytest.fixture
def provider(sandbox: Sandbox) -> Client:
    return sandbox.add_client("A provider")


@pytest.fixture
def auth(provider: Client, closing: list[Any]) -> globus_sdk.ConfidentialAppAuthClient:
    client = globus_sdk.ConfidentialAppAuthClient(provider.client_id, provider.client_secret)
    closing.append(client)
    return client


def test_a_client_gets_tokens_for_itself(
    sandbox: Sandbox, provider: Client, auth: globus_sdk.ConfidentialAppAuthClient
) -> None:
    wanted = [GROUPS, globus_sdk.FlowsClient.scopes.all]
    tokens = auth.oauth2_client_credentials_tokens(requested_scopes=wanted)
    by_server = tokens.by_resource_server
    assert set(by_server) == {"groups.api.globus.org", "flows.globus.org"}
    found = auth.oauth2_token_introspect(by_server["flows.globus.org"]["access_token"])
    assert found["sub"] == provider.client_id
    assert found["username"] == f"{provider.client_id}@clients.auth.globus.org"


def test_a_client_app_logs_in_by_itself(
    sandbox: Sandbox, provider: Client, closing: list[Any]
) -> None:
    app = globus_sdk.ClientApp(
        "test", client_id=provider.client_id, client_secret=provider.client_secret
    )
    client = globus_sdk.FlowsClient(app=app)
    closing.extend((client, app._login_client))
    assert list(client.list_flows()) == []


def test_a_token_is_introspected_with_its_identity_set(
    sandbox: Sandbox, ada: Identity, auth: globus_sdk.ConfidentialAppAuthClient, provider: Client
) -> None:
    linked = sandbox.add_identity("ada@other.org", linked=[ada])
    scope = sandbox.add_scope(provider, "record")
    token = sandbox.token_for(linked, scope)
    found = auth.oauth2_token_introspect(token, include="identity_set,session_info")
    assert found["active"] is True
    assert found["scope"] == scope
    assert found["identity_set"] == [linked.id, ada.id]
    assert linked.id in found["session_info"]["authentications"]
    assert found["exp"] - found["iat"] == 48 * 3600
    assert "identity_set" not in auth.oauth2_token_introspect(token).data


def test_tokens_that_are_unknown_expired_or_revoked_are_inactive(
    sandbox: Sandbox, ada: Identity, auth: globus_sdk.ConfidentialAppAuthClient
) -> None:
    revoked = sandbox.token_for(ada, GROUPS)
    auth.oauth2_revoke_token(revoked)
    for text in ("nonsense-token", sandbox.token_for(ada, GROUPS, lifetime=-1), revoked):
        assert auth.oauth2_token_introspect(text).data == {"active": False}


def test_a_wrong_secret_is_an_invalid_client(
    sandbox: Sandbox, provider: Client, closing: list[Any]
) -> None:
    wrong = globus_sdk.ConfidentialAppAuthClient(provider.client_id, "wrong")
    closing.append(wrong)
    for call in (
        lambda: wrong.oauth2_client_credentials_tokens(requested_scopes=GROUPS),
        lambda: wrong.oauth2_token_introspect("a-token"),
        lambda: wrong.oauth2_get_dependent_tokens("a-token"),
    ):
        with pytest.raises(globus_sdk.AuthAPIError) as raised:
            call()
        assert raised.value.http_status == 401
        assert raised.value.raw_json == {"error": "invalid_client"}


def test_a_scope_that_its_owner_did_not_register_is_unknown(
    auth: globus_sdk.ConfidentialAppAuthClient, provider: Client
) -> None:
    scope = f"https://auth.globus.org/scopes/{provider.client_id}/nothing"
    with pytest.raises(globus_sdk.AuthAPIError) as raised:
        auth.oauth2_client_credentials_tokens(requested_scopes=scope)
    assert raised.value.http_status == 400


def test_a_refresh_token_gives_a_new_access_token(
    auth: globus_sdk.ConfidentialAppAuthClient, sandbox: Sandbox, ada: Identity, provider: Client
) -> None:
    issued = sandbox.tokens.issue(ada.id, provider.client_id, GROUPS, refreshable=True)[0]
    assert issued.refresh_text is not None
    renewed = auth.oauth2_refresh_token(issued.refresh_text)
    text = renewed.by_resource_server["groups.api.globus.org"]["access_token"]
    assert text != issued.text
    assert auth.oauth2_token_introspect(text)["sub"] == ada.id


def test_dependent_tokens_are_for_the_audience_only(
    sandbox: Sandbox, ada: Identity, auth: globus_sdk.ConfidentialAppAuthClient, provider: Client
) -> None:
    mine = sandbox.token_for(ada, sandbox.add_scope(provider, "record"))
    tokens = auth.oauth2_get_dependent_tokens(mine)
    assert set(tokens.by_scopes) == {str(GROUPS), str(RUN_STATUS)}
    other = sandbox.add_client("Another")
    foreign = sandbox.token_for(ada, sandbox.add_scope(other, "record"))
    with pytest.raises(globus_sdk.AuthAPIError) as raised:
        auth.oauth2_get_dependent_tokens(foreign)
    assert raised.value.raw_json == {"error": "invalid_grant"}


def test_an_optional_dependency_takes_a_consent_of_its_own(
    sandbox: Sandbox, ada: Identity, auth: globus_sdk.ConfidentialAppAuthClient, provider: Client
) -> None:
    scope = sandbox.add_scope(provider, "record", dependencies=(str(GROUPS), f"*{RUN_STATUS}"))
    tokens = auth.oauth2_get_dependent_tokens(sandbox.token_for(ada, scope))
    assert set(tokens.by_scopes) == {str(GROUPS)}
    agreed = sandbox.token_for(ada, f"{scope}[{RUN_STATUS}]")
    tokens = auth.oauth2_get_dependent_tokens(agreed)
    assert set(tokens.by_scopes) == {str(GROUPS), str(RUN_STATUS)}


def test_somebody_sees_their_own_groups(
    sandbox: Sandbox, ada: Identity, bob: Identity, closing: list[Any]
) -> None:
    group = sandbox.add_group("Beamline", [ada])

    def groups(user: Identity, scope: object) -> list[str]:
        token = globus_sdk.AccessTokenAuthorizer(sandbox.token_for(user, str(scope)))
        client = globus_sdk.GroupsClient(authorizer=token)
        closing.append(client)
        return [found["id"] for found in client.get_my_groups()]

    assert groups(ada, GROUPS) == [group.id]
    assert groups(bob, GROUPS) == []
    with pytest.raises(globus_sdk.GroupsAPIError) as raised:
        groups(ada, "openid")
    assert raised.value.http_status == 403


def test_the_toolkit_authenticates_a_caller_with_groups(
    sandbox: Sandbox, ada: Identity, provider: Client, auth: globus_sdk.ConfidentialAppAuthClient
) -> None:
    group = sandbox.add_group("Beamline", [ada])
    scope = sandbox.add_scope(provider, "record")
    AuthState.introspect_cache.clear()
    state = AuthStateBuilder(auth, [scope]).build(sandbox.token_for(ada, scope))
    assert state.effective_identity == ada.urn
    assert state.principals == {ada.urn, group.urn}


def test_identities_are_looked_up(sandbox: Sandbox, ada: Identity, closing: list[Any]) -> None:
    token = globus_sdk.AccessTokenAuthorizer(sandbox.token_for(ada, "openid"))
    client = globus_sdk.AuthClient(authorizer=token)
    closing.append(client)
    assert client.get_identities(usernames=ada.username)["identities"][0]["id"] == ada.id
    assert client.get_identities(ids=[ada.id])["identities"][0]["username"] == ada.username
    assert client.userinfo()["preferred_username"] == ada.username
