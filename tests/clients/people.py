"""Logging in as a person with globus-sdk's UserApp, and what Auth and Groups tell then.

Runs with globus-sdk 3 and 4. CLIENT_ID is a public client's; the person is PERSON, whom a browser
would pick on the page. INTROSPECT_ID and INTROSPECT_SECRET are those of a client that may look
into tokens.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

import globus_sdk
import requests
from globus_sdk.globus_app import GlobusAppConfig
from globus_sdk.login_flows import CommandLineLoginFlowManager
from globus_sdk.scopes import AuthScopes, GroupsScopes

PERSON = os.environ["PERSON"]


class Browser(CommandLineLoginFlowManager):
    """Opens the address that a person is shown, and reads the code from the page."""

    url = ""

    def print_authorize_url(self, authorize_url: str) -> None:
        Browser.url = authorize_url

    def prompt_for_code(self) -> str:
        page = requests.get(self.url, timeout=30)
        links = re.findall(r'<a href="([^"]+)">([^<]+)</a>', page.text)
        for link, name in links:
            if name == PERSON:
                address = requests.compat.urljoin(self.url, link.replace("&amp;", "&"))
                page = requests.get(address, timeout=30)
        found = re.search(r'<code id="code">([^<]+)</code>', page.text)
        assert found, page.text
        return found[1]


def main() -> dict[str, Any]:
    config = GlobusAppConfig(
        token_storage="json", request_refresh_tokens=True, login_flow_manager=Browser
    )
    app = globus_sdk.UserApp("test", client_id=os.environ["CLIENT_ID"], config=config)
    auth = globus_sdk.AuthClient(app=app)
    auth.add_app_scope([AuthScopes.openid, AuthScopes.email, AuthScopes.profile])
    auth.add_app_scope([AuthScopes.view_identity_set])
    groups = globus_sdk.GroupsClient(app=app)
    groups.add_app_scope(GroupsScopes.view_my_groups_and_memberships)
    flows = globus_sdk.FlowsClient(app=app)
    told: dict[str, Any] = {"version": globus_sdk.__version__}
    told["userinfo"] = auth.userinfo().data
    sub = told["userinfo"]["sub"]
    told["identities"] = auth.get_identities(ids=[sub]).data
    told["by_name"] = auth.get_identities(usernames=PERSON)["identities"][0]["id"]
    found = globus_sdk.IdentityMap(auth, [sub])
    told["mapped"] = found[sub]["username"]
    consents = auth.get_consents(sub)
    told["consents_document"], forest = consents.data, consents.to_forest()
    told["consents"] = sorted(node.scope_name for node in forest.nodes)
    told["consented"] = forest.meets_scope_requirements(
        str(GroupsScopes.view_my_groups_and_memberships)
    )
    told["not_consented"] = forest.meets_scope_requirements(str(GroupsScopes.all))
    told["scopes"] = auth.get_scopes(scope_strings=[os.environ["SCOPE"]]).data
    told["configuration"] = auth.get_openid_configuration().data
    told["key"] = auth.get_jwk(as_pem=True).key_size
    told["groups"] = list(groups.get_my_groups())
    group_id = told["groups"][0]["id"]
    told["group"] = groups.get_group(group_id, include="memberships").data
    told["flows"] = list(flows.list_flows())

    confidential = globus_sdk.ConfidentialAppAuthClient(
        os.environ["INTROSPECT_ID"], os.environ["INTROSPECT_SECRET"]
    )
    authorizer = app.get_authorizer("groups.api.globus.org")
    header = authorizer.get_authorization_header()
    told["introspected"] = confidential.oauth2_token_introspect(
        header.removeprefix("Bearer "), include="identity_set,session_info"
    ).data
    authorizer.handle_missing_authorization()  # gets another token with the refresh token
    told["renewed"] = authorizer.get_authorization_header() != header
    told["groups_after"] = len(list(groups.get_my_groups()))
    app.logout()
    told["logged_out"] = confidential.oauth2_token_introspect(
        authorizer.get_authorization_header().removeprefix("Bearer ")
    ).data
    return told


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
