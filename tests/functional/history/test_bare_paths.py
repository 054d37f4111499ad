"""Real flows whose functions take and return bare paths: the final file derives from the scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.definition import Mode, Options, WholeState, instrument
from flows.harvest import RunLog, harvest
from flows.sandbox.runner import RunOutcome, run_definition
from provenance_store import DocumentReader, Store, open_store
from provenance_store.statement.page import account
from tests.functional.history.test_history_equals_log import REFUSED
from tests.functional.provider.house import House, Person, Town
from tests.support.corpus import CORPUS, MENDED, Case, mended
from tests.support.stand_ins import STAND_INS, StandIn, honest, prepare_stand_ins
from tests.support.statements import verified

BOTH_ENDS = [name for name, stand_in in STAND_INS.items() if stand_in.raw and stand_in.final]


def run_case(
    case: Case, town: Town, who: Person, flows: Path, folder: Path, url: str, options: Options
) -> RunOutcome:
    """A run of a definition with record states, or with one that asks for the harvest."""
    prepare_stand_ins(town.sandbox, folder)
    made = instrument(
        mended(case.name, flows), provider_url=url, provider_scope=town.scope, options=options
    )
    outcome = run_definition(
        made.definition, case.input, town.sandbox, user=who.identity, label=case.name, timeout=90
    )
    assert outcome.status == case.expected_status, outcome.run["details"]
    return outcome


def in_step_mode(
    case: Case, town: Town, house: House, who: Person, flows: Path, folder: Path
) -> RunOutcome:
    options = Options(on_whole_state=WholeState.ACCEPT)
    return run_case(case, town, who, flows, folder, f"{house.url}/record", options)


def newest(reader: DocumentReader, uri: str, run_id: str) -> dict[str, Any]:
    page = reader.records(uri=uri, run_id=run_id)
    assert page["records"], uri
    found: dict[str, Any] = page["records"][0]
    return found


def holds(store: Store, stand_in: StandIn, run_id: str) -> None:
    """The final file's lineage has the functions and the scan, and a bad scan reaches it."""
    reader = store.documents()
    assert stand_in.raw
    assert stand_in.final
    final, raw = (newest(reader, uri, run_id) for uri in (stand_in.final, stand_in.raw))
    up = {node["id"]: node["name"] for node in reader.lineage(final["id"])["nodes"]}
    assert set(stand_in.compute) <= set(up.values())
    assert raw["id"] in up
    store.invalidate(raw["id"], cause="the shutter was closed")
    assert reader.record(final["id"])["invalidated"]["root"] == raw["id"]
    store.restore(raw["id"], cause="it was not")
    assert store.check() == []


@pytest.mark.parametrize("name", BOTH_ENDS)
def test_record_states_tell_how_the_final_file_came_of_the_scan(
    name: str, town: Town, house: House, ada: Person, shared_flows: Path, tmp_path: Path
) -> None:
    stand_in = STAND_INS[name]
    outcome = in_step_mode(stand_in.case, town, house, ada, shared_flows, tmp_path)
    holds(house.store, stand_in, outcome.run["run_id"])


@pytest.mark.parametrize("name", BOTH_ENDS)
def test_a_harvest_tells_how_the_final_file_came_of_the_scan(
    name: str, town: Town, house: House, ada: Person, shared_flows: Path, tmp_path: Path
) -> None:
    stand_in = STAND_INS[name]
    prepare_stand_ins(town.sandbox, tmp_path)
    definition = stand_in.case.definition(shared_flows)
    outcome = run_definition(
        definition, stand_in.case.input, town.sandbox, user=ada.identity, timeout=90
    )
    assert outcome.status == "SUCCEEDED"
    told = harvest(house.store, RunLog(outcome.log, definition, outcome.run))
    assert told.notes == []
    holds(house.store, stand_in, outcome.run["run_id"])


def test_the_one_state_of_the_run_mode_tells_it_too(
    town: Town, house: House, ada: Person, shared_flows: Path, tmp_path: Path
) -> None:
    stand_in = STAND_INS["ptychodus-3step"]
    outcome = run_case(
        stand_in.case,
        town,
        ada,
        shared_flows,
        tmp_path,
        f"{house.url}/harvest",
        Options(mode=Mode.RUN),
    )
    holds(house.store, stand_in, outcome.run["run_id"])


