"""Asking Globus Auth about tokens, in bounds: anybody can send any number of invented ones.

A token that was valid here before is asked about again in any case. For all others together there
are few places and little room to wait, so that a flood of them neither becomes a flood of requests
to Globus Auth nor holds the threads that answer everybody.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import globus_sdk

from action_provider.caches import LockedCache
from action_provider.errors import Busy

__all__ = ["BoundedAuthClient", "Gate"]

KNOWN_SECONDS = 48 * 3600
"""How long a token may be valid, at the most."""
WAIT_SECONDS = 5.0
BUSY = "Too many unknown tokens are being looked up; send the request again."


class Gate:
    """So many may be inside at the same time, and twice as many wait, for a while."""

    def __init__(self, places: int, *, seconds: float = WAIT_SECONDS) -> None:
        self._places = threading.Semaphore(places)
        self._room = threading.Semaphore(3 * places)
        self._seconds = seconds

    def __enter__(self) -> None:
        """Raises Busy when there is no room, or not in time."""
        if not self._room.acquire(blocking=False):
            raise Busy(BUSY)
        if not self._places.acquire(timeout=self._seconds):
            self._room.release()
            raise Busy(BUSY)

    def __exit__(self, *_: object) -> None:
        self._places.release()
        self._room.release()


class BoundedAuthClient(globus_sdk.ConfidentialAppAuthClient):
    """The client of Globus Auth; `places` lookups of unknown tokens are under way at the most."""

    def __init__(self, *arguments: Any, places: int, remembered: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._strangers = Gate(places)
        self._known: LockedCache[bool] = LockedCache(maxsize=remembered, ttl=KNOWN_SECONDS)

    def oauth2_token_introspect(self, token: str, **options: Any) -> globus_sdk.GlobusHTTPResponse:
        """As globus-sdk's. Raises Busy when too many unknown tokens are being looked up."""
        name = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        if self._known.get(name):
            return super().oauth2_token_introspect(token, **options)
        with self._strangers:
            answer = super().oauth2_token_introspect(token, **options)
        if answer["active"]:
            self._known[name] = True
        return answer
