"""Whether the server lives, whether it can work, and its metrics: no token needed."""

from __future__ import annotations

from typing import Literal

import msgspec
from flask import Blueprint, Response

from action_provider.metrics import Metrics
from action_provider.operations import Operation
from action_provider.stores import StoreHolder

__all__ = ["OPERATIONS", "Health", "health_blueprint"]


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


def health_blueprint(stores: StoreHolder, metrics: Metrics) -> Blueprint:
    """The three routes."""
    blueprint = Blueprint("health", __name__)
    well = msgspec.json.encode(Health())

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return Response(well, mimetype="application/json")

    @blueprint.get("/readyz")
    def readyz() -> Response:
        stores.get().ping()
        return Response(well, mimetype="application/json")

    @blueprint.get("/metrics")
    def page() -> Response:
        return metrics.page()

    return blueprint
