"""One harvest: read the run as its caller may see it, and record what is not recorded yet."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from action_provider.auth import Caller
from action_provider.harvest.body import HarvestBody, conventions_named
from action_provider.harvest.reading import Runs
from action_provider.harvest.rights import builds_on, require_run
from flows.harvest import Harvested, RunLog, harvest
from flows.harvest.asking import is_behind
from flows.harvest.facts import FINAL
from flows.harvest.service import FlowsLogs
from provenance_store.errors import InvalidInput
from provenance_store.quantities import counted
from provenance_store.store import Store

__all__ = ["Stopped", "Task", "details_of", "is_over", "perform"]

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


def perform(task: Task, store: Store, folder: str | None) -> Harvested:
    """Harvest the run of a task; `folder` is that of the conventions.

    Raises Stopped, or what the Flows service or the store say against it.
    """
    conventions = conventions_named(task.body.conventions, folder)
    with task.runs.open() as logs:
        run = logs.run(task.body.run_id)
        _check_flow(run, task.body)
        given = _log_of(run, logs, task)
    alone_as = require_run(store, run, task.caller)
    task.check()
    return harvest(
        store,
        given,
        conventions=conventions,
        who=task.caller.identity,
        alone_as=alone_as,
        viewer=builds_on(store, run, task.caller),
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
