"""Who calls: Globus Auth tokens by way of the toolkit's introspection, groups when they matter."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol, cast

import globus_sdk
from flask import Request, g
from globus_action_provider_tools.authentication import (
    AuthState,
    InvalidTokenScopesError,
    group_principal,
)
from globus_action_provider_tools.client_factory import ClientFactory
from globus_action_provider_tools.errors import (
    AuthenticationError,
    UnverifiedAuthenticationError,
)
from globus_action_provider_tools.flask.helpers import FlaskAuthStateBuilder
from globus_sdk.authorizers import GlobusAuthorizer

from action_provider.caches import LockedCache, replace_toolkit_caches
from action_provider.errors import Unauthorized
from action_provider.introspection import BoundedAuthClient, asking
from action_provider.lanes.turns import TURNS
from action_provider.settings import Options
from provenance_store.errors import NotAllowed, ServiceUnavailable
from provenance_store.globus import transport_options
from provenance_store.viewer import Viewer

__all__ = ["Authenticator", "Caller", "Dependents"]

log = logging.getLogger(__name__)

GROUP_PREFIX = "urn:globus:groups:id:"
TRANSPORT = {"http_timeout": 10, "max_retries": 1, "max_sleep": 2}
"""Seconds; a request to Globus is repeated once."""
EVERYBODY = frozenset({"public", "all_authenticated_users"})


class Dependents:
    """Tokens on a caller's behalf, for the scopes that this server's own scope depends on.

    They are in the toolkit's memory only, as long as this process lives.
    """

    __slots__ = ("_state",)

    def __init__(self, state: AuthState) -> None:
        self._state = state

    def authorizer(self, scope: str) -> GlobusAuthorizer:
        """Puts the token for a scope into requests; from memory, else from Globus Auth.

        Raises ValueError when the scope is not among those the caller consented to, and what
        globus-sdk raises.
        """
        authorizer: GlobusAuthorizer = self._state.get_authorizer_for_scope(scope)
        return authorizer

    def forget(self) -> None:
        """Ask Globus Auth anew the next time: a token was not taken."""
        del AuthState.dependent_tokens_cache[self._state._dependent_token_cache_key]


class Caller:
    """Somebody with a valid token: its identity, the identities linked to it, its groups.

    Groups are asked for only when a question depends on them; `known_groups` is None until then.
    """

    __slots__ = (
        "_ask_for_groups",
        "dependents",
        "identities",
        "identity",
        "known_groups",
        "reader_group",
    )

    def __init__(
        self,
        identity: str,
        identities: Iterable[str],
        *,
        known_groups: frozenset[str] | None,
        ask_for_groups: Callable[[], frozenset[str]],
        reader_group: str | None,
        dependents: Dependents | None = None,
    ) -> None:
        self.identity = identity
        self.identities = frozenset(identities) | {identity}
        self.known_groups = known_groups
        self.reader_group = reader_group
        self._ask_for_groups = ask_for_groups
        self.dependents = dependents
        """None where the caller's token is not at hand."""

    @property
    def groups(self) -> frozenset[str]:
        """URNs of the groups that the caller is an active member of.

        Raises ServiceUnavailable when Globus does not say, NotAllowed when it refuses to.
        """
        if self.known_groups is None:
            self.known_groups = self._ask_for_groups()
        return self.known_groups

    def is_one_of(self, allowed: Iterable[str], *, everybody: bool = True) -> bool:
        """Whether a list of principals means this caller; with `everybody`, words for all too."""
        allowed = frozenset(allowed)
        if allowed & self.identities or (everybody and allowed & EVERYBODY):
            return True
        wanted = {principal for principal in allowed if principal.startswith(GROUP_PREFIX)}
        return bool(wanted and wanted & self.groups)

    @property
    def reads_everything(self) -> bool:
        """Whether the caller is in the store-wide reader group."""
        return self.reader_group is not None and self.reader_group in self.groups

    def viewer(self) -> Viewer:
        """The caller as the store's reader knows it."""
        return Viewer(self.identities | self.groups, everything=self.reads_everything)


class HasHeaders(Protocol):
    """What tells who calls."""

    @property
    def headers(self) -> Any:
        """The headers by name."""


