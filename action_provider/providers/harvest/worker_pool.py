"""The threads of one process that harvest, and one that looks after them.

A task holds its caller's token in memory only. When its process dies the action stays ACTIVE, its
lease runs out, and any process takes it up with the token of the next status call of Globus Flows.
A run that asked for its own harvest is followed for a while with the same token, so that its end is
recorded too; a restart ends that, and a later harvest does the same.
"""

from __future__ import annotations

import atexit
import heapq
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from action_provider.auth import Caller
from action_provider.errors import named
from action_provider.metrics import Metrics
from action_provider.providers.action_store import MICROSECONDS
from action_provider.providers.harvest.body import HarvestBody
from action_provider.providers.harvest.leases import Leases, Outcome
from action_provider.providers.harvest.silent_runs import SilentRuns
from action_provider.providers.harvest.task import (
    ConsentRequired,
    Runs,
    Stopped,
    Task,
    details_of,
    is_over,
    perform,
)
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from flows.harvest import Harvested
from flows.harvest.run_metadata import FINAL
from provenance_store.display import shown
from provenance_store.errors import BraidError, NotAllowed, NotFound, StoreUnavailable

__all__ = ["Timer", "WorkerPool"]


@dataclass(order=True, frozen=True)
class _Due:
    """Something to do at a time of `time.monotonic`; of two at the same, the first put in."""

    at: float
    number: int
    work: Callable[[], None] = field(compare=False)


class Timer:
    """What is to be done later, by whoever asks for what is due; may be used by several threads.

    It holds `most` things; what is put in beyond is left out.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._count = itertools.count()
        self._waiting: list[_Due] = []

    def put(self, seconds: float, work: Callable[[], None]) -> None:
        """Let it be due in so many seconds."""
        with self._lock:
            if len(self._waiting) < self._most:
                due = _Due(time.monotonic() + seconds, next(self._count), work)
                heapq.heappush(self._waiting, due)

    def due(self) -> list[Callable[[], None]]:
        """Take out what is due, the oldest first."""
        found = []
        with self._lock:
            while self._waiting and self._waiting[0].at <= time.monotonic():
                found.append(heapq.heappop(self._waiting).work)
        return found

    def all(self) -> list[Callable[[], None]]:
        """Take out everything."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return [due.work for due in sorted(waiting)]


log = logging.getLogger(__name__)

