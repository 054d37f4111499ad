"""Every definition of the collection of real flows runs in the sandbox, unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.sandbox import Sandbox
from flows.sandbox.runner import run_definition
from tests.support.corpus import CORPUS, prepare


@pytest.mark.parametrize("name", list(CORPUS))
def test_a_real_flow_runs_as_expected(name: str, shared_flows: Path, tmp_path: Path) -> None:
    case = CORPUS[name]
    with Sandbox(time_scale=0.001) as sandbox:
        prepare(sandbox, tmp_path)
        run = run_definition(case.definition(shared_flows), case.input, sandbox, timeout=60)
    assert run.status == case.expected_status, run.run["details"]
    visited = {entry["details"].get("state_name") for entry in run.log}
    assert set(case.visited) <= visited
    started = [e for e in run.log if e["code"].endswith("Started")]
    ended = [e for e in run.log if e["code"].endswith(("Completed", "Failed", "Succeeded"))]
    assert len(started) - len(ended) == (2 if run.status == "INACTIVE" else 0)


def test_the_collection_of_real_flows_is_covered(shared_flows: Path) -> None:
    companions = ("input", "input_schema", "run_log")
    names = {path.name.removesuffix(".json") for path in shared_flows.glob("*.json")}
    assert {name for name in names if not name.endswith(companions)} == set(CORPUS)