class Authenticator:
    """From a request to a Caller."""

    def __init__(self, options: Options) -> None:
        replace_toolkit_caches(
            maxsize=options.token_cache_size,
            token_seconds=options.token_cache_seconds,
            group_seconds=options.group_cache_seconds,
        )
        factory = Clients(options)
        client = factory.make_confidential_app_auth_client(options.client_id, options.client_secret)
        self._reader_group = options.reader_group
        self._states: LockedCache[AuthState] = LockedCache(
            maxsize=options.token_cache_size, ttl=options.token_cache_seconds
        )
        """By the digest of an Authorization header: to check a token anew takes longer than to see
        that Globus Auth's answer about it still counts."""
        self.builder = FlaskAuthStateBuilder(client, [options.scope], client_factory=factory)

    def caller(self, request: Request) -> Caller:
        """The caller of a request, who is looked up once.

        Raises Unauthorized without a token that is valid here, ServiceUnavailable when Globus
        Auth does not say whether it is.
        """
        if (known := g.get("caller")) is not None:
            return cast(Caller, known)
        g.caller = caller = self.who(request)
        return caller

    def who(self, request: HasHeaders) -> Caller:
        """As `caller`, of whatever has a request's headers."""
        given = request.headers.get("Authorization", "")
        name = hashlib.sha256(given.encode(errors="replace")).hexdigest()
        state = self._states.get(name)
        known = None if state is None else AuthState.introspect_cache.get(state._token_hash)
        if state is None or known is not state._token_data:
            state = self._states[name] = self._state(request)
        return self._current(state)

    def _state(self, request: HasHeaders) -> AuthState:
        try:
            return self.builder.build_from_request(request=request)
        except UnverifiedAuthenticationError as error:
            raise Unauthorized(f"{error}; send `Authorization: Bearer TOKEN`.") from None
        except globus_sdk.GlobusAPIError as error:
            raise ServiceUnavailable(
                f"Globus Auth answered {error.http_status} when asked about the token."
            ) from None
        except globus_sdk.GlobusError:
            raise ServiceUnavailable("Globus Auth cannot be reached; try again.") from None
        except AuthenticationError as error:
            raise _refused(error) from None

    def _current(self, state: AuthState) -> Caller:
        if (state._token_data.get("exp") or math.inf) <= time.time():
            raise Unauthorized("The token has expired.", error="invalid_token")
        return Caller(
            state.effective_identity,
            state.identities,
            known_groups=AuthState.group_membership_cache.get(state._token_hash),
            ask_for_groups=partial(_groups, state),
            reader_group=self._reader_group,
            dependents=Dependents(state),
        )


class Clients(ClientFactory):  # type: ignore[misc]
    """Clients of the Globus services, where the options say that these are."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def make_confidential_app_auth_client(
        self, client_id: object, client_secret: str
    ) -> globus_sdk.ConfidentialAppAuthClient:
        return BoundedAuthClient(
            str(client_id),
            client_secret,
            base_url=self._options.auth_url,
            **transport_options(**TRANSPORT),
            places=self._options.introspections,
            remembered=self._options.token_cache_size,
            header=self._options.address_header,
        )

    def make_groups_client(
        self, authorizer: globus_sdk.authorizers.GlobusAuthorizer
    ) -> globus_sdk.GroupsClient:
        return globus_sdk.GroupsClient(
            authorizer=authorizer,
            base_url=self._options.groups_url,
            **transport_options(**TRANSPORT),
        )


def _refused(error: AuthenticationError) -> Unauthorized:
    if isinstance(error.__cause__, InvalidTokenScopesError):
        return Unauthorized("The token lacks this server's scope.", error="insufficient_scope")
    return Unauthorized("The token is not valid, or no longer.", error="invalid_token")


def _groups(state: AuthState) -> frozenset[str]:
    try:
        groups = _ask_for_groups(state)
    except ValueError:
        log.warning("The scope has no Globus Groups dependency, so nobody is in any group here.")
        groups = frozenset()
    except globus_sdk.GlobusAPIError as error:
        if error.http_status in (400, 401, 403):
            raise NotAllowed(
                "Globus does not let this server see your groups; consent to that and call again."
            ) from None
        raise ServiceUnavailable(
            f"Globus answered {error.http_status} when asked for your groups; try again."
        ) from None
    except globus_sdk.GlobusError:
        raise ServiceUnavailable("Globus Groups cannot be reached; try again.") from None
    AuthState.group_membership_cache[state._token_hash] = groups
    return groups


def _ask_for_groups(state: AuthState) -> frozenset[str]:
    """Raises ValueError when the server's scope has no Groups dependency: nobody has groups."""
    asking()
    client = state._groups_client
    try:
        with TURNS.aside():
            groups = client.get_my_groups()
        return frozenset(group_principal(group["id"]) for group in groups if _is_member(group))
    finally:
        client.transport.close()
        state.__dict__.pop("_groups_client", None)  # a later one may need another token


def _is_member(group: Mapping[str, Any]) -> bool:
    """Not so somebody who is only invited or has asked to join."""
    memberships = group.get("my_memberships")
    return memberships is None or any(m.get("status") == "active" for m in memberships)
