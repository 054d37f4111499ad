"""The example as a whole: its definition, instrumented; and a sandbox with what it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from flows.definition.instrument import instrument
from flows.examples.bragg import beamline, functions
from flows.sandbox import Sandbox

__all__ = ["MODEL", "RECORDER", "TITLE", "definition", "furnish", "input_schema", "instrumented"]

TITLE = "Bragg peaks"
MODEL = "bragg-peaks"
RECORDER = "https://braid.example.org/record"
"""The address in the definition that stands for the action provider that records."""
COMPUTE_URL = "https://compute.actions.globus.org/v3"
SCANS = ("scan-1", "scan-2", "scan-3")
NEW_SCAN = "scan-4"


def definition() -> dict[str, Any]:
    """The flow as its author wrote it."""
    return _read("definition.json")


def input_schema() -> dict[str, Any]:
    """The JSON Schema of its input."""
    return _read("input_schema.json")


def instrumented(provider_url: str, provider_scope: str) -> dict[str, Any]:
    """The flow with all its record states, the author's own included, for that provider."""
    directed = _directed(definition(), provider_url, provider_scope)
    done = instrument(
        directed, provider_url=provider_url, provider_scope=provider_scope, flow_title=TITLE
    )
    states = done.definition["States"]
    by_hand = directed["States"]
    for name, state in states.items():
        if state.get("ActionUrl") == provider_url and name not in by_hand:
            state["Parameters"] |= _environment(state["Parameters"])
    return done.definition


def _environment(body: Mapping[str, Any]) -> dict[str, Any]:
    """Where a step ran, for its record state: functions return it, and Transfer is a service."""
    came_to = body.get("outcome.=")
    if came_to is None:
        return {}
    if body["step"]["action_url"] == COMPUTE_URL:
        error, _, result = came_to.partition(" or ")
        path = result.removeprefix("getattr('").removesuffix("',None)")
        return {"environment.=": f"None if {error} else {path}.details.result[0].environment"}
    return {"environment": {"software": {"service": "Globus Transfer"}}}


def furnish(sandbox: Sandbox, folder: Path, *, seed: int = 7) -> dict[str, Any]:
    """Give the sandbox the three collections, in folders of `folder`, with frames at the beamline,
    and the functions; returns the input of the flow."""
    beamline.furnish(folder / "beamline", [*SCANS, NEW_SCAN], seed=seed)
    sites = {name: _site(sandbox, folder / name, name) for name in ("beamline", "cluster", "edge")}
    sites["beamline"] = {"collection": sites["beamline"]["collection"]}
    return {
        **sites,
        "functions": {name: _registered(sandbox, name) for name in functions.__all__},
        "scans": list(SCANS),
        "new_scan": NEW_SCAN,
        "cycles": len(SCANS),
        "simulated_peaks": 3000,
        "epochs": {"simulated": 20, "scan": 40},
        "seed": seed,
    }


def _read(name: str) -> dict[str, Any]:
    text = files("flows.examples.bragg").joinpath(name).read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _site(sandbox: Sandbox, folder: Path, name: str) -> dict[str, str]:
    collection = sandbox.collection(name, folder)
    return {"collection": collection, "folder": str(folder.resolve()), "endpoint": collection}


def _registered(sandbox: Sandbox, name: str) -> str:
    return sandbox.register_function(f"{functions.__name__}:{name}")


def _directed(flow: Mapping[str, Any], url: str, scope: str) -> dict[str, Any]:
    """The record states that the author wrote, sent to that provider."""
    states = {
        name: {**state, "ActionUrl": url, "ActionScope": scope}
        if state.get("ActionUrl") == RECORDER
        else state
        for name, state in flow["States"].items()
    }
    return {**flow, "States": states}
