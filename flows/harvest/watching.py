"""Harvesting again and again: what has come since, without asking for what is over and done.

All that a watch must remember is in the store, so it may be stopped and started at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

from flows.harvest.convention_files import Conventions
from flows.harvest.harvesting import harvest, is_harvested
from flows.harvest.job import Harvested
from flows.harvest.run_metadata import FINAL
from flows.harvest.service import FlowsLogs
from flows.steps.collections import Collections
from flows.steps.timestamps import moment_or_none
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.store import Store

__all__ = ["HarvestWatch", "Round"]

HOUR = 3_600_000_000
"""Microseconds: how far behind the last round the next one looks, for clocks that differ."""


@dataclass(slots=True)
class Round:
    """What one round did: of the runs that were listed, those that were read, and a sentence for
    each that could not be."""

    listed: int = 0
    harvested: list[Harvested] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def added(self) -> int:
        """How many steps were added."""
        return sum(one.added for one in self.harvested)

    @property
    def active(self) -> int:
        """How many of the runs go on."""
        return sum(one.status not in FINAL for one in self.harvested)


class HarvestWatch:
    """The runs of some flows, or of somebody, since a time; in microseconds UTC. `conventions` and
    `collections` are as of `harvest`."""

    def __init__(
        self,
        store: Store,
        logs: FlowsLogs,
        *,
        flow_ids: Collection[str] = (),
        mine: bool = False,
        since: int | None = None,
        conventions: Conventions | None = None,
        collections: Collections | None = None,
    ) -> None:
        self._store = store
        self._logs = logs
        self._flow_ids = flow_ids
        self._mine = mine
        self._since = since
        self._told = partial(
            harvest, conventions=conventions or Conventions(), collections=collections
        )

    def round(self, at: int, told: Callable[[Harvested], object] = lambda one: None) -> Round:
        """Harvest what has come, at the time `at`; `told` of each run that was read.

        Raises ServiceUnavailable or StoreUnavailable when the next round may do better, NotAllowed
        when somebody has to log in; what was harvested until then stays.
        """
        done = Round()
        next_since = at - HOUR
        listed = self._logs.runs(flow_ids=self._flow_ids, mine=self._mine, since=self._since)
        for run in list(listed):
            done.listed += 1
            started = moment_or_none(run.get("start_time"))
            if started is not None and run.get("status") not in FINAL:
                next_since = min(next_since, started)
            if is_harvested(self._store, str(run["run_id"])):
                continue
            try:
                given = self._logs.log_of(run)
                one = self._told(self._store, given)
            except (NotFound, InvalidInput) as error:
                done.refused.append(error.message)
                continue
            done.harvested.append(one)
            told(one)
        self._since = next_since if self._since is None else max(self._since, next_since)
        return done
