"""Runs that record their steps and then fall silent: followed to their end where that may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from action_provider.app import EXTENSION, Braid
from action_provider.providers.harvest.silent_runs import SilentRuns
from flows.definition import Options, instrument
from tests.functional.provider.harvests import hello, run, wait_until
from tests.functional.provider.house import House, Person, Town, serving

SILENT_SECONDS = "1"


@pytest.fixture
def following(town: Town, tmp_path: Path) -> Iterator[House]:
    """A provider that looks at runs which were silent for a second."""
    settings = town.environ(BRAID_HARVEST_SILENT_SECONDS=SILENT_SECONDS)
    with serving(f"sqlite:///{tmp_path / 'store.db'}", settings) as house:
        yield house


def ending_badly(town: Town, house: House) -> dict[str, Any]:
    """A flow whose second step fails where nothing catches it, with record states."""
    fails = {
        "Type": "Action",
        "ActionUrl": town.sandbox.provider_url("failing"),
        "Parameters": {"details": {"description": "It is broken."}},
        "ResultPath": "$.second",
        "End": True,
    }
    plain = {"StartAt": "Works", "States": {"Works": hello("first", Next="Fails"), "Fails": fails}}
    return recorded(town, house, plain)


def recorded(town: Town, house: House, plain: dict[str, Any]) -> dict[str, Any]:
    return instrument(
        plain,
        provider_url=f"{house.url}/record",
        provider_scope=town.scope,
        options=Options(record_uncaught=False),
    ).definition


def history(house: House, who: Person, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = house.get(f"/api/v1/runs/{run_id}", who).json()
    return found


def test_a_run_that_fell_silent_is_followed_to_its_end(
    town: Town, following: House, ada: Person
) -> None:
    outcome = run(town, ada, ending_badly(town, following))
    assert outcome.status == "FAILED"
    run_id = outcome.run["run_id"]
    wait_until(lambda: history(following, ada, run_id)["status"] == "FAILED", "the end")
    told = history(following, ada, run_id)
    assert [(step["name"], step["status"]) for step in told["steps"]] == [
        ("Works", "SUCCEEDED"),
        ("Fails", "FAILED"),
    ]
    assert told["steps"][1]["error"]["Error"] == "ActionFailedException"
    assert told["steps"][1]["parameters"] == {"details": {"description": "It is broken."}}
    assert told["completion_time"] is not None
    assert following.store.check() == []


def test_a_run_that_says_how_it_ended_is_not_looked_at(
    town: Town, following: House, ada: Person
) -> None:
    looks = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.who", "IsPresent": True, "Next": "Works"}],
        "Default": "Works",
    }
    plain = {"StartAt": "Looks", "States": {"Looks": looks, "Works": hello("first", End=True)}}
    outcome = run(town, ada, recorded(town, following, plain))
    other = run(town, ada, ending_badly(town, following)).run["run_id"]
    wait_until(lambda: history(following, ada, other)["status"] == "FAILED", "the end of another")
    told = history(following, ada, outcome.run["run_id"])
    assert told["status"] == "SUCCEEDED"
    assert [step["name"] for step in told["steps"]] == ["Works"]


def test_a_run_whose_end_another_server_recorded_is_left_as_it_is(
    town: Town, tmp_path: Path, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several servers, or workers, share a store; each sees some of the steps only."""
    looks = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.who", "IsPresent": True, "Next": "Works"}],
        "Default": "Works",
    }
    states = {"Looks": looks, "Works": hello("first", Next="Ends"), "Ends": hello("x", End=True)}
    asked = noted(monkeypatch)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    settings = town.environ(BRAID_HARVEST_SILENT_SECONDS=SILENT_SECONDS)
    with serving(url, settings) as first, serving(url, settings) as second:
        definition = recorded(town, first, {"StartAt": "Looks", "States": states})
        definition["States"]["Braid Ends"]["ActionUrl"] = f"{second.url}/record"
        run_id = run(town, ada, definition).run["run_id"]
        wait_until(lambda: bool(asked), "the look at the run")
        told = history(first, ada, run_id)
        assert (asked, told["status"]) == ([True], "SUCCEEDED")
        assert [step["name"] for step in told["steps"]] == ["Works", "Ends"]


def noted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether there was no more to be asked, for each run that was looked at."""
    asked: list[bool] = []
    is_done = SilentRuns._is_done

    def noting(silent: SilentRuns, *args: Any) -> bool:
        asked.append(is_done(silent, *args))
        return asked[-1]

    monkeypatch.setattr(SilentRuns, "_is_done", noting)
    return asked


def test_a_server_that_may_not_read_runs_leaves_them_as_they_are(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = object.__new__(Town)
    elsewhere.sandbox, elsewhere.client = town.sandbox, town.sandbox.add_client("blind")
    elsewhere.scope = town.sandbox.add_scope(elsewhere.client, "action_all", dependencies=())
    person = elsewhere.person("hedy")
    settings = elsewhere.environ(BRAID_HARVEST_SILENT_SECONDS=SILENT_SECONDS)
    asked = noted(monkeypatch)
    with serving(f"sqlite:///{tmp_path / 'blind.db'}", settings) as house:
        run_id = run(elsewhere, person, ending_badly(elsewhere, house)).run["run_id"]
        wait_until(lambda: bool(asked), "the look at the run")
        assert asked == [True]
        told = history(house, person, run_id)
        assert (told["status"], len(told["steps"])) == ("ACTIVE", 1)
        assert told["last_heard_at"] is not None


def test_nothing_is_looked_at_where_that_is_not_wanted(
    town: Town, tmp_path: Path, ada: Person
) -> None:
    settings = town.environ(BRAID_HARVEST_SILENT_SECONDS="0")
    with serving(f"sqlite:///{tmp_path / 'store.db'}", settings) as house:
        run(town, ada, ending_badly(town, house))
        braid: Braid = house.app.extensions[EXTENSION]
        assert braid.crew._later.all() == []
