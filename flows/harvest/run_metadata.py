"""What is known of a run itself: from the run object of the Flows service, else from its log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.harvest.log import Entry
from flows.harvest.state_visits import ENDS, History
from flows.steps.adapters.base import clean
from flows.steps.timestamps import moment_or_none
from flows.steps.validation_errors import BodyRefused
from flows.steps.values import RunStatus, read_principal
from provenance_store.errors import InvalidInput
from provenance_store.values import Audience

__all__ = ["RunFacts", "read_run", "run_named_by"]

FINAL = frozenset({"SUCCEEDED", "FAILED", "ENDED"})
MAX_TAGS = 1_000
MAX_PRINCIPALS = 1_000
MAX_RUN_ID = 64


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run. Times are microseconds since 1970 UTC; what is not known is None or empty."""

    run_id: str
    status: str
    flow_id: str | None = None
    flow_title: str | None = None
    label: str | None = None
    owner: str | None = None
    started: int | None = None
    ended: int | None = None
    tags: tuple[str, ...] = ()
    monitors: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.status in FINAL

    @property
    def audience(self) -> Audience | None:
        """Its owner, who may see it and who may manage it; None when nobody is named."""
        if self.owner is None:
            return None
        return Audience(self.owner, readers=self.monitors, managers=self.managers)

    @property
    def context(self) -> dict[str, Any]:
        """What of ``$._context`` is known afterwards."""
        said = {"run_id": self.run_id, "action_id": self.run_id, "flow_id": self.flow_id}
        return {k: v for k, v in {**said, "user_id": self.owner}.items() if v is not None}


def read_run(run: Mapping[str, Any] | None, history: History, run_id: str | None) -> RunFacts:
    """A run from its object, and where that says nothing from its log.

    `run_id` is for logs without an object. Raises InvalidInput when nothing tells the id.
    """
    run = run or {}
    named = _text(run, "run_id") or _text(run, "action_id") or run_id
    if named is None:
        raise InvalidInput("The run has no run_id; give the run object, or the id.", path="run")
    if not 1 <= len(named) <= MAX_RUN_ID:
        raise InvalidInput(f"The id of a run has 1 to {MAX_RUN_ID} characters.", path="run_id")
    status = _text(run, "status")
    ended = moment_or_none(run.get("completion_time"))
    started = moment_or_none(run.get("start_time"))
    return RunFacts(
        run_id=clean(named),
        status=_status(status, history),
        flow_id=_text(run, "flow_id"),
        flow_title=_text(run, "flow_title"),
        label=_text(run, "label"),
        owner=next(_principals([run.get("run_owner"), run.get("created_by")]), None),
        started=history.started if started is None else started,
        ended=history.ended if ended is None else ended,
        tags=tuple(clean(tag, 512) for tag in _list(run, "tags")[:MAX_TAGS] if tag),
        monitors=_people(run, "run_monitors", "monitor_by"),
        managers=_people(run, "run_managers", "manage_by"),
    )


def run_named_by(entries: Sequence[Entry]) -> str:
    """An id for a run whose log is all there is: the same as long as the log begins the same."""
    first = entries[0] if entries else Entry(None, "", "", {})
    try:
        text = f"{first.time} {first.code} {sorted(first.details.items())!r}"
    except RecursionError:
        text = f"{first.time} {first.code}"
    return f"log-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:40]}"


def _status(said: str | None, history: History) -> str:
    """What the run object says, unless the log, which was read after it, tells of the end."""
    if said in FINAL or (said in RunStatus.choices and history.end_code is None):
        return str(said)
    return ENDS.get(history.end_code or "", "ACTIVE")


def _people(run: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    listed = [value for name in names for value in _list(run, name)]
    return tuple(sorted(set(_principals(listed))))[:MAX_PRINCIPALS]


def _principals(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        try:
            yield str(read_principal(value))
        except BodyRefused:
            continue


def _list(run: Mapping[str, Any], name: str) -> list[Any]:
    value = run.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _text(run: Mapping[str, Any], name: str) -> str | None:
    value = run.get(name)
    return (clean(value, 4096) or None) if isinstance(value, str) else None
