"""Prometheus metrics: requests, how long they took, records written. No ids, no secrets.

Whichever worker is asked shows what all of them counted, where the server shares their counters
(`braid serve` does), else what itself did.
"""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import ValueClass

from action_provider.shared_metrics import fold_ended, reading

__all__ = ["Metrics"]

T = TypeVar("T")

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
COUNT_SECONDS = 0.25
"""How long after an answer other workers show it, and what a worker that is killed forgets."""
MOST_UNCOUNTED = 1000
HARVEST_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class Metrics:
    """The counters of one application in one process."""

    answers = 1
    """Whether this process answers callers by itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "braid_requests",
            "Answered HTTP requests.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "braid_request_seconds",
            "How long requests took.",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._answered: deque[tuple[str, str, int, float]] = deque()
        self._written: deque[tuple[int, int]] = deque()
        self._counting = threading.Lock()
        self._counts_regularly = False
        self._records = Counter("braid_records", "Records written.", registry=self.registry)
        self._steps = Counter("braid_steps", "Steps written.", registry=self.registry)
        self._harvests = Counter(
            "braid_harvest_actions", "Harvests that are done.", ("outcome",), registry=self.registry
        )
        self._harvest_seconds = Histogram(
            "braid_harvest_action_seconds",
            "How long harvests took, from being asked for to being done.",
            buckets=HARVEST_BUCKETS,
            registry=self.registry,
        )
        self._last_harvest = Gauge(
            "braid_harvest_action_last_success_timestamp_seconds",
            "When a harvest last succeeded; 0 for never.",
            registry=self.registry,
            multiprocess_mode="max",
        )
        self._active_harvests = Gauge(
            "braid_harvest_action_active",
            "Harvests that are under way.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._harvest_lag = Gauge(
            "braid_harvest_action_lag_seconds",
            "How long the oldest harvest that is under way has been waiting.",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        workers = Gauge(
            "braid_workers",
            "Processes that answer.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        workers.set(self.answers)

    def recorded(self, records: int, steps: int) -> None:
        """Count what was written."""
        self._written.append((records, steps))

    def harvested(self, outcome: str, seconds: float) -> None:
        """Count a harvest that is done, or waits for a consent."""
        self._harvests.labels(outcome).inc()
        self._harvest_seconds.observe(max(0.0, seconds))
        if outcome == "succeeded":
            self._last_harvest.set_to_current_time()

    def harvesting(self, active: int, lag_seconds: float) -> None:
        """Say how many harvests are under way here, and how long the oldest has been waiting."""
        self._active_harvests.set(active)
        self._harvest_lag.set(max(0.0, lag_seconds))

    def watch(self, app: Flask) -> None:
        """Count every request of the application."""
        app.before_request(_start)
        app.after_request(self._note)

    def page(self) -> Response:
        """The metrics in Prometheus' text format."""
        self._count_answered()
        text = _of_all_workers() if _SHARED else generate_latest(self.registry)
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    def _note(self, response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "(none)"
        method = request.method if request.method in METHODS else "(other)"
        seconds = time.perf_counter() - g.get("started", math.nan)
        self.note(method, route, response.status_code, seconds)
        return response

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Remember a request, to be counted later: threads that answer would wait for each other
        at the counters, which takes longer than all the counting."""
        self._answered.append((method, route, status, seconds))
        if not self._counts_regularly:
            self._count_regularly()
        if len(self._answered) >= MOST_UNCOUNTED:
            self._count_answered()

    def _count_regularly(self) -> None:
        """From now on, for other workers show only what this one has counted."""
        with self._counting:
            if not self._counts_regularly and _SHARED:
                threading.Thread(target=self._keep_counting, name="metrics", daemon=True).start()
                atexit.register(self._count_answered)
            self._counts_regularly = True

    def _keep_counting(self) -> None:
        while True:
            time.sleep(COUNT_SECONDS)
            self._count_answered()

    def _count_answered(self) -> None:
        with self._counting:
            requests: Tally[tuple[str, str, int]] = Tally()
            of_routes: dict[str, Histogram] = {}  # to look one up takes as long as to count
            for method, route, status, seconds in _taken(self._answered):
                requests[method, route, status] += 1
                if not math.isnan(seconds):
                    if route not in of_routes:
                        of_routes[route] = self._seconds.labels(route)
                    of_routes[route].observe(seconds)
            for series, count in requests.items():
                self._requests.labels(*series).inc(count)
            if written := list(_taken(self._written)):
                self._records.inc(sum(records for records, _ in written))
                self._steps.inc(sum(steps for _, steps in written))


def _taken(waiting: deque[T]) -> Iterator[T]:
    """What is in a queue that others add to, until it is empty or has been for a moment."""
    with suppress(IndexError):
        while True:
            yield waiting.popleft()


class _CountersOfAll(MultiProcessCollector):
    """Adds up the files of all workers; that of one that has just begun may be empty yet."""

    def collect(self) -> Any:
        files = [str(file) for file in Path(self._path).glob("*.db") if file.stat().st_size]
        return self.merge(files, accumulate=True)  # type: ignore[no-untyped-call]


def _of_all_workers() -> bytes:
    registry = CollectorRegistry()
    collector: Any = _CountersOfAll(registry)  # type: ignore[no-untyped-call]
    fold_ended(Path(collector._path))
    with reading(Path(collector._path)):
        return generate_latest(registry)


_SHARED: bool = ValueClass._multiprocess
"""Decided by prometheus_client when it was imported."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _start() -> None:
    g.started = time.perf_counter()