@pytest.mark.parametrize("name", BOTH_ENDS)
def test_a_run_in_the_folders_of_the_one_before_rests_on_nothing_that_this_one_did(
    name: str, town: Town, house: House, ada: Person, shared_flows: Path, tmp_path: Path
) -> None:
    stand_in = STAND_INS[name]
    reader = house.store.documents()
    runs = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        outcome = in_step_mode(stand_in.case, town, house, ada, shared_flows, folder)
        runs.append(outcome.run["run_id"])
    final = newest(reader, stand_in.final or "", runs[1])
    above = {node["id"] for node in reader.lineage(final["id"])["nodes"]}
    steps = [{step["id"] for step in reader.run(run, limit=100)["steps"]} for run in runs]
    assert not above & steps[0]
    assert above & steps[1]


def compute_steps(store: Store, run_id: str) -> list[tuple[str, bool]]:
    """The Compute steps of a run, and whether data is known to have gone in."""
    reader = store.documents()
    steps = reader.run(run_id, limit=1000)["steps"] if reader.run_steps(run_id) else []
    return [
        (step["name"], any(each["kind"] == "data" for each in step["inputs"]))
        for step in steps
        if any(word in (step["action_url"] or "") for word in ("compute", "funcx"))
    ]


def test_how_many_functions_of_real_flows_are_known_to_have_had_data(
    town: Town,
    house: House,
    ada: Person,
    shared_flows: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = ["\nCompute steps with a data input   step mode   harvest"]
    sums = [0, 0, 0, 0]
    with open_store(f"sqlite:///{tmp_path / 'harvest.db'}") as harvested:
        for name in sorted(set(CORPUS) - (set(REFUSED) - set(MENDED))):
            case, folder = honest(name), tmp_path / name
            outcome = in_step_mode(case, town, house, ada, shared_flows, folder)
            run_id = outcome.run["run_id"]
            harvest(harvested, RunLog(outcome.log, mended(name, shared_flows), outcome.run))
            by_step, by_log = (compute_steps(s, run_id) for s in (house.store, harvested))
            counts = [
                sum(has for _, has in by_step),
                len(by_step),
                sum(has for _, has in by_log),
                len(by_log),
            ]
            sums = [a + b for a, b in zip(sums, counts, strict=True)]
            if by_step:
                table.append(f"{name:<34}{counts[0]}/{counts[1]:<12}{counts[2]}/{counts[3]}")
            for step in set(STAND_INS[name].compute if name in BOTH_ENDS else ()):
                assert (step, True) in by_step
                assert (step, True) in by_log
    table.append(f"{'all':<34}{sums[0]}/{sums[1]:<12}{sums[2]}/{sums[3]}")
    with capsys.disabled():
        print("\n".join(table))
    assert sums[0] >= 15
    assert sums[2] >= sums[0]


def test_a_statement_names_the_steps_of_its_run_that_are_not_connected(
    town: Town, house: House, ada: Person, shared_flows: Path, tmp_path: Path
) -> None:
    stand_in = STAND_INS["trig-transfer-compute-share"]
    outcome = in_step_mode(stand_in.case, town, house, ada, shared_flows, tmp_path)
    reader = house.store.documents()
    assert stand_in.final
    final = newest(reader, stand_in.final, outcome.run["run_id"])
    statement = reader.statement(final["id"])
    predicate = statement["predicate"]
    gaps = {gap["what"]: gap for gap in predicate["not_supported"]}
    apart = predicate["evidence"]["unconnected"]
    assert [step["name"] for step in apart] == ["ShareResultFiles"]
    assert gaps["unconnected_steps"]["records"] == [apart[0]["id"]]
    told = account(statement)
    assert "ShareResultFiles, status SUCCEEDED" in told
    assert "assumed" in gaps
    verdict = verified(house.store, statement)
    assert (verdict.altered, verdict.changed) == ((), ())
