"""A running sandbox with a user, and globus-sdk clients that were pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import globus_sdk
import pytest

from flows.sandbox import Identity, Sandbox
from flows.sandbox.runner import RunOutcome, run_definition
from tests.functional.sandbox.support import FlowsFor, Run, SpecificFor


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=0.002) as running:
        for name, value in running.environ().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def ada(sandbox: Sandbox) -> Identity:
    return sandbox.add_identity("ada@example.org", name="Ada")


@pytest.fixture
def bob(sandbox: Sandbox) -> Identity:
    return sandbox.add_identity("bob@example.org")


@pytest.fixture
def flows_for(sandbox: Sandbox, closing: list[Any]) -> FlowsFor:
    """A FlowsClient of somebody, redirected by the environment only."""

    def make(user: Identity) -> globus_sdk.FlowsClient:
        token = sandbox.token_for(user, globus_sdk.FlowsClient.scopes.all)
        client = globus_sdk.FlowsClient(authorizer=globus_sdk.AccessTokenAuthorizer(token))
        closing.append(client)
        return client

    return make


@pytest.fixture
def specific_for(sandbox: Sandbox, closing: list[Any]) -> SpecificFor:
    """A SpecificFlowClient of somebody."""

    def make(user: Identity, flow_id: str) -> globus_sdk.SpecificFlowClient:
        unbound = globus_sdk.SpecificFlowClient(flow_id)
        token = sandbox.token_for(user, unbound.scopes.user)
        authorizer = globus_sdk.AccessTokenAuthorizer(token)
        client = globus_sdk.SpecificFlowClient(flow_id, authorizer=authorizer)
        closing.extend((client, unbound))
        return client

    return make


@pytest.fixture
def run(sandbox: Sandbox) -> Run:
    """Runs states, the first of which is where the run starts."""

    def go(states: dict[str, Any], input: dict[str, Any] | None = None, **more: Any) -> RunOutcome:
        definition = {"StartAt": next(iter(states)), "States": states}
        return run_definition(definition, input or {}, sandbox, **more)

    return go
