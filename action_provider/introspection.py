"""Asking Globus Auth about tokens, in bounds: anybody can send any number of invented ones.

A token that was valid here before is asked about again in any case. For all others together there
are few places and little room to wait, so that a flood of them neither becomes a flood of requests
to Globus Auth nor holds the threads that answer everybody. Nothing tells an invented token from a
new one but where it comes from, so places and room are shared by address: who floods them from one
address, or some, does not keep out who calls from another.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import globus_sdk

from action_provider.caches import LockedCache
from action_provider.errors import Busy, TooManyRequests
from action_provider.lanes.queue import FairLane, Rates
from action_provider.logs import asked

__all__ = ["BoundedAuthClient", "MustAsk", "asking", "not_asking", "source_of"]

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
