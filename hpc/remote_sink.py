"""`remote`: record through a Braid server, from anywhere with a network."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import globus_sdk
from globus_sdk.authorizers import GlobusAuthorizer

from hpc.settings import SPOOL, WAIT_SECONDS
from hpc.spool_sink import ClosingRecorder, KeepingSink
from provenance_store.errors import ConfigurationError

__all__ = ["RemoteSink", "remote"]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
REST_SECONDS = 60.0
"""How long a server that did not answer is left alone; everything is spooled meanwhile."""
RETRIES = 1
REFUSED = frozenset({400, 401, 403, 404, 409, 413, 415, 422})

logger = logging.getLogger("braid.hpc")


class _Client(globus_sdk.BaseClient):
    service_name = "braid"


class RemoteSink(KeepingSink):
    """Posts batches to a server; what it does not take goes into the spool folder."""

    largest = 4 << 20

    def __init__(self, url: str, authorizer: GlobusAuthorizer, directory: Path | str) -> None:
        super().__init__(directory, who=f"Recorder to {url}")
        wait = float(WAIT_SECONDS.get())
        self._client = _Client(
            base_url=url,
            authorizer=authorizer,
            app_name="braid",
            transport_params={"max_retries": RETRIES, "http_timeout": wait, "max_sleep": wait},
        )
        self._rests_until = 0.0
        self.refusal: tuple[int, str] | None = None
        """The HTTP status, 0 where there is none, and the reason why a batch was last spooled."""

    def _deliver(self, data: bytes) -> None:
        if self._ending or time.monotonic() < self._rests_until or not self._posted(data):
            self._keeper.keep(data)

    def _leave(self) -> None:
        self._client.transport.close()
        self._keeper.report()

    def _posted(self, data: bytes) -> bool:
        """Whether the server has taken the batch, which is durable then."""
        try:
            self._client.post(
                "/api/v1/batches",
                data=data,
                headers={"Content-Type": "application/msgpack"},
                encoding="text",
            )
        except globus_sdk.GlobusAPIError as error:
            self.refusal = error.http_status, f"{error.http_status}: {error.message}"
            logger.warning(
                "The server answered %d to a batch, which is spooled: %s",
                error.http_status,
                error.message,
            )
            if error.http_status not in REFUSED:
                self._rest()
            return False
        except globus_sdk.GlobusError as error:
            self.refusal = 0, "it cannot be reached"
            logger.warning("The server cannot be reached (%s); spooling.", type(error).__name__)
            self._rest()
            return False
        return True

    def _rest(self) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS


def remote(
    url: str,
    token: str | GlobusAuthorizer,
    *,
    spool: Path | str | None = None,
    run_id: str | None = None,
    environment: Mapping[str, Any] | str | None = "auto",
) -> ClosingRecorder:
    """A Recorder that posts batches to the Braid server at `url`, with a Globus token.

    `token` is an access token for the server's scope, or an authorizer of globus-sdk, which also
    renews it. A call that completes a batch waits for the server, at most about two times
    BRAID_RANK_WAIT_SECONDS; after that, and for a minute, everything goes to the folder `spool`
    (default BRAID_SPOOL), and so does a batch that the server refuses. `flush` returns when all
    is durable here or there. Raises ConfigurationError for an address without https.
    """
    parts = urlsplit(url)
    if parts.hostname is None or parts.scheme not in ("http", "https"):
        raise ConfigurationError(f"The server {url!r} is not an https:// address.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ConfigurationError(
            f"The server {url!r} is not https; a token is sent without it to this machine only."
        )
    authorizer = globus_sdk.AccessTokenAuthorizer(token) if isinstance(token, str) else token
    sink = RemoteSink(url, authorizer, spool or SPOOL.get())
    about: dict[str, Any] = {"run_id": run_id, "environment": environment}
    return ClosingRecorder(sink, **about)
