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
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import globus_sdk

from action_provider.caches import LockedCache
from action_provider.errors import Busy
from action_provider.logs import asked

__all__ = ["BoundedAuthClient", "Gate", "source_of"]

KNOWN_SECONDS = 48 * 3600
"""How long a token may be valid, at the most."""
WAIT_SECONDS = 5.0
BUSY = "Too many unknown tokens are being looked up; send the request again."
OF_ONE_SITE = 64
"""So many leading bits of an IPv6 address are those of a site, which has all the others."""


class _Waiter:
    __slots__ = ("admitted", "told")

    def __init__(self) -> None:
        self.admitted = False
        self.told = threading.Event()


class Gate:
    """So many may be inside at the same time, and twice as many wait, for a while.

    Sources take turns. Where there is no room, one that has fewer waiting takes the place of the
    last that came from the source with the most.
    """

    def __init__(self, places: int, *, seconds: float = WAIT_SECONDS) -> None:
        self._free = places
        self._room = 2 * places
        self._seconds = seconds
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[_Waiter]] = {}  # in the order of their turns

    @contextmanager
    def inside(self, source: str) -> Iterator[None]:
        """Raises Busy when there is no room, or not in time."""
        self._enter(source)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, source: str) -> None:
        waiter = _Waiter()
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if sum(map(len, self._waiting.values())) >= self._room:
                self._make_room(source)
            self._waiting.setdefault(source, deque()).append(waiter)
        waiter.told.wait(self._seconds)
        with self._lock:
            if waiter.admitted:
                return
            if waiter in self._waiting.get(source, ()):
                self._waiting[source].remove(waiter)
                self._forget_empty(source)
        raise Busy(BUSY)

    def _make_room(self, source: str) -> None:
        most = max(self._waiting, key=lambda each: len(self._waiting[each]))
        if len(self._waiting[most]) <= len(self._waiting.get(source, ())) + 1:
            raise Busy(BUSY)
        self._waiting[most].pop().told.set()

    def _leave(self) -> None:
        with self._lock:
            source = next(iter(self._waiting), None)
            if source is None:
                self._free += 1
                return
            waiters = self._waiting.pop(source)
            waiter = waiters.popleft()
            if waiters:
                self._waiting[source] = waiters
            waiter.admitted = True
            waiter.told.set()

    def _forget_empty(self, source: str) -> None:
        if not self._waiting[source]:
            del self._waiting[source]


def source_of(header: str | None) -> str:
    """Where the request of this thread comes from: its address, or what the header says that the
    proxy in front sets. A site of IPv6 is one source."""
    if (environ := asked()) is None:
        return ""
    told = environ.get(f"HTTP_{header.upper().replace('-', '_')}", "") if header else ""
    text = str(told).strip() or str(environ.get("REMOTE_ADDR") or "")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text[:64]
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
        self._strangers = Gate(places)
        self._header = header
        self._known: LockedCache[bool] = LockedCache(maxsize=remembered, ttl=KNOWN_SECONDS)

    def oauth2_token_introspect(self, token: str, **options: Any) -> globus_sdk.GlobusHTTPResponse:
        """As globus-sdk's. Raises Busy when too many unknown tokens are being looked up."""
        name = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        if self._known.get(name):
            return super().oauth2_token_introspect(token, **options)
        with self._strangers.inside(source_of(self._header)):
            answer = super().oauth2_token_introspect(token, **options)
        if answer["active"]:
            self._known[name] = True
        return answer
