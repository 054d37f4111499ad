"""Flows that ask to be harvested, and people who run them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import requests

from flows.sandbox.runner import RunOutcome, run_definition
from tests.functional.provider.house import House, Person, Town

PATIENCE = 180.0
"""What a busy machine may take, in seconds; only what never comes is waited for so long."""


def asking(url: str, town: Town, **more: Any) -> dict[str, Any]:
    """The state by which an author asks, as the last of a flow."""
    return {
        "Type": "Action",
        "ActionUrl": f"{url}/harvest",
        "ActionScope": town.scope,
        "Parameters": {"run_id.$": "$._context.run_id", **more},
        "ResultPath": "$.Harvest",
        "WaitTime": 60,
        "ExceptionOnActionFailure": False,
        "End": True,
    }


def greeting(url: str, town: Town, **more: Any) -> dict[str, Any]:
    """A flow of three steps that asks to be harvested at its end."""
    return {
        "StartAt": "Greet",
        "States": {
            "Greet": hello("first", Next="Is it well"),
            "Is it well": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.who", "IsPresent": True, "Next": "Greet again"}],
                "Default": "Ask",
            },
            "Greet again": hello("second", Next="Ask"),
            "Ask": asking(url, town, **more),
        },
    }


def hello(name: str, **way: Any) -> dict[str, Any]:
    """A step that greets."""
    return {
        "Type": "Action",
        "ActionUrl": "https://actions.globus.org/hello_world",
        "Parameters": {"echo_string": name},
        "ResultPath": f"$.{name}",
        **way,
    }


def run(town: Town, who: Person, definition: dict[str, Any], **more: Any) -> RunOutcome:
    """A run of a definition to its end."""
    more = {"input": {"who": "you"}, **more}
    return run_definition(
        definition, more.pop("input"), town.sandbox, user=who.identity, timeout=PATIENCE, **more
    )


def ask(
    house: House, who: Person, run_id: str, request_id: str = "r1", **more: Any
) -> requests.Response:
    """Ask for a harvest; `body` may be given whole, other members are the request's."""
    body = more.pop("body", None) or {"run_id": run_id}
    document = {"request_id": request_id, "body": body, **more}
    return house.post("/harvest/run", who, json=document)


def final(house: House, who: Person, action_id: str) -> dict[str, Any]:
    """The status of an action once it is no longer ACTIVE."""
    found: dict[str, Any] = {}

    def is_done() -> bool:
        found.update(house.get(f"/harvest/{action_id}/status", who).json())
        return found["status"] != "ACTIVE"

    wait_until(is_done, "the end of the harvest")
    return found


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Poll until it holds; fail when it does not in time."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)
