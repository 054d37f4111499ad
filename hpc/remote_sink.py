"""`remote`: record through a Braid server, from anywhere with a network."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpc.buffered_sink import DIVISIONS, halves
from hpc.settings import SPOOL, WAIT_SECONDS
from hpc.spooling.sink import ClosingRecorder, KeepingSink
from provenance_store import processes
from provenance_store.display import check_server
from provenance_store.errors import InvalidInput, NotFound, ServiceUnavailable
from provenance_store.extras import extra
from provenance_store.pickling import sent
from provenance_store.references import Head, named_at
from provenance_store.sink import VersionOf
from provenance_store.unreachable import why_unreachable

with extra("globus", "Recording through a server"):
    import globus_sdk
    from globus_sdk import AccessTokenAuthorizer
    from globus_sdk.authorizers import GlobusAuthorizer
    from requests.adapters import HTTPAdapter

    from provenance_store.globus import session_of, transport_options

__all__ = ["RemoteSink", "remote"]

REST_SECONDS = 60.0
"""How long a server that did not answer is left alone; everything is spooled meanwhile."""
RETRIES = 1
REFUSED = frozenset({400, 401, 403, 404, 409, 413, 415, 422})
DIVISIBLE = frozenset({400, 403, 409, 413, 422})
"""What a server may say of one record among others."""
RESTING = (0, "")

logger = logging.getLogger("braid.hpc")


class _Client(globus_sdk.BaseClient):
    service_name = "braid"


class RemoteSink(KeepingSink):
    """Posts batches to a server; what it does not take goes into the spool folder."""

    largest = 4 << 20

    def __init__(self, url: str, token: str | GlobusAuthorizer, directory: Path | str) -> None:
        super().__init__(directory, who=f"Recorder to {url}")
        self._url = url
        self._token = token.access_token if type(token) is AccessTokenAuthorizer else token
        self._client: _Client | None = self._connected()
        self._rests_until = 0.0
        self.refusal: tuple[int, str] | None = None
        """The HTTP status, 0 where there is none, and the reason why a batch was last spooled."""

    def before_fork(self) -> None:
        """Deliver what waits: a child's records may depend on it, and the server must know it."""
        self._deliver_what_waits()

    def after_fork_in_child(self) -> None:
        super().after_fork_in_child()
        processes.leave_behind(self._client)
        self._client = None
        self.refusal = None
        if not isinstance(self._token, str):
            _connect_anew(self._token)

    def __reduce__(self) -> tuple[Any, ...]:
        if not isinstance(self._token, str):
            raise InvalidInput(
                f"A recorder with a {type(self._token).__name__} cannot be sent to another "
                "process; give hpc.remote an access token, or call hpc.remote in that process."
            )
        self._deliver_what_waits()
        return sent(self, RemoteSink, self._url, self._token, self._keeper.spool.place)

    def _connected(self) -> _Client:
        wait = float(WAIT_SECONDS.get())
        token = self._token
        return _Client(
            base_url=self._url,
            authorizer=AccessTokenAuthorizer(token) if isinstance(token, str) else token,
            app_name="braid",
            **transport_options(max_retries=RETRIES, http_timeout=wait, max_sleep=wait),
        )

    def asked(self, reference: str) -> int:
        given, (reference, _) = reference, named_at(reference)
        try:
            found = self._named(reference)
        except ServiceUnavailable as error:
            logger.warning("%s", error.message)
            return super().asked(given)
        if not found:
            raise NotFound(f"There is no record {reference[:200]} on the server.")
        if len(found) > 1:
            from provenance_store.queries.documents import ambiguous

            raise ambiguous(reference, found)
        return self.resolve(str(found[0]["id"]))

    def heads(self, name: str) -> list[Head] | None:
        try:
            found = self._named(name)
        except ServiceUnavailable as error:
            logger.warning("%s", error.message)
            return super().heads(name)
        return [
            Head(
                self.resolve(version["id"]),
                self.resolve(version["line"]),
                version["version"],
                version["name"],
                None,
                version.get("status"),
                tuple(map(self.resolve, version.get("passed_over", ()))),
            )
            for version in found
            if "line" in version
        ]

    def version_of(self, record_id: int) -> VersionOf | None:
        if (named := super().version_of(record_id)) is not None:
            return named
        try:
            found = self._named(self.urn(record_id))
        except ServiceUnavailable as error:
            logger.warning("%s", error.message)
            return None
        for version in found:
            if "line" in version:
                line = self.resolve(version["line"])
                return VersionOf(version["name"], line, version["version"])
        return None

    def _named(self, reference: str) -> list[dict[str, Any]]:
        """What a reference names on the server, once it has all that was recorded here before.

        Raises ServiceUnavailable when the server does not answer.
        """
        self._deliver_what_waits()
        unknown = ServiceUnavailable(
            f"{self._url} could not look up {reference[:200]!r}; that is done when it is loaded."
        )
        if time.monotonic() < self._rests_until:
            raise unknown
        self._client = self._client or self._connected()
        try:
            answer = self._client.get("/api/v1/resolve", query_params={"reference": reference})
            return list(answer["records"])
        except (globus_sdk.GlobusError, KeyError, TypeError) as error:
            if isinstance(error, globus_sdk.NetworkError):
                self._rest()
            raise unknown from error

    def _deliver_what_waits(self) -> None:
        if self._buffer_lock.acquire(timeout=float(WAIT_SECONDS.get())):
            try:
                self._seal()
            finally:
                self._buffer_lock.release()
            if self._ending:
                self._end()

    def _deliver(self, data: bytes) -> None:
        """Post a batch. One that is refused is posted in halves, as long as that helps to find
        what is refused of it; that, and what the server has not answered to, is spooled."""
        waiting, times = [data], DIVISIONS
        while waiting:
            some = waiting[0]
            problem = self._problem(some)
            divided = halves(some) if problem and problem[0] in DIVISIBLE and times else []
            times -= bool(divided)
            waiting[:1] = divided
            if problem and not divided:
                self._spooled(some, problem)

    def _spooled(self, data: bytes, problem: tuple[int, str]) -> None:
        self._keeper.keep(data)
        if problem != RESTING:
            self.refusal = problem
            logger.warning("What the server has not taken is spooled: %s.", problem[1])

    def _leave(self) -> None:
        if self._client is not None:
            self._client.transport.close()
        self._keeper.report()

    def _problem(self, data: bytes) -> tuple[int, str] | None:
        """Post a batch: None when the server has taken it, which is durable then; else the HTTP
        status, 0 where there is none, and the reason."""
        if self._ending or time.monotonic() < self._rests_until:
            return RESTING
        self._client = self._client or self._connected()
        try:
            self._client.post(
                "/api/v1/batches",
                data=data,
                headers={"Content-Type": "application/msgpack"},
                encoding="text",
            )
        except globus_sdk.GlobusAPIError as error:
            if error.http_status not in REFUSED:
                self._rest()
            return error.http_status, f"{error.http_status}: {_reason(error)}"
        except Exception as error:
            self._rest()
            return 0, f"it cannot be reached: {why_unreachable(error)}"
        return None

    def _rest(self) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS


def _reason(error: globus_sdk.GlobusAPIError) -> str:
    said = (error.raw_json or {}).get("description") or error.message or error.code
    return str(said).removesuffix(".")


def _connect_anew(authorizer: GlobusAuthorizer) -> None:
    """In a forked child: an authorizer that renews tokens has connections of its parent."""
    session = session_of(authorizer)
    if session is not None:
        for prefix, adapter in list(session.adapters.items()):
            processes.leave_behind(adapter)
            session.mount(prefix, HTTPAdapter())


def remote(
    url: str,
    token: str | GlobusAuthorizer,
    *,
    spool: Path | str | None = None,
    run_id: str | None = None,
    environment: Mapping[str, Any] | str | None = "auto",
    strict: bool = False,
) -> ClosingRecorder:
    """Make a Recorder that sends batches to the Braid server at `url`, with a Globus token.

    `token` is an access token for the server's scope, or an authorizer of globus-sdk, which also
    renews it. A call that completes a batch waits for the server, at most about two times
    BRAID_RANK_WAIT_SECONDS. After that, and for a minute, everything goes to the folder `spool`
    (default BRAID_SPOOL), and so does a batch that the server refuses. `flush` returns when all is
    durable, here or there. Raises ConfigurationError for an address without https.

    >>> with braid.hpc.remote("https://braid.example.org", token) as recorder:
    ...     scan = recorder.data("scan-18")
    """
    check_server(url)
    sink = RemoteSink(url, token, spool or SPOOL.get())
    about: dict[str, Any] = {"run_id": run_id, "environment": environment, "strict": strict}
    return ClosingRecorder(sink, **about)
