"""One harvest: read the run as its caller may see it, and record what is not recorded yet.

The run is read with a token that Globus Auth gives this server in exchange for the caller's own. It
is in the memory of the process only: neither the store nor the log ever has it.

What is harvested is what Globus says, and belongs to the run's owner, whoever asks. Where somebody
else has begun the run in this store under the same id, nothing is written. Names, places and ids in
the flow are looked up among what the run's owner may see.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import globus_sdk
from globus_sdk.authorizers import GlobusAuthorizer

from action_provider.auth import Caller
from action_provider.providers.harvest.body import HarvestBody, conventions_named
from action_provider.settings import Options
from flows.harvest import Harvested, RunLog, harvest
from flows.harvest.recorded import is_behind
from flows.harvest.run_metadata import FINAL
from flows.harvest.service import FlowsLogs
from provenance_store.display import counted
from provenance_store.enums import Level
from provenance_store.errors import InvalidInput, NotAllowed, ServiceUnavailable
from provenance_store.globus import transport_options
from provenance_store.service import StoreService
from provenance_store.values import Viewer

__all__ = [
    "RUN_STATUS",
    "ConsentRequired",
    "Runs",
    "Stopped",
    "Task",
    "builds_on",
    "details_of",
    "is_over",
    "perform",
    "require_run",
]


def require_run(
    service: StoreService, run: Mapping[str, Any], caller: Caller
) -> frozenset[str] | None:
    """Raise NotAllowed when the run is known here, and neither the caller nor its owner in Globus
    manages it.

    Of a run that is not known, the principals as which the harvest must be alone in it.
    """
    run_id, owner = str(run["run_id"]), run.get("run_owner")
    members = service.run_members(run_id)
    if members is None:
        return caller.identities | ({owner} if isinstance(owner, str) else set())
    managers = {principal for principal, level in members.items() if level is Level.MANAGE}
    if owner not in managers and not caller.is_one_of(managers, everybody=False):
        raise NotAllowed(
            f"Run {run_id} was recorded by somebody else; who records it can name you in manage_by."
        )
    return None


def builds_on(service: StoreService, run: Mapping[str, Any], caller: Caller) -> Viewer:
    """On whose behalf a harvest, for which `require_run` holds, looks for earlier records.

    That is the run's owner; with all its groups where the owner is the caller. A run that was
    recorded by the caller and not by its owner is read on behalf of both.
    """
    owner = run.get("run_owner")
    if not isinstance(owner, str) or owner in caller.identities:
        return caller.viewer()
    members = service.run_members(str(run["run_id"]))
    if members is None or members.get(owner) is Level.MANAGE:
        return Viewer(frozenset({owner}))
    mine = caller.viewer()
    return Viewer(mine.principals | {owner}, everything=mine.everything)


RUN_STATUS = str(globus_sdk.FlowsClient.scopes.run_status)
"""Reads runs and their logs, and changes nothing."""
TRANSPORT = {"http_timeout": 30, "max_retries": 5, "max_sleep": 20}
"""Seconds. What is refused for the moment is asked again so often."""
EXPIRED = "Globus Flows does not take the token any more; ask for the harvest again."


class ConsentRequired(NotAllowed):
    """The caller has not agreed that this server reads runs on their behalf."""

    def __init__(self, scope: str) -> None:
        super().__init__(
            "Globus gives this server no token to read your runs: consent to the scope that is "
            "named and resume. If there is no such consent to give, the operator of this server "
            "has not let its scope depend on that of Globus Flows (docs/harvest.md)."
        )
        self.required_scope = f"{scope}[{RUN_STATUS}]"


class Runs:
    """Opens the Flows service as one caller may see it; may be kept longer than the request."""

    def __init__(self, caller: Caller, options: Options) -> None:
        assert caller.dependents is not None
        self._dependents = caller.dependents
        self._options = options

    @contextmanager
    def open(self) -> Iterator[FlowsLogs]:
        """Reads runs. Raises ConsentRequired, NotAllowed, or ServiceUnavailable."""
        client = globus_sdk.FlowsClient(
            authorizer=self._authorizer(),
            base_url=self._options.flows_url,
            **transport_options(**TRANSPORT),
        )
        try:
            yield FlowsLogs(client, when_expired=EXPIRED)
        except NotAllowed:
            self._dependents.forget()
            raise
        finally:
            client.transport.session.close()

    def _authorizer(self) -> GlobusAuthorizer:
        try:
            return self._dependents.authorizer(RUN_STATUS)
        except ValueError:
            raise ConsentRequired(self._options.scope) from None
        except globus_sdk.GlobusAPIError as error:
            if error.http_status in (400, 401, 403):
                raise NotAllowed(
                    "Globus Auth gives this server no token on your behalf; your own may have "
                    "expired. Ask for the harvest again."
                ) from None
            raise ServiceUnavailable(
                f"Globus Auth answered {error.http_status} when asked for a token to read runs."
            ) from None
        except globus_sdk.GlobusError:
            raise ServiceUnavailable("Globus Auth cannot be reached; try again.") from None


LOOKS = (0.5, 1.0, 2.0)
"""Seconds to wait for a log that has not come to the state that asks."""
MAX_NOTES = 5
MAX_NOTE = 200


class Stopped(Exception):
    """The action was cancelled, or another process has taken it up."""


@dataclass(frozen=True)
class Task:
    """A harvest that was asked for, with the means to read the run.

    `asked_at` is in microseconds since 1970 UTC.
    """

    action_id: str
    body: HarvestBody
    caller: Caller = field(repr=False)
    runs: Runs = field(repr=False)
    asked_at: int
    stopped: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raises Stopped when nobody wants it any more."""
        if self.stopped.is_set():
            raise Stopped


