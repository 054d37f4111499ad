"""HTTP to this machine and nowhere else: no proxies, no redirects."""

from __future__ import annotations

import http.client
import ipaddress
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

__all__ = ["Answer", "NotLoopback", "call", "is_loopback"]

MAX_BODY = 16 * 1024 * 1024


class NotLoopback(Exception):
    """The address is not on this machine."""


class Answer(NamedTuple):
    """An HTTP answer: its status, and its body as JSON or else as text."""

    status: int
    body: Any


def is_loopback(url: str) -> bool:
    """Whether a URL is plain http to a loopback address or to localhost."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme != "http":
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def call(
    method: str,
    url: str,
    *,
    token: str | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
    timeout: float = 30.0,
) -> Answer:
    """One request. Raises NotLoopback, or OSError when no complete answer arrives in time."""
    if not is_loopback(url):
        raise NotLoopback(f"{url} is not a loopback address.")
    parts = urlsplit(url)
    sent = {"Accept": "application/json", "Connection": "close", **(headers or {})}
    data = None
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    if body is not None:
        data = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=data, headers=sent)
        answer = connection.getresponse()
        return Answer(answer.status, _decode(answer.read(MAX_BODY)))
    except http.client.HTTPException as error:
        raise ConnectionError(str(error) or type(error).__name__) from None
    finally:
        connection.close()


def _decode(data: bytes) -> Any:
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text[:2000]
