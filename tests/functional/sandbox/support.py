"""Types of this folder's fixtures, and waiting with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

import globus_sdk

from flows.sandbox import Identity
from flows.sandbox.runner import RunOutcome

FlowsFor = Callable[[Identity], globus_sdk.FlowsClient]
SpecificFor = Callable[[Identity, str], globus_sdk.SpecificFlowClient]
Run = Callable[..., RunOutcome]


def wait_for(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    """Returns once the condition holds; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
