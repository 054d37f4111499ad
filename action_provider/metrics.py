"""Prometheus metrics: requests, how long they took, records written. No ids, no secrets.

Whichever worker is asked shows what all of them counted, where the server shares their counters
(`braid serve` does), else what itself did.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import ValueClass

from action_provider.shared_metrics import FOLDER_VARIABLE, reading

__all__ = ["Metrics"]

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
HARVEST_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class Metrics:
    """The counters of one application in one process."""

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
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
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
        Gauge(
            "braid_workers",
            "Processes that answer.",
            registry=self.registry,
            multiprocess_mode="livesum",
        ).set(1)
        self._asked = CollectorRegistry()
        """What is looked up at each scrape, and is the same whichever worker is asked."""

    def recorded(self, records: int, steps: int) -> None:
        """Count what was written."""
        self._records.inc(records)
        self._steps.inc(steps)

    def harvested(self, outcome: str, seconds: float) -> None:
        """Count a harvest that is done, or waits for a consent."""
        self._harvests.labels(outcome).inc()
        self._harvest_seconds.observe(max(0.0, seconds))
        if outcome == "succeeded":
            self._last_harvest.set_to_current_time()

    def watch_harvests(
        self,
        active: Callable[[], int],
        waiting_since: Callable[[], int | None],
        clock: Callable[[], int],
    ) -> None:
        """Tell how many harvests are under way, and how long the oldest of them has been waiting;
        times are in microseconds."""

        def lag() -> float:
            since = waiting_since()
            return 0.0 if since is None else max(0.0, (clock() - since) / 1e6)

        self._asked.register(_Asked("active", "Harvests that are under way.", active))
        text = "How long the oldest harvest that is under way has been waiting."
        self._asked.register(_Asked("lag_seconds", text, lag))

    def watch(self, app: Flask) -> None:
        """Count every request of the application."""
        app.before_request(_start)
        app.after_request(self._count)

    def page(self) -> Response:
        """The metrics in Prometheus' text format."""
        counted = _of_all_workers() if _SHARED else generate_latest(self.registry)
        text = counted + generate_latest(self._asked)
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    def _count(self, response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "(none)"
        method = request.method if request.method in METHODS else "(other)"
        count, seconds = self._of(method, route, response.status_code)
        count.inc()
        if started := g.get("started"):
            seconds.observe(time.perf_counter() - started)
        return response

    def _of(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """The series of such requests; finding them anew would cost more than counting."""
        key = (method, route, status)
        if (found := self._series.get(key)) is None:
            found = self._series[key] = (self._requests.labels(*key), self._seconds.labels(route))
        return found


class _Asked(Collector):
    """A gauge whose value is asked for at each scrape."""

    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name = f"braid_harvest_action_{name}"
        self._text = text
        self._value = value

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauge with its value now."""
        yield GaugeMetricFamily(self._name, self._text, value=self._value())

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The gauge without a value: to be registered is no reason to ask for one."""
        yield GaugeMetricFamily(self._name, self._text)


def _of_all_workers() -> bytes:
    folder = Path(os.environ[FOLDER_VARIABLE])
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    with reading(folder):
        return generate_latest(registry)


_SHARED: bool = ValueClass._multiprocess
"""Decided by prometheus_client when it was imported."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _start() -> None:
    g.started = time.perf_counter()
