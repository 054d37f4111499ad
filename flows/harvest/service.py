"""Runs, their definitions and logs from the Flows service, through globus-sdk.

Answers that ask for patience (429, and 500 to 504) are waited out; what remains is told in one
sentence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flows.definition.deploy import told_plainly
from flows.harvest.job import RunLog
from flows.settings import LOG_LIMIT_BYTES
from provenance_store.errors import NotAllowed, NotFound, TooLarge
from provenance_store.extras import extra
from provenance_store.times import format_time

with extra("globus", "Reading runs from Globus Flows"):
    import globus_sdk
    from globus_sdk.globus_app import GlobusApp

    from provenance_store.globus import a_scope, given, transport_options

__all__ = ["FlowsLogs", "reading_client"]

RETRIES = 9
"""How often globus-sdk repeats what was refused for the moment. It doubles its pauses, or waits as
long as it is told to."""
LONGEST_PAUSE = 60
"""Seconds of one such pause at most."""
PAGE = 100
"""Entries and runs on a page: the most that the service gives."""
EVERY_ROLE = (
    "run_owner",
    "run_manager",
    "run_monitor",
    "flow_run_manager",
    "flow_run_monitor",
)
LOGIN_EXPIRED = (
    "The login to Globus has expired or was withdrawn; remove the stored tokens (~/.globus/app) "
    "and repeat the command at a terminal to log in again, or set a new secret."
)


def reading_client(app: GlobusApp, *, retries: int = RETRIES) -> globus_sdk.FlowsClient:
    """A client that may read runs, and change nothing, for a person or a service account."""
    scopes = [a_scope(globus_sdk.FlowsClient.scopes.run_status)]
    with told_plainly():
        return globus_sdk.FlowsClient(
            app=app,
            app_scopes=scopes,
            **transport_options(max_retries=retries, max_sleep=LONGEST_PAUSE),
        )


class FlowsLogs:
    """Reads runs with a client; counts what it asks.

    Raises NotFound for a run that the caller may not see or that is not kept any more, NotAllowed
    for a token that is not valid, TooLarge for a log past the limit in the settings,
    ServiceUnavailable when the service does not answer in the end.
    """

    def __init__(
        self, client: globus_sdk.FlowsClient, *, when_expired: str = LOGIN_EXPIRED
    ) -> None:
        self._client = client
        self._when_expired = when_expired
        self.requests = 0

    def run(self, run_id: str) -> dict[str, Any]:
        """The run object."""
        with self._telling(run_id):
            return dict(self._client.get_run(run_id).data)

    def log_of(self, run: Mapping[str, Any]) -> RunLog:
        """All that a run's log tells, with its definition as it was when the run started."""
        run_id = str(run["run_id"])
        with self._telling(run_id):
            definition = self._client.get_run_definition(run_id)["definition"]
        pages = self._client.paginated.get_run_logs(run_id, limit=PAGE).pages()
        entries: list[Any] = []
        left = LOG_LIMIT_BYTES.get()
        while True:
            with self._telling(run_id):
                page = next(pages, None)
            if page is None:
                break
            left -= len(page.binary_content)
            if left < 0:
                raise TooLarge(
                    f"The log of run {run_id[:80]} has more than {LOG_LIMIT_BYTES.get()} bytes; "
                    f"raise {LOG_LIMIT_BYTES.name} to read it."
                )
            entries += page["entries"]
        self.requests -= 1  # the last look at the pages asks nothing
        return RunLog(entries, definition, run, run_id)

    def runs(
        self,
        *,
        flow_ids: Collection[str] = (),
        mine: bool = False,
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Runs in the order in which they started, without their details.

        Of these flows, or of all; with `mine` only the caller's own; started from `since` on and
        before `until`, in microseconds UTC.
        """
        query: dict[str, Any] = {"orderby": "start_time ASC", "per_page": PAGE}
        if since is not None or until is not None:
            times = (since, until)
            query["filter_start_time"] = ",".join(
                (format_time(time) or "") if time is not None else "" for time in times
            )
        pages = self._client.paginated.list_runs(
            filter_roles=["run_owner"] if mine else list(EVERY_ROLE),
            query_params=query,
            **given(filter_flow_id=list(flow_ids) or None),
        ).pages()
        while True:
            with self._telling(""):
                page = next(pages, None)
            if page is None:
                break
            for run in page["runs"]:
                yield {name: value for name, value in run.items() if name != "details"}
        self.requests -= 1

    @contextmanager
    def _telling(self, run_id: str) -> Iterator[None]:
        self.requests += 1
        with told_plainly():
            try:
                yield
            except globus_sdk.GlobusAPIError as error:
                if error.http_status == 404 and run_id:
                    raise NotFound(
                        f"Globus knows no run {run_id[:80]} that you may see; it keeps runs for at "
                        "most 90 days."
                    ) from None
                if _is_expired(error):
                    raise NotAllowed(self._when_expired) from None
                raise


def _is_expired(error: globus_sdk.GlobusAPIError) -> bool:
    if isinstance(error, globus_sdk.AuthAPIError):
        return error.http_status in (400, 401) and "invalid_grant" in str(error.text)
    return error.http_status == 401
