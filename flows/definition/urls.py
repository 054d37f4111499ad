"""Which URLs an action may have."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from flows.definition.problems import Severity

__all__ = ["UrlProblem", "url_problem"]


class UrlProblem(NamedTuple):
    """What is wrong with a URL, and what to do."""

    message: str
    advice: str
    severity: Severity


def url_problem(url: str) -> UrlProblem | None:
    """None for an https URL; a warning for http on this machine (the sandbox); else an error."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host or any(map(str.isspace, url)):
        return UrlProblem(
            f"{url[:1000]!r} is not a URL", "give the action's https:// URL", Severity.ERROR
        )
    if parts.scheme == "https":
        return None
    if _is_loopback(host):
        return UrlProblem(
            "this http URL is on this machine, which only the sandbox can reach",
            "give the action's https:// URL before deploying to Globus",
            Severity.WARNING,
        )
    return UrlProblem(
        "the URL is not https", "Globus Flows calls https:// URLs only", Severity.ERROR
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
