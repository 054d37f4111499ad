"""Caches that threads can share, put in place of the toolkit's.

The toolkit keeps three `TypedTTLCache` as class attributes of `AuthState`: 100 entries each
and no lock, so that more than 100 callers never hit, and `cachetools` breaks under threads.
"""

from __future__ import annotations

import threading
from collections.abc import MutableMapping
from typing import Generic, TypeVar

import cachetools  # type: ignore[import-untyped]
from globus_action_provider_tools.authentication import AuthState
from globus_action_provider_tools.utils import TypedTTLCache

__all__ = ["LockedCache", "replace_toolkit_caches"]

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
