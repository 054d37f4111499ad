"""Whether the server lives, whether it can work, and its metrics: no token needed.

`/healthz` needs nothing but a thread; under `braid serve` not even that
(`braid.web_server.worker`). `/readyz` asks the store, and waits for its word no longer than
READY_SECONDS.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Literal

import msgspec
from flask import Blueprint, Response

from action_provider.metrics import Metrics
from action_provider.operations import Operation
from action_provider.stores import StoreHolder
from provenance_store.errors import StoreUnavailable

__all__ = ["OPERATIONS", "Health", "health_blueprint"]


READY_SECONDS = 3.0


class Health(msgspec.Struct):
    """All is well; otherwise the answer is an error."""

    status: Literal["ok"] = "ok"


OPERATIONS: tuple[Operation, ...] = (
    Operation("healthz", "GET", "/healthz", "The process answers.", {200: Health}, secured=False),
    Operation(
        "readyz",
        "GET",
        "/readyz",
        "The settings are complete and the store can be read.",
        {200: Health},
        errors=(503,),
        secured=False,
    ),
    Operation(
        "metrics",
        "GET",
        "/metrics",
        "Metrics of all workers, for Prometheus.",
        {200: None},
        media_type="text/plain",
        secured=False,
    ),
)


class Readiness:
    """Asks the store, in one thread whoever else wants to know, and in bounded time."""

    def __init__(self, ask: Callable[[], None], *, seconds: float = READY_SECONDS) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._asked: Future[None] | None = None

    def check(self) -> None:
        """Return when the store answers; raises StoreUnavailable, or what else is wrong with it."""
        with self._lock:
            asked = self._asked
            if asked is None or asked.done():
                asked = self._asked = Future()
                threading.Thread(target=self._run, args=(asked,), daemon=True).start()
        try:
            asked.result(self._seconds)
        except TimeoutError:
            raise StoreUnavailable("The store does not answer.") from None

    def _run(self, asked: Future[None]) -> None:
        try:
            self._ask()
        except BaseException as error:
            asked.set_exception(error)
        else:
            asked.set_result(None)


def health_blueprint(stores: StoreHolder, metrics: Metrics) -> Blueprint:
    """The three routes."""
    blueprint = Blueprint("health", __name__)
    well = msgspec.json.encode(Health())

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return Response(well, mimetype="application/json")

    readiness = Readiness(lambda: stores.get().ping())

    @blueprint.get("/readyz")
    def readyz() -> Response:
        readiness.check()
        return Response(well, mimetype="application/json")

    @blueprint.get("/metrics")
    def page() -> Response:
        return metrics.page()

    return blueprint
