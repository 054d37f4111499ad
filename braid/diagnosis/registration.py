"""Whether the provider is registered with Globus Auth as it has to be: client, secret, scope."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from action_provider.settings import AUTH_URL, CLIENT_ID, CLIENT_SECRET, SCOPE, usual_scope
from braid.settings import LOGIN_CLIENT_ID, LOGIN_CLIENT_SECRET
from provenance_store.display import shown
from provenance_store.extras import extra
from provenance_store.transfer.condition import Finding
from provenance_store.unreachable import why_unreachable

with extra("globus", "Asking Globus Auth"):
    import globus_sdk

    from provenance_store.globus import transport_options

__all__ = ["examine_registration", "token_of_the_login"]

GROUPS = str(globus_sdk.GroupsClient.scopes.view_my_groups_and_memberships)
RUN_STATUS = str(globus_sdk.FlowsClient.scopes.run_status)
SKEW_WARN, SKEW_FAIL = 10, 120
"""Seconds. The clock decides whether a token has expired."""
REGISTERED = "docs/register-with-globus-auth.md tells how to register client and scope."


def examine_registration(*, offline: bool, elsewhere: bool) -> Iterator[Finding]:
    """Client, secret, scope, what the scope depends on, and the clock; `elsewhere` says that a
    server is asked whose settings need not be known here."""
    client_id, secret = CLIENT_ID.get(), CLIENT_SECRET.get()
    unset = [
        setting.name
        for setting, value in ((CLIENT_ID, client_id), (CLIENT_SECRET, secret))
        if not (value or "").strip()
    ]
    if not client_id or not secret or unset:
        said = f"{' and '.join(unset)} {'is' if len(unset) == 1 else 'are'} not set here"
        if elsewhere:
            told = "Where the server runs, `braid doctor` looks at its client and scope too."
            yield Finding("client", "skip", f"{said}.", told)
        else:
            yield Finding("client", "fail", f"{said}; `braid serve` does not start.", REGISTERED)
        return
    if offline:
        yield Finding("client", "skip", "Globus Auth is not asked.", "Leave out --offline.")
        return
    client = globus_sdk.ConfidentialAppAuthClient(
        client_id.strip(),
        secret.strip(),
        base_url=AUTH_URL.get(),
        **transport_options(http_timeout=10, max_retries=0),
    )
    try:
        yield from _asked(client, SCOPE.get() or usual_scope(client_id))
    except globus_sdk.GlobusAPIError as error:
        yield Finding(
            "client",
            "fail",
            f"Globus Auth answered {error.http_status}: {shown(str(error.message), 200)}",
            "Try again later; while Globus Auth does not answer, callers get 503.",
        )
    except globus_sdk.GlobusError as error:
        yield Finding(
            "client",
            "fail",
            f"Globus Auth cannot be reached from here: {why_unreachable(error)}.",
            "Let this machine connect to auth.globus.org at port 443, by the proxy that "
            "HTTPS_PROXY names if need be. Without a network: --offline.",
        )
    finally:
        client.transport.session.close()


def _asked(client: globus_sdk.ConfidentialAppAuthClient, scope: str) -> Iterator[Finding]:
    before = time.time()
    try:
        answer = client.oauth2_token_introspect("not-a-token")  # what the server asks of each one
    except globus_sdk.GlobusAPIError as error:
        if error.http_status not in (400, 401, 403):
            raise
        yield Finding(
            "client",
            "fail",
            f"Globus Auth does not take {CLIENT_ID.name} with this {CLIENT_SECRET.name} "
            f"({error.http_status}).",
            "Compare both with https://app.globus.org/settings/developers; make a new secret there "
            "if it is lost. Until then the server answers 503 to everybody.",
        )
        return
    yield Finding("client", "ok", "Globus Auth takes the client's id and secret.")
    yield _clock(answer.headers.get("Date"), (before + time.time()) / 2)
    yield from _scope(client, scope)


def _clock(told: str | None, now: float) -> Finding:
    try:
        theirs = parsedate_to_datetime(told or "").timestamp()
    except ValueError:
        return Finding("clock", "skip", "Globus Auth did not say what time it is.")
    ahead = now - theirs
    if abs(ahead) < SKEW_WARN:
        return Finding("clock", "ok", f"The clock is within {SKEW_WARN} s of Globus Auth's.")
    return Finding(
        "clock",
        "warn" if abs(ahead) < SKEW_FAIL else "fail",
        f"The clock of this machine is {abs(ahead):,.0f} s {'ahead' if ahead > 0 else 'behind'}: "
        "tokens seem expired too early or too late, and times of records are wrong.",
        "Set the clock, and let it be kept (systemd-timesyncd, chrony).",
    )


def _scope(client: globus_sdk.ConfidentialAppAuthClient, scope: str) -> Iterator[Finding]:
    names = ",".join((scope, GROUPS, RUN_STATUS))
    found = {
        str(one.get("scope_string")): one
        for one in client.get("/v2/api/scopes", query_params={"scope_strings": names})["scopes"]
    }
    if scope not in found:
        own = usual_scope(str(client.client_id))
        other = f"The scope of this client is usually {own}. " if own != scope else ""
        yield Finding(
            "scope",
            "fail",
            f"Globus Auth does not know the scope {shown(scope, 200)}: nobody gets a token for it.",
            f"{other}Register the scope, or correct {SCOPE.name}. {REGISTERED}",
        )
        return
    known = found[scope]
    if str(known.get("client")) != str(client.client_id):
        yield Finding(
            "scope",
            "fail",
            f"The scope {scope} belongs to another client, {known.get('client')}.",
            f"Set {CLIENT_ID.name} and its secret to that client's, or {SCOPE.name} to a scope of "
            "this one.",
        )
        return
    yield Finding("scope", "ok", f"{scope} is registered, and belongs to the client.")
    yield from _dependencies(known, found)


def _dependencies(known: dict[str, Any], found: dict[str, Any]) -> Iterator[Finding]:
    needs = {one.get("scope"): one for one in known.get("dependent_scopes") or ()}
    for name, scope, lost in (
        ("groups", GROUPS, "nobody can read, or record, as a member of a Globus group"),
        ("harvests", RUN_STATUS, "harvests that flows ask for fail with ConsentRequired"),
    ):
        if scope not in found:
            yield Finding(f"scope of {name}", "skip", f"Globus Auth does not tell of {scope}.")
            continue
        need = needs.get(found[scope].get("id"))
        if need is None:
            yield Finding(
                f"scope of {name}",
                "warn",
                f"The scope does not depend on {scope}: {lost}.",
                f"Add its id, {found[scope].get('id')}, to dependent_scopes. {REGISTERED}",
            )
        elif need.get("optional"):
            yield Finding(
                f"scope of {name}",
                "warn",
                f"The dependency on {scope} is optional: without a consent of its own, {lost}.",
                'Set "optional" to false in dependent_scopes.',
            )
        else:
            yield Finding(f"scope of {name}", "ok", "The scope depends on it.")


def token_of_the_login(scope: str) -> str | None:
    """A token of the service account that the command line logs in as, for a scope; None where
    there is none. Raises GlobusError where it gets no token."""
    client_id, secret = LOGIN_CLIENT_ID.get(), LOGIN_CLIENT_SECRET.get()
    if not client_id or not secret:
        return None
    client = globus_sdk.ConfidentialAppAuthClient(
        client_id,
        secret,
        base_url=AUTH_URL.get(),
        **transport_options(http_timeout=10, max_retries=0),
    )
    try:
        answer = client.oauth2_client_credentials_tokens(requested_scopes=scope)
        tokens = list(answer.by_resource_server.values())
        return str(tokens[0]["access_token"]) if tokens else None
    finally:
        client.transport.session.close()
