"""A production WSGI server in threads of this process, on loopback, that stops cleanly."""

from __future__ import annotations

import threading
from typing import Any

from waitress import create_server
from waitress.channel import HTTPChannel

__all__ = ["WebServer"]


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
