"""Why a server cannot be reached, in words; libraries say it in the names of their errors."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

__all__ = ["why_unreachable"]

DEEPEST = 20
"""Errors that an error comes from are looked at so far."""
REFUSED = "the connection was refused, so nothing listens at that address and port"
UNKNOWN_NAME = "no machine of that name is known here"
SILENT = "it did not answer in time"
UNTRUSTED = "its certificate is not accepted here"
NO_TLS = "it does not speak TLS (https) as it should"
NO_ROUTE = "there is no way to it in the network"
CUT_OFF = "the connection was closed before the answer came"
FAILED = "the connection failed"
WORDS = {
    errno.ECONNREFUSED: REFUSED,
    errno.EHOSTUNREACH: NO_ROUTE,
    errno.ENETUNREACH: NO_ROUTE,
    errno.ETIMEDOUT: SILENT,
    errno.ECONNRESET: CUT_OFF,
    errno.EPIPE: CUT_OFF,
}
SIGNS = (
    ("timeout", SILENT),
    ("timed out", SILENT),
    ("refused", REFUSED),
    ("name or service not known", UNKNOWN_NAME),
    ("remote end closed", CUT_OFF),
    ("connection aborted", CUT_OFF),
)
"""What texts of errors say that hold no more of the error that they come from."""


def why_unreachable(error: BaseException) -> str:
    """Why a connection came to nothing, as the end of a sentence without a full stop."""
    every = list(_behind(error))
    for one in every:
        if isinstance(one, ssl.SSLCertVerificationError):
            return UNTRUSTED
        if isinstance(one, ssl.SSLError):
            return NO_TLS
        if isinstance(one, socket.gaierror):
            return UNKNOWN_NAME
        if isinstance(one, TimeoutError):
            return SILENT
        if isinstance(one, OSError) and one.errno in WORDS:
            return WORDS[one.errno]
    text = " ".join(f"{type(one).__name__} {one}" for one in every).lower()
    return next((words for sign, words in SIGNS if sign in text), FAILED)


def _behind(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it comes from, as Python, requests, urllib3 and globus-sdk keep
    them."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < DEEPEST:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        behind = (
            getattr(one, "underlying_exception", None),
            getattr(one, "reason", None),
            one.__cause__,
            one.__context__,
            *one.args,
        )
        waiting += [other for other in behind if isinstance(other, BaseException)]
