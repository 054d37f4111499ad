"""The environment variables of this process, as far as what runs beside it depends on them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["direct", "inherited", "without_proxy"]

LOOPBACK = ("127.0.0.1", "localhost")
NAMES = ("NO_PROXY", "no_proxy")
"""Both are in use; where both are set, HTTP clients look at the lower-case one first."""

_lock = threading.Lock()
_before: dict[str, str | None] = {}
_holders = 0


def inherited(*, leaving_out: str | None = None) -> dict[str, str]:
    """What a child process is given of this environment; names with a prefix may be left out."""
    return {
        name: value
        for name, value in os.environ.items()
        if leaving_out is None or not name.startswith(leaving_out)
    }


def without_proxy() -> dict[str, str]:
    """The variables by which HTTP clients ask no proxy for this machine's own addresses, nor for
    those that this environment exempts already."""
    said = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name.strip() for name in said.split(",") if name.strip()]
    if "*" in names:  # It only counts when it stands alone.
        return dict.fromkeys(NAMES, "*")
    return dict.fromkeys(NAMES, ",".join(dict.fromkeys((*names, *LOOPBACK))))


@contextmanager
def direct() -> Iterator[None]:
    """While this lasts, this process and its children ask no proxy for this machine's addresses.

    May be nested, and entered from several threads: the last to leave puts things back.
    """
    global _holders
    with _lock:
        if _holders == 0:
            _before.update((name, os.environ.get(name)) for name in NAMES)
            os.environ.update(without_proxy())
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                _put_back()


def _put_back() -> None:
    for name, value in _before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
