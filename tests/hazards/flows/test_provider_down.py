"""Provenance never breaks the science: flows go on when the provider does not answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.definition import instrument
from flows.sandbox import Sandbox
from flows.sandbox.runner import run_definition
from provenance_store import open_store
from tests.functional.provider.house import Town
from tests.support.processes import serving


@pytest.fixture
def town() -> Iterator[Town]:
    with Sandbox(time_scale=0.01) as sandbox:
        yield Town(sandbox)


def three_actions(sandbox: Sandbox) -> dict[str, Any]:
    """Three actions, one after the other; the second takes its time."""
    names = ["First", "Second", "Third"]
    states = {
        name: {
            "Type": "Action",
            "ActionUrl": f"{sandbox.url}/providers/{'slow' if name == 'Second' else 'hello'}",
            "Parameters": {"seconds": 100} if name == "Second" else {"echo_string": name},
            "ResultPath": f"$.{name}",
            **({"Next": after} if after else {"End": True}),
        }
        for name, after in zip(names, [*names[1:], None], strict=True)
    }
    return {"StartAt": "First", "States": states}


def killed(group: int) -> None:
    """Kill a server and all its workers; nothing is finished, nobody is told."""
    os.killpg(group, signal.SIGKILL)


def test_a_run_whose_provider_is_killed_in_the_middle_succeeds_and_says_so(
    town: Town, tmp_path: Path
) -> None:
    original = three_actions(town.sandbox)
    with serving("serve", "--port", "0", environ=town.environ(), folder=tmp_path) as server:
        made = instrument(
            original, provider_url=f"{server.url}/record", provider_scope=town.scope
        ).definition

        def kill_after_second(entry: dict[str, Any]) -> None:
            done = entry["details"].get("state_name") == "Second"
            if done and entry["code"] == "ActionStarted":
                killed(server.process.pid)

        outcome = run_definition(made, {}, town.sandbox, on_event=kill_after_second)

    assert outcome.status == "SUCCEEDED"
    final = outcome.output
    assert [final[name]["status"] for name in original["States"]] == ["SUCCEEDED"] * 3
    receipts = list(filter(None, final["_braid"].values()))
    assert receipts[0]["details"]["step"].startswith("urn:braid:")
    assert "ActionUnableToRun" in str(receipts[-1])
    with open_store(f"sqlite:///{tmp_path / 'braid.db'}", create=False) as store:
        run = store.documents().run(outcome.run["run_id"])
        assert run["status"] == "ACTIVE"
        assert "First" in [step["name"] for step in run["steps"]]
        assert "Third" not in [step["name"] for step in run["steps"]]
        assert store.check() == []


def test_a_run_whose_provider_was_never_there_ends_as_without_it(town: Town) -> None:
    original = three_actions(town.sandbox)
    made = instrument(
        original, provider_url="http://127.0.0.1:9/record", provider_scope=town.scope
    ).definition
    plain = run_definition(original, {}, town.sandbox)
    without = run_definition(made, {}, town.sandbox)
    assert without.status == plain.status == "SUCCEEDED"
    assert set(without.output) - set(plain.output) == {"_braid"}
    said = list(filter(None, without.output["_braid"].values()))
    assert len(said) == 3
    assert all("ActionUnableToRun" in str(value) for value in said)
