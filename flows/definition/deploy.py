"""Create or update a flow in Globus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.definition.login import told_plainly
from flows.definition.marker import injected
from provenance_store.errors import InvalidInput
from provenance_store.extras import extra

with extra("globus", "Deploying a flow"):
    import globus_sdk

    from provenance_store.globus import given

__all__ = ["deploy"]


def deploy(
    client: globus_sdk.FlowsClient,
    definition: Mapping[str, Any],
    *,
    title: str | None = None,
    flow_id: str | None = None,
    input_schema: Mapping[str, Any] | None = None,
    subtitle: str | None = None,
    description: str | None = None,
    keywords: Sequence[str] | None = None,
    run_monitors: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The flow document of the flow made, or with ``flow_id`` of the flow changed.

    What is None is left as it is in a flow that is changed; a new flow needs a title and takes
    any input without an input schema. Record states that `instrument` made tell the title too. A
    changed definition may call other actions than before: whoever runs the flow is then asked for
    consent once more. Raises InvalidInput with what the
    service found wrong, NotAllowed (a consent is needed, the flow is somebody else's), NotFound,
    ServiceUnavailable.
    """
    fields = given(
        definition=_titled(definition, title),
        title=title,
        input_schema=None if input_schema is None else dict(input_schema),
        subtitle=subtitle,
        description=description,
        keywords=None if keywords is None else list(keywords),
        run_monitors=None if run_monitors is None else list(run_monitors),
    )
    if flow_id is None and not title:
        raise InvalidInput("a new flow needs a title.", path="title")
    with told_plainly():
        if flow_id is None:
            answer = client.create_flow(**{"input_schema": {}, **fields})
        else:
            answer = client.update_flow(flow_id, **fields)
    return dict(answer.data)


def _titled(definition: Mapping[str, Any], title: str | None) -> dict[str, Any]:
    """The definition, with the flow's title in what its record states say of the run."""
    states = definition.get("States")
    if not title or not isinstance(states, Mapping):
        return dict(definition)
    told = {name: _telling(states[name], title) for name in injected(states)}
    return {**definition, "States": {**states, **told}}


def _telling(state: Mapping[str, Any], title: str) -> dict[str, Any]:
    parameters = state.get("Parameters")
    run = parameters.get("run") if isinstance(parameters, Mapping) else None
    if not isinstance(parameters, Mapping) or not isinstance(run, Mapping):
        return dict(state)
    if "flow_id.$" not in run:  # the others say what belongs to the run itself
        return dict(state)
    return {**state, "Parameters": {**parameters, "run": {**run, "flow_title": title}}}
