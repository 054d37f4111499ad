"""Running one definition in a sandbox, from deployment to the end, through globus-sdk.

The way a test, the demo and ``braid flow run`` execute a flow: deploy, start, wait, read the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from flows.sandbox.check import role_names
from flows.sandbox.directory import Identity
from flows.sandbox.run import FINAL
from flows.sandbox.scopes import FLOWS_ALL, flow_scope
from flows.sandbox.server import Sandbox
from provenance_store.errors import ServiceUnavailable
from provenance_store.extras import extra

with extra("sandbox", "The sandbox"):
    import globus_sdk

    from provenance_store.globus import given

__all__ = [
    "RunOutcome",
    "deploy",
    "flows_client",
    "run_definition",
    "specific_flow_client",
    "with_role_tokens",
]

OnEvent = Callable[[dict[str, Any]], None]
DEFAULT_USER = "researcher@sandbox.example.org"


class RunOutcome(NamedTuple):
    """A finished run: its document, and its log with the oldest entry first."""

    run: dict[str, Any]
    log: list[dict[str, Any]]

    @property
    def status(self) -> str:
        """SUCCEEDED, FAILED or ENDED; INACTIVE when the run was left waiting for somebody."""
        return str(self.run["status"])

    @property
    def output(self) -> Any:
        """The final state of a run that succeeded, else None."""
        return self.run["details"].get("output")


def flows_client(sandbox: Sandbox, user: Identity) -> globus_sdk.FlowsClient:
    """A client of the sandbox's Flows service for a user."""
    token = sandbox.token_for(user, FLOWS_ALL)
    authorizer = globus_sdk.AccessTokenAuthorizer(token)
    return globus_sdk.FlowsClient(authorizer=authorizer, base_url=f"{sandbox.url}/flows/")


def specific_flow_client(
    sandbox: Sandbox, user: Identity, flow_id: str
) -> globus_sdk.SpecificFlowClient:
    """A client for starting one flow as a user."""
    token = sandbox.token_for(user, flow_scope(flow_id))
    authorizer = globus_sdk.AccessTokenAuthorizer(token)
    client = globus_sdk.SpecificFlowClient(flow_id, authorizer=authorizer)
    client.base_url = f"{sandbox.url}/flows/"
    return client


def deploy(
    sandbox: Sandbox,
    definition: Mapping[str, Any],
    *,
    user: Identity,
    input_schema: Mapping[str, Any] | None = None,
    title: str = "A flow",
) -> str:
    """Creates a flow in the sandbox and gives its id."""
    client = flows_client(sandbox, user)
    try:
        flow = client.create_flow(title, dict(definition), dict(input_schema or {}))
        return str(flow["id"])
    finally:
        client.transport.session.close()


def run_definition(
    definition: Mapping[str, Any],
    input: Mapping[str, Any],
    sandbox: Sandbox,
    *,
    input_schema: Mapping[str, Any] | None = None,
    title: str = "A flow",
    label: str | None = None,
    tags: Iterable[str] = (),
    run_managers: Iterable[str] = (),
    run_monitors: Iterable[str] = (),
    user: Identity | None = None,
    on_event: OnEvent | None = None,
    timeout: float = 120.0,
    stop_when_inactive: bool = True,
) -> RunOutcome:
    """Deploys a definition, runs it with an input, and waits for its end.

    `on_event` is called with each log entry as it appears, oldest first. Roles that the
    definition runs Actions as are played by sandbox users of that name. A run that becomes
    INACTIVE is returned as it is, unless `stop_when_inactive` is false. Raises
    globus_sdk.FlowsAPIError when the sandbox refuses the definition or the input, and
    ServiceUnavailable when the run does not end within `timeout` seconds; it is canceled then.
    """
    owner = user or sandbox.add_identity(DEFAULT_USER)
    flow_id = deploy(sandbox, definition, user=owner, input_schema=input_schema, title=title)
    starter = specific_flow_client(sandbox, owner, flow_id)
    reader = flows_client(sandbox, owner)
    try:
        run = starter.run_flow(
            with_role_tokens(definition, input, sandbox, flow_id),
            **given(label=label),
            tags=list(tags),
            run_managers=list(run_managers),
            run_monitors=list(run_monitors),
        )
        follower = _Follower(reader, str(run["run_id"]), on_event)
        return follower.follow(time.monotonic() + timeout, stop_when_inactive)
    finally:
        starter.transport.session.close()
        reader.transport.session.close()


def with_role_tokens(
    definition: Mapping[str, Any], input: Mapping[str, Any], sandbox: Sandbox, flow_id: str
) -> dict[str, Any]:
    """A run's input with a token for each role that the definition runs Actions as, of a person of
    that name in the sandbox; unless it has tokens."""
    roles = role_names(dict(definition))
    given = dict(input)
    if not roles or "_tokens" in given:
        return given
    people = {role: sandbox.add_identity(f"{role}@sandbox.example.org") for role in roles}
    scope = flow_scope(flow_id)
    tokens = {role: sandbox.token_for(person, scope) for role, person in people.items()}
    return {**given, "_tokens": tokens}


class _Follower:
    """Watches one run to its end."""

    def __init__(
        self, client: globus_sdk.FlowsClient, run_id: str, on_event: OnEvent | None
    ) -> None:
        self._client = client
        self._run_id = run_id
        self._on_event = on_event
        self._told = 0

    def follow(self, deadline: float, stop_when_inactive: bool) -> RunOutcome:
        pause = 0.01
        while True:
            run = dict(self._client.get_run(self._run_id).data)
            ended = run["status"] in FINAL
            if ended or self._on_event is not None:
                log = self._tell()
            if ended or (stop_when_inactive and run["status"] == "INACTIVE"):
                return RunOutcome(run, log if ended else self._tell())
            if time.monotonic() > deadline:
                self._client.cancel_run(self._run_id)
                raise ServiceUnavailable(
                    f"Run {self._run_id} did not end in time and was canceled; its log tells "
                    "which state it was in."
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)

    def _tell(self) -> list[dict[str, Any]]:
        """The whole log so far; what is new in it is told."""
        pages = self._client.paginated.get_run_logs(self._run_id, limit=100)
        log = [dict(entry) for page in pages for entry in page["entries"]]
        for entry in log[self._told :]:
            if self._on_event is not None:
                self._on_event(entry)
        self._told = len(log)
        return log
