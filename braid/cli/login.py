"""Logging in to Globus Auth: as a person, or as a service account from the environment."""

from __future__ import annotations

import re
import sys

import click

from braid.settings import LOGIN_CLIENT_ID, LOGIN_CLIENT_SECRET
from provenance_store.errors import ConfigurationError, NotAllowed
from provenance_store.extras import extra

with extra("globus", "A login"):
    import globus_sdk
    from globus_sdk.authorizers import GlobusAuthorizer
    from globus_sdk.globus_app import GlobusApp, GlobusAppConfig
    from globus_sdk.login_flows import CommandLineLoginFlowManager

    from provenance_store.globus import a_scope

__all__ = ["authorizer_for", "globus_app"]

SCOPE = re.compile(r"https://auth\.globus\.org/scopes/(?P<server>[^/]+)/[^/\[]+")


def globus_app() -> GlobusApp:
    """A ClientApp when a secret is set, else a UserApp whose tokens are kept by globus-sdk
    (in ``~/.globus/app``) and renewed without asking again.

    Raises ConfigurationError when no client is set.
    """
    client_id, secret = LOGIN_CLIENT_ID.get(), LOGIN_CLIENT_SECRET.get()
    if client_id is None:
        raise ConfigurationError(
            f"Set {LOGIN_CLIENT_ID.name} to the Globus Auth client to log in with "
            "(docs/query-history.md tells how to get one)."
        )
    if secret is not None:
        config = GlobusAppConfig(token_storage="memory")
        return globus_sdk.ClientApp(
            "braid", client_id=client_id, client_secret=secret, config=config
        )
    config = GlobusAppConfig(request_refresh_tokens=True, login_flow_manager=_Prompt)
    return globus_sdk.UserApp("braid", client_id=client_id, config=config)


def authorizer_for(scope: str) -> GlobusAuthorizer:
    """What puts a token with that scope on each request; logs in when there is none yet."""
    found = SCOPE.match(scope)
    if found is None:
        raise ConfigurationError(f"The scope {scope!r} is not a Globus Auth scope.")
    app = globus_app()
    app.add_scope_requirements({found["server"]: [a_scope(scope)]})
    return app.get_authorizer(found["server"])


class _Prompt(CommandLineLoginFlowManager):
    """Asks on standard error and the terminal, for standard output holds the answer."""

    def print_authorize_url(self, authorize_url: str) -> None:
        click.echo(f"Log in to Globus at this address:\n\n{authorize_url}\n", err=True)

    def prompt_for_code(self) -> str:
        if not sys.stdin.isatty():
            raise NotAllowed("A login is needed: call this once at a terminal, or set a secret.")
        code: str = click.prompt("The code shown there", err=True)
        return code.strip()
