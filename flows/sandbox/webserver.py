"""HTTP on this machine and nowhere else: a server in threads of this process, and a client."""

from __future__ import annotations

import http.client
import ipaddress
import json
import threading
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from waitress import create_server
from waitress.channel import HTTPChannel

__all__ = ["Answer", "NotLoopback", "WebServer", "call", "is_loopback"]

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


class WebServer:
    """Serves a WSGI application on 127.0.0.1 from construction until `stop`."""

    def __init__(self, application: Any, *, port: int = 0, threads: int = 8) -> None:
        self._server = create_server(
            application,
            host="127.0.0.1",
            port=port,
            threads=threads,
            ident="sandbox",
            clear_untrusted_proxy_headers=True,
            max_request_body_size=16 * 1024 * 1024,
        )
        self.port: int = self._server.effective_port
        self._pulling = threading.Lock()
        self._thread = threading.Thread(
            target=self._server.run, name=f"sandbox-http-{self.port}", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Closes all connections and waits for the threads."""
        # First the threads that serve requests: they use the trigger, which must not be closed
        # under them. Then the sockets: the loop ends by itself once it has none left, but they
        # have to be closed from inside the loop's own thread, which the trigger is for.
        self._server.task_dispatcher.shutdown()
        with self._pulling:
            self._server.trigger.pull_trigger(self._close_all)
        self._thread.join(10)

    def _close_all(self) -> None:
        with self._pulling:
            dispatchers = list(self._server._map.values())
        for dispatcher in dispatchers:
            if isinstance(dispatcher, HTTPChannel):
                _close_channel(dispatcher)
            else:
                dispatcher.close()


def _close_channel(channel: HTTPChannel) -> None:
    """Close a connection with the temporary files of what was not sent or read to its end.

    Answers over 1 MiB and requests over 512 KiB wait in files: `close` leaves both open, and
    `handle_close` the requests.
    """
    for request in [*channel.requests, channel.request]:
        if request is not None:
            request.close()
    channel.handle_close()
