"""Who calls: Globus Auth tokens by way of the toolkit's introspection, in bounds; groups when
they matter.

The toolkit keeps its caches as class attributes of `AuthState`, with 100 entries each and no lock:
more than 100 callers never hit them, and `cachetools` breaks under threads. So larger ones with a
lock take their place.

Anybody can send any number of invented tokens, and nothing but the address tells an invented token
from a new one. So few unknown tokens are looked up at a time, and these places are shared by
address: who floods the server from one address does not keep out callers from others. A token that
was valid before is looked up in any case.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, cast

import cachetools  # type: ignore[import-untyped]
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
from globus_action_provider_tools.utils import TypedTTLCache
from globus_sdk.authorizers import GlobusAuthorizer

from action_provider.errors import Busy, TooManyRequests, Unauthorized
from action_provider.fair_queue import TURNS, FairLane, Rates
from action_provider.logs import asked
from action_provider.settings import Options
from provenance_store.errors import NotAllowed, ServiceUnavailable
from provenance_store.globus import transport_options
from provenance_store.values import Viewer

__all__ = [
    "Authenticator",
    "BoundedAuthClient",
    "Caller",
    "Dependents",
    "LockedCache",
    "MustAsk",
    "asking",
    "not_asking",
    "replace_toolkit_caches",
    "source_of",
]

T = TypeVar("T")

DEPENDENT_TOKEN_SECONDS = 47 * 3600


class LockedCache(TypedTTLCache, Generic[T]):  # type: ignore[misc]
    """A TypedTTLCache whose every operation holds a lock; deleting what is gone is no error."""

    def __init__(self, *, maxsize: int, ttl: float) -> None:
        self._lock = threading.Lock()
        self._cache: MutableMapping[str, T] = cachetools.TTLCache(maxsize=maxsize, ttl=ttl)

    def get(self, key: str) -> T | None:
        with self._lock:
            return self._cache.get(key)

    def __setitem__(self, key: str, value: T) -> None:
        with self._lock:
            self._cache[key] = value

    def __delitem__(self, key: str) -> None:
        with self._lock:
            self._cache.pop(key, None)

    def __getitem__(self, key: str) -> T:
        with self._lock:
            return self._cache[key]

    def __contains__(self, key: str) -> bool:
        with self._lock:
            return key in self._cache

    def clear(self) -> None:
        with self._lock:
            self._cache.clear()


def replace_toolkit_caches(*, maxsize: int, token_seconds: int, group_seconds: int) -> None:
    """Give every AuthState of this process larger caches with locks."""
    AuthState.introspect_cache = LockedCache(maxsize=maxsize, ttl=token_seconds)
    AuthState.dependent_tokens_cache = LockedCache(maxsize=maxsize, ttl=DEPENDENT_TOKEN_SECONDS)
    AuthState.group_membership_cache = LockedCache(maxsize=maxsize, ttl=group_seconds)


KNOWN_SECONDS = 48 * 3600
"""How long a token may be valid, at the most."""
WAIT_SECONDS = 5.0
BUSY = "Too many unknown tokens are being looked up; send the request again."
OF_ONE_SITE = 64
"""So many leading bits of an IPv6 address are those of a site, which has all the others."""

_MAY_ASK: ContextVar[bool] = ContextVar("_MAY_ASK", default=True)


class MustAsk(Exception):
    """Globus would have to be asked, and who wants to know does not wait."""


@contextmanager
def not_asking() -> Iterator[None]:
    """While it is open, what this thread would have to ask Globus is a MustAsk instead."""
    before = _MAY_ASK.set(False)
    try:
        yield
    finally:
        _MAY_ASK.reset(before)


def asking() -> None:
    """Told before Globus is asked: raises MustAsk where that is not to be waited for."""
    if not _MAY_ASK.get():
        raise MustAsk


def source_of(header: str | None) -> str:
    """Where the request of this thread comes from: its address, or what the header says that the
    proxy in front sets: of several addresses the last, for the others are the caller's own words.
    A site of IPv6 is one source."""
    if (environ := asked()) is None:
        return ""
    told = environ.get(f"HTTP_{header.upper().replace('-', '_')}", "") if header else ""
    text = str(told).rpartition(",")[2].strip() or str(environ.get("REMOTE_ADDR") or "")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text[:64]
    if address.version == 6 and address.ipv4_mapped is not None:  # IPv4 at a socket of both
        address = address.ipv4_mapped
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address), OF_ONE_SITE), strict=False))


class BoundedAuthClient(globus_sdk.ConfidentialAppAuthClient):
    """The client of Globus Auth; `places` lookups of unknown tokens are under way at the most.

    `header` is where a proxy in front says from which address a request comes."""

    def __init__(
        self,
        *arguments: Any,
        places: int,
        remembered: int,
        header: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        room = 2 * places
        self._strangers = FairLane(
            places=places,
            room=room,
            seconds=WAIT_SECONDS,
            most_of_one=places + room,
            rates=Rates(0),
        )
        self._header = header
        self._known: LockedCache[bool] = LockedCache(maxsize=remembered, ttl=KNOWN_SECONDS)

    def oauth2_token_introspect(self, token: str, **options: Any) -> globus_sdk.GlobusHTTPResponse:
        """As globus-sdk's. Raises Busy when too many unknown tokens are being looked up."""
        asking()
        name = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        if self._known.get(name):
            return super().oauth2_token_introspect(token, **options)
        try:
            with self._strangers.place(source_of(self._header)):
                answer = super().oauth2_token_introspect(token, **options)
        except (Busy, TooManyRequests):  # of nobody's own doing: whose the token is, is not known
            raise Busy(BUSY) from None
        if answer["active"]:
            self._known[name] = True
        return answer


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
