"""A harvest after the record states adds the links that these did not know of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.definition import Options, WholeState, instrument
from flows.harvest import RunLog, harvest, read_conventions
from flows.sandbox.runner import RunOutcome
from provenance_store.statement.page import account
from tests.functional.history.test_bare_paths import (
    BOTH_ENDS,
    compute_steps,
    holds,
    in_step_mode,
    newest,
)
from tests.functional.provider.house import House, Person, Town
from tests.support.stand_ins import STAND_INS
from tests.support.statements import verified


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Record states that know nothing of the files of their run, as before there were any."""
    monkeypatch.setattr("flows.steps.record.is_moved", lambda thing: False)
    monkeypatch.setattr("flows.steps.adapters.compute.bare_paths", lambda documents: iter(()))
    return monkeypatch


def given(outcome: RunOutcome, definition: dict[str, Any], town: Town, house: House) -> RunLog:
    """The log of a run, with the definition as it was run."""
    made = instrument(
        definition,
        provider_url=f"{house.url}/record",
        provider_scope=town.scope,
        options=Options(on_whole_state=WholeState.ACCEPT),
    )
    return RunLog(outcome.log, made.definition, outcome.run)


@pytest.mark.parametrize("name", BOTH_ENDS)
def test_links_that_were_missing_are_added(
    name: str,
    town: Town,
    house: House,
    ada: Person,
    shared_flows: Path,
    tmp_path: Path,
    blind: pytest.MonkeyPatch,
) -> None:
    stand_in = STAND_INS[name]
    outcome = in_step_mode(stand_in.case, town, house, ada, shared_flows, tmp_path)
    run_id = outcome.run["run_id"]
    before = compute_steps(house.store, run_id)
    assert [has for _, has in before] == [False] * len(before)
    blind.undo()

    log = given(outcome, stand_in.case.definition(shared_flows), town, house)
    told = harvest(house.store, log, who="carl")
    assert told.notes == []
    assert told.linked > 0
    assert house.counts()["late_link"] > 0
    holds(house.store, stand_in, run_id)
    counts = house.counts()
    again = harvest(house.store, log, who="carl")
    assert (again.linked, again.completed, again.notes) == (0, 0, [])
    assert house.counts() == {**counts, "run_event": house.counts()["run_event"]}


def test_who_added_a_link_and_why_is_shown_with_the_step(
    town: Town,
    house: House,
    ada: Person,
    shared_flows: Path,
    tmp_path: Path,
    blind: pytest.MonkeyPatch,
) -> None:
    stand_in = STAND_INS["ptychodus-3step"]
    outcome = in_step_mode(stand_in.case, town, house, ada, shared_flows, tmp_path)
    blind.undo()
    harvest(
        house.store, given(outcome, stand_in.case.definition(shared_flows), town, house), who="carl"
    )
    reader = house.store.documents()
    steps = {step["name"]: step for step in reader.run(outcome.run["run_id"])["steps"]}
    shown = reader.record(steps["ProcessWithPtychodus"]["id"])
    (late,) = shown["late_links"]
    assert (late["role"], late["by"]) == ("used", "carl")
    assert "path" in late["rule"]
    assert late["to"] in {end["id"] for end in shown["links"]}


def test_rules_that_come_later_add_the_files_that_they_tell_of(
    town: Town,
    house: House,
    ada: Person,
    shared_flows: Path,
    tmp_path: Path,
    blind: pytest.MonkeyPatch,
) -> None:
    stand_in = STAND_INS["ptychodus-3step"]
    outcome = in_step_mode(stand_in.case, town, house, ada, shared_flows, tmp_path)
    rules = tmp_path / "rules.toml"
    collection = stand_in.case.input["transfer_output_data"]["source"]["id"]
    rules.write_text(
        f"""
[[file]]
state = "ProcessWithPtychodus"
uri = {{ collection = "{collection}", path = "$.arguments.input_path" }}
[[file]]
state = "ProcessWithPtychodus"
how = "made"
uri = {{ collection = "{collection}", path = "/ptychodus/out" }}
"""
    )
    log = given(outcome, stand_in.case.definition(shared_flows), town, house)
    told = harvest(house.store, log, conventions=read_conventions(rules))
    assert told.notes == []
    reader, run_id = house.store.documents(), outcome.run["run_id"]
    final = newest(reader, stand_in.final or "", run_id)
    lineage = reader.lineage(final["id"])
    names = {node["name"] for node in lineage["nodes"]}
    assert {"ProcessWithPtychodus", "frame-1.txt"} <= names
    step = next(n for n in lineage["nodes"] if n["name"] == "ProcessWithPtychodus")
    rules_told = {late["rule"] for late in reader.record(step["id"])["late_links"]}
    assert rules_told == {"A [[file]] rule of the flow's conventions."}
    assert house.store.check() == []


def test_late_links_stand_beside_the_leaves_of_a_statement(
    town: Town,
    house: House,
    ada: Person,
    shared_flows: Path,
    tmp_path: Path,
    blind: pytest.MonkeyPatch,
) -> None:
    stand_in = STAND_INS["ptychodus-3step"]
    outcome = in_step_mode(stand_in.case, town, house, ada, shared_flows, tmp_path)
    reader, run_id = house.store.documents(), outcome.run["run_id"]
    final = newest(reader, stand_in.final or "", run_id)
    before = reader.statement(final["id"])
    apart = [step["name"] for step in before["predicate"]["evidence"]["unconnected"]]
    assert apart == ["TransferPtychodusInputData", "ProcessWithPtychodus"]
    blind.undo()
    harvest(
        house.store, given(outcome, stand_in.case.definition(shared_flows), town, house), who="carl"
    )

    old = verified(house.store, before)
    assert (old.altered, old.changed) == ((), ())
    after = reader.statement(final["id"])
    evidence = after["predicate"]["evidence"]
    assert evidence["unconnected"] == []
    late = {(link["role"], link["by"]) for link in evidence["late_links"]}
    assert late == {("used", "carl"), ("generated_by", "carl")}
    leaves = {leaf["id"]: leaf["leaf"] for leaf in evidence["leaves"]}
    for leaf in before["predicate"]["evidence"]["leaves"]:
        assert leaves[leaf["id"]] == leaf["leaf"]
    told = account(after)
    assert "by carl" in told
    assert "A path that a function of the run named." in " ".join(told.split())
    new = verified(house.store, after)
    assert (new.altered, new.changed) == ((), ())
    del evidence["late_links"][0]
    assert verified(house.store, after).altered