MOST_TASKS = 200
"""What waits beyond is left free, and taken up by a later status call."""
MOST_OF_ONE = 50
"""Of them one identity's, so that the others find room."""
MOST_FOLLOWED = 1_000
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds between looks at a run that goes on."""
END_SECONDS = 5.0
UNKNOWN = "Something went wrong here; the server's log says where."


class _Verdict(NamedTuple):
    """What became of a task."""

    outcome: Outcome
    details: dict[str, Any]
    said: str


class WorkerPool:
    """Harvests what it is given; its threads begin with the first task."""

    def __init__(
        self, stores: StoreHolder, options: Options, metrics: Metrics, clock: Callable[[], int]
    ) -> None:
        self.claims = Leases(stores, clock, lease_seconds=options.harvest_lease_seconds)
        self._stores = stores
        self._metrics = metrics
        self._clock = clock
        self._folder = options.harvest_conventions
        self._threads = options.harvest_threads
        self._follow_seconds = options.harvest_follow_seconds
        self._renewal = options.harvest_lease_seconds / 3
        self._lock = threading.Lock()
        self._held: dict[str, Task] = {}
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._later = Timer(2 * MOST_FOLLOWED)  # those that asked, and those that may fall silent
        self._options = options
        self.silent = SilentRuns(self._put_later, self._end_of, options.harvest_silent_seconds)
        self._runs: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._stop = threading.Event()
        self._running: list[threading.Thread] = []

    def has_room(self, identity: str) -> bool:
        """Whether one more task of an identity may wait here."""
        held = list(self._held.values())
        own = sum(task.caller.identity == identity for task in held)
        return len(held) < MOST_TASKS and own < MOST_OF_ONE and not self._stop.is_set()

    def put(self, task: Task) -> None:
        """Harvest, when a thread is free, what this process has claimed."""
        with self._lock:
            self._held[task.action_id] = task
            if not self._running:
                self._start()
        self._tell()
        self._queue.put(partial(self._work, task))

    def stop(self, action_id: str) -> None:
        """Stop working at an action, as soon as may be."""
        if (task := self._held.get(action_id)) is not None:
            task.stopped.set()

    def look_now(self) -> None:
        """Look at all runs that go on, before their time has come; returns when that is done."""
        for work in self._later.all():
            work()

    def close(self) -> None:
        """End the threads; what is not done may be taken up by another process at once."""
        atexit.unregister(self.close)
        self._stop.set()
        for task in list(self._held.values()):
            task.stopped.set()
        for _ in self._running:
            self._queue.put(None)
        for thread in self._running:
            thread.join(END_SECONDS)
        for action_id in list(self._held):
            self._quietly(partial(self.claims.let_go, action_id))

    def _start(self) -> None:
        atexit.register(self.close)
        doing = [self._run] * self._threads + [self._look_after]
        self._running = [
            threading.Thread(target=what, name=f"harvest-{number}", daemon=True)
            for number, what in enumerate(doing)
        ]
        for thread in self._running:
            thread.start()

    def _tell(self) -> None:
        """Have the metrics show what is under way."""
        since = [task.asked_at for task in list(self._held.values())]
        lag = (self._clock() - min(since)) / MICROSECONDS if since else 0.0
        self._metrics.harvesting(len(since), lag)

    # ---- the threads ---------------------------------------------------------------------

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            work()

    def _look_after(self) -> None:
        """Renew what is claimed, and look at runs again whose time has come."""
        renew_at = time.monotonic() + self._renewal
        while not self._stop.wait(min(self._renewal, 0.5)):
            self._tell()
            if time.monotonic() >= renew_at:
                renew_at = time.monotonic() + self._renewal
                for task in list(self._held.values()):
                    self._quietly(partial(self._renew, task))
            for work in self._later.due():
                self._queue.put(work)

    def _renew(self, task: Task) -> None:
        if not self.claims.renew(task.action_id):
            task.stopped.set()

    def _work(self, task: Task) -> None:
        if self._stop.is_set():
            return
        verdict, done = self._attempt(task)
        if verdict is not None:
            self._quietly(partial(self._settle, task, verdict, done))
        if not self._stop.is_set():
            self._held.pop(task.action_id, None)
            self._tell()
        if done is not None and done.status not in FINAL:
            until = time.monotonic() + self._follow_seconds
            # What stops the action, which is final, does not stop this.
            after = replace(task, stopped=threading.Event())
            self._look_later(after, until, FIRST_PAUSE)

    def _attempt(self, task: Task) -> tuple[_Verdict | None, Harvested | None]:
        """What is to be said of a task; nothing when it is somebody else's, or the store is away:
        it is taken up again once its claim has run out."""
        try:
            done = self._performed(task)
        except Stopped:
            return None, None
        except StoreUnavailable as error:
            log.warning("A harvest is delayed: %s", shown(error.message))
            return None, None
        except ConsentRequired as error:
            return self._missing(task, error), None
        except Exception as error:
            code, description = named(error)
            return self._failed(task, code, description or UNKNOWN), None
        return _Verdict("SUCCEEDED", details_of(done), "Harvested"), done

    def _performed(self, task: Task) -> Harvested:
        """Harvest; of one run at a time, for two that add the same would both say that they did."""
        with self._lock:
            alone = self._runs.setdefault(task.body.run_id.lower(), threading.Lock())
        with alone:
            task.check()
            return perform(task, self._stores.get(), self._folder)

    def _settle(self, task: Task, verdict: _Verdict, done: Harvested | None) -> None:
        if not self.claims.settle(task.action_id, *verdict):
            return
        seconds = (self._clock() - task.asked_at) / MICROSECONDS
        self._metrics.harvested(verdict.outcome.lower(), seconds)
        if done is not None:
            self._metrics.recorded(done.records, done.added)

    @staticmethod
    def _failed(task: Task, code: str, description: str) -> _Verdict:
        details = {"code": code, "description": description, "run_id": task.body.run_id}
        return _Verdict("FAILED", details, "Failed")

    def _missing(self, task: Task, error: ConsentRequired) -> _Verdict:
        code, description = "ConsentRequired", error.message
        failed = self._failed(task, code, description)
        details = {**failed.details, "required_scope": error.required_scope}
        if task.body.on_missing_consent == "wait":
            return _Verdict("INACTIVE", details, "Waiting for a consent")
        return failed._replace(details=details)

    # ---- runs that go on -----------------------------------------------------------------

    def _put_later(self, seconds: float, work: Callable[[], None]) -> None:
        with self._lock:
            if not self._running and not self._stop.is_set():
                self._start()
        self._later.put(seconds, work)

    def _end_of(self, caller: Caller, run_id: str) -> bool:
        """Harvest a run on behalf of somebody who recorded steps of it, if it has ended; one that
        another process knows the end of is left as it is."""
        if self._stores.get().documents().run(run_id, limit=1)["status"] in FINAL:
            return True
        body = HarvestBody(run_id=run_id, on_missing_consent="fail")
        task = Task("", body, caller, Runs(caller, self._options), self._clock())
        if not is_over(task):
            return False
        done = self._performed(task)
        self._metrics.recorded(done.records, done.added)
        return True

    def _look_later(self, task: Task, until: float, pause: float) -> None:
        if time.monotonic() + pause < until:
            following = min(pause * 2, LONGEST_PAUSE)
            self._later.put(pause, partial(self._look_again, task, until, following))

    def _look_again(self, task: Task, until: float, pause: float) -> None:
        """Record the end of a run, if it has come."""
        try:
            if is_over(task):
                done = self._performed(task)
                self._metrics.recorded(done.records, done.added)
                return
        except (NotAllowed, NotFound, Stopped):
            return
        except BraidError as error:
            log.warning("A run will be tried again later: %s", type(error).__name__)
        except Exception as error:
            named(error)  # logs it
            return
        self._look_later(task, until, pause)

    @staticmethod
    def _quietly(work: Callable[[], object]) -> None:
        """What the store does not take now is done by whoever takes the action up."""
        try:
            work()
        except BraidError as error:
            log.warning("A harvest could not be noted: %s", type(error).__name__)
        except Exception as error:
            named(error)  # logs it