def perform(task: Task, service: StoreService, folder: str | None) -> Harvested:
    """Harvest the run of a task; `folder` is that of the conventions.

    Raises Stopped, or what the Flows service or the store say against it.
    """
    conventions = conventions_named(task.body.conventions, folder)
    with task.runs.open() as logs:
        run = logs.run(task.body.run_id)
        _check_flow(run, task.body)
        given = _log_of(run, logs, task)
    alone_as = require_run(service, run, task.caller)
    task.check()
    return harvest(
        service.store,
        given,
        conventions=conventions,
        who=task.caller.identity,
        alone_as=alone_as,
        viewer=builds_on(service, run, task.caller),
    )


def is_over(task: Task) -> bool:
    """Whether the run has ended."""
    with task.runs.open() as logs:
        return logs.run(task.body.run_id).get("status") in FINAL


def _check_flow(run: dict[str, Any], body: HarvestBody) -> None:
    if body.flow_id is not None and str(run.get("flow_id")).lower() != body.flow_id.lower():
        raise InvalidInput(f"Run {body.run_id} is not of flow {body.flow_id}.", path="flow_id")


def _log_of(run: dict[str, Any], logs: FlowsLogs, task: Task) -> RunLog:
    """The log, read again for a little while if the state that asks is not in it yet."""
    given = logs.log_of(run)
    for pause in LOOKS:
        if not is_behind(given):
            break
        task.stopped.wait(pause)
        task.check()
        given = logs.log_of(run)
    return given


def details_of(done: Harvested) -> dict[str, Any]:
    """What a flow is told of a harvest: little, for it counts towards the run's state."""
    were = "was" if done.added == 1 else "were"
    return {
        "code": "Harvested",
        "description": f"{done.added} of {counted(done.steps, 'step')} {were} added.",
        "run_id": done.run_id,
        "run_status": done.status,
        "steps": done.steps,
        "added": done.added,
        "known": done.known,
        "completed": done.completed,
        "waiting": done.waiting,
        "records": done.records,
        "notes": [note[:MAX_NOTE] for note in done.notes[:MAX_NOTES]],
    }
