"""A flow that works in the same folders run after run, in the sandbox: whichever way its runs are
recorded, the result of one derives from its own raw file and from nothing of another run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flows.definition import Mode, Options, instrument
from flows.harvest import Harvested, RunLog, harvest, read_conventions
from flows.sandbox.runner import RunOutcome, run_definition
from provenance_store import DocumentReader
from provenance_store.values import Audience
from tests.functional.provider.house import House, Person, Town
from tests.support.corpus import BEAMLINE, CLUSTER, ENDPOINT, prepare

FIT = "0b000000-0000-4000-8000-000000000021"
IN, OUT, CAL = "/in/scan.csv", "/out/peaks.csv", "/cal/flat.csv"
SOURCE = """
def fit(path="/in/scan.csv", out="/out/peaks.csv", table=None, tells=False, fails=False):
    import pathlib
    root = pathlib.Path({root!r})
    text = (root / path.lstrip("/")).read_text()
    if fails:
        raise ValueError("no peaks")
    (root / out.lstrip("/")).parent.mkdir(exist_ok=True)
    (root / out.lstrip("/")).write_text(text + "peaks")
    return out if tells else None
"""
TOLD = {"path": IN, "out": OUT, "tells": True}
NOT_TOLD = {"path": IN, "out": OUT}
UNNAMED: dict[str, Any] = {"path": IN}
MAP = f"{ENDPOINT}={CLUSTER}"


def transfer(source: str, path: str, target: str, to: str, **more: Any) -> dict[str, Any]:
    item = {
        ("source_path.$" if path.startswith("$") else "source_path"): path,
        "destination_path": to,
    }
    parameters = {"source_endpoint": source, "destination_endpoint": target, "DATA": [item]}
    url = "https://transfer.actions.globus.org/transfer"
    return {"Type": "Action", "ActionUrl": url, "Parameters": parameters, "WaitTime": 60, **more}


def definition(arguments: dict[str, Any]) -> dict[str, Any]:
    """Bring, Fit, Home: all but the raw file has the same place in all runs."""
    tasks = [{"function_id": FIT, "kwargs": arguments}]
    compute = {
        "Type": "Action",
        "ActionUrl": "https://compute.actions.globus.org/v3",
        "Parameters": {"endpoint": ENDPOINT, "tasks": tasks},
        "ResultPath": "$.Fit",
        "WaitTime": 60,
        "Next": "Home",
    }
    bring = transfer(BEAMLINE, "$.raw", CLUSTER, IN, ResultPath="$.Bring", Next="Fit")
    home = transfer(CLUSTER, OUT, BEAMLINE, "/results/peaks.csv", ResultPath="$.Home", End=True)
    return {"StartAt": "Bring", "States": {"Bring": bring, "Fit": compute, "Home": home}}


class Bench(NamedTuple):
    """Where flows are run."""

    town: Town
    house: House
    who: Person
    folder: Path

    def write(self, raw: str, text: str) -> None:
        place = self.folder / "beamline" / raw.lstrip("/")
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)

    def run(self, flow: dict[str, Any], raw: str) -> RunOutcome:
        return run_definition(
            flow, {"raw": raw}, self.town.sandbox, user=self.who.identity, timeout=90
        )

    def instrumented(self, flow: dict[str, Any], options: Options = Options()) -> dict[str, Any]:  # noqa: B008
        url = f"{self.house.url}/{'harvest' if options.mode is Mode.RUN else 'record'}"
        scope = self.town.scope
        return dict(
            instrument(flow, provider_url=url, provider_scope=scope, options=options).definition
        )

    def harvest(self, outcome: RunOutcome, flow: dict[str, Any], **how: Any) -> Harvested:
        told = harvest(self.house.store, RunLog(outcome.log, flow, outcome.run), **how)
        assert told.notes == []
        return told

    @property
    def reader(self) -> DocumentReader:
        return self.house.store.documents()


@pytest.fixture
def bench(town: Town, house: House, ada: Person, tmp_path: Path) -> Bench:
    prepare(town.sandbox, tmp_path)
    source = SOURCE.format(root=str(tmp_path / "cluster"))
    town.sandbox.register_function(source, function_id=FIT)
    found = Bench(town, house, ada, tmp_path)
    for n in range(3):
        found.write(f"/raw/{n}.csv", "x" * (n + 1))
    return found


def newest(reader: DocumentReader, uri: str, run_id: str) -> str:
    page = reader.records(uri=uri, run_id=run_id)["records"]
    assert page, uri
    return str(page[0]["id"])


def above(reader: DocumentReader, record_id: str) -> set[str]:
    return {node["id"] for node in reader.lineage(record_id, direction="up")["nodes"]}


def are_apart(bench: Bench, runs: list[str], *, fit: bool = True) -> None:
    """Each result derives from its run's raw file, and of the steps from those of its run only."""
    reader = bench.reader
    raws = [newest(reader, f"globus://{BEAMLINE}/raw/{n}.csv", run) for n, run in enumerate(runs)]
    assert len({*raws}) == len(runs)
    steps = [{step["name"]: step["id"] for step in reader.run(run)["steps"]} for run in runs]
    every = {step for of_run in steps for step in of_run.values()}
    for n, run in enumerate(runs):
        final = newest(reader, f"globus://{BEAMLINE}/results/peaks.csv", run)
        found = above(reader, final)
        own = set(steps[n].values())
        assert found & every == own if fit else steps[n]["Home"] in found & every <= own
        assert found & {*raws} == {raws[n]} if fit else found & {*raws} <= {raws[n]}
    assert bench.house.store.check() == []


def by_record_states(bench: Bench, flow: dict[str, Any]) -> list[str]:
    made = bench.instrumented(flow)
    return [bench.run(made, f"/raw/{n}.csv").run["run_id"] for n in range(3)]


def by_record_states_with_a_map(bench: Bench, flow: dict[str, Any]) -> list[str]:
    made = bench.instrumented(flow, Options(collections=(MAP,)))
    return [bench.run(made, f"/raw/{n}.csv").run["run_id"] for n in range(3)]


def by_one_state(bench: Bench, flow: dict[str, Any]) -> list[str]:
    made = bench.instrumented(flow, Options(mode=Mode.RUN))
    return [bench.run(made, f"/raw/{n}.csv").run["run_id"] for n in range(3)]


def by_harvests(bench: Bench, flow: dict[str, Any]) -> list[str]:
    outcomes = [bench.run(flow, f"/raw/{n}.csv") for n in range(3)]
    for outcome in outcomes:
        bench.harvest(outcome, flow)
    return [outcome.run["run_id"] for outcome in outcomes]


def by_harvests_backwards(bench: Bench, flow: dict[str, Any]) -> list[str]:
    outcomes = [bench.run(flow, f"/raw/{n}.csv") for n in range(3)]
    for outcome in reversed(outcomes):
        bench.harvest(outcome, flow)
    return [outcome.run["run_id"] for outcome in outcomes]


def by_record_states_and_harvests(bench: Bench, flow: dict[str, Any]) -> list[str]:
    made = bench.instrumented(flow)
    outcomes = [bench.run(made, f"/raw/{n}.csv") for n in range(3)]
    for outcome in outcomes:
        bench.harvest(outcome, made)
    return [outcome.run["run_id"] for outcome in outcomes]


WAYS = (
    by_record_states,
    by_record_states_with_a_map,
    by_one_state,
    by_harvests,
    by_harvests_backwards,
    by_record_states_and_harvests,
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("arguments", [TOLD, NOT_TOLD], ids=["returned", "not returned"])
def test_runs_are_apart(
    bench: Bench, way: Callable[[Bench, dict[str, Any]], list[str]], arguments: dict[str, Any]
) -> None:
    are_apart(bench, way(bench, definition(arguments)))


@pytest.mark.parametrize("way", WAYS)
def test_runs_of_a_function_that_names_no_place_are_apart(
    bench: Bench, way: Callable[[Bench, dict[str, Any]], list[str]]
) -> None:
    are_apart(bench, way(bench, definition(UNNAMED)), fit=False)


@pytest.mark.parametrize("way", [by_record_states_with_a_map, by_record_states])
def test_a_calibration_is_reached_by_all_runs_that_read_it(
    bench: Bench, way: Callable[[Bench, dict[str, Any]], list[str]]
) -> None:
    store = bench.house.store
    uri = f"globus://{CLUSTER}{CAL}"
    flat = store.recorder(audience=Audience(bench.who.urn)).data("flat", uris=[uri])
    urn = store.sink.urn(flat.id)
    store.invalidate(urn, cause="dark current")
    runs = way(bench, definition({**TOLD, "table": CAL}))
    reader = bench.house.store.documents()
    finals = [newest(reader, f"globus://{BEAMLINE}/results/peaks.csv", run) for run in runs]
    reached = way is by_record_states_with_a_map  # else nothing says where the file is
    assert [urn in above(reader, final) for final in finals] == [reached] * 3
    are_apart(bench, runs)


RULES = f"""
[[file]]
state = "Fit"
how = "made"
uri = "globus://{CLUSTER}{OUT}"
"""


@pytest.mark.parametrize("first", [0, 1])
def test_a_rule_that_comes_later_tells_of_one_run_only(bench: Bench, first: int) -> None:
    """The places that no function names are known by the rule of a harvest, of whichever run."""
    flow = definition(UNNAMED)
    made = bench.instrumented(flow)
    rules = bench.folder / "rules.toml"
    rules.write_text(RULES)
    outcomes = [bench.run(made, f"/raw/{n}.csv") for n in range(2)]
    runs = [outcome.run["run_id"] for outcome in outcomes]
    conventions = read_conventions(rules)
    for n in (first, 1 - first):
        assert bench.harvest(outcomes[n], made, conventions=conventions).linked
        raws = [newest(bench.reader, f"globus://{BEAMLINE}/raw/{k}.csv", runs[k]) for k in range(2)]
        for k in range(2):
            final = newest(bench.reader, f"globus://{BEAMLINE}/results/peaks.csv", runs[k])
            assert above(bench.reader, final) & {*raws} <= {raws[k]}
    are_apart(bench, runs)
    for n in range(2):
        again = bench.harvest(outcomes[n], made, conventions=conventions)
        assert (again.linked, again.completed) == (0, 0)


def test_a_run_after_a_rule_told_of_another_one_is_apart(bench: Bench) -> None:
    flow = definition(UNNAMED)
    made = bench.instrumented(flow)
    rules = bench.folder / "rules.toml"
    rules.write_text(RULES)
    runs = []
    for n in range(3):
        outcome = bench.run(made, f"/raw/{n}.csv")
        runs.append(outcome.run["run_id"])
        raw = newest(bench.reader, f"globus://{BEAMLINE}/raw/0.csv", runs[0])
        final = newest(bench.reader, f"globus://{BEAMLINE}/results/peaks.csv", runs[n])
        assert raw not in above(bench.reader, final)
        bench.harvest(outcome, made, conventions=read_conventions(rules))
    are_apart(bench, runs)


@pytest.mark.parametrize("way", [by_record_states, by_harvests])
def test_a_raw_file_that_is_measured_again_is_another_thing(
    bench: Bench, way: Callable[[Bench, dict[str, Any]], list[str]]
) -> None:
    flow = definition(TOLD)
    uri = f"globus://{BEAMLINE}/raw/0.csv"
    first = way(bench, flow)[0]
    old = newest(bench.reader, uri, first)
    bench.house.store.invalidate(old, cause="beam tripped")
    bench.write("/raw/0.csv", "measured again")
    run = way(bench, flow)[0]
    new = newest(bench.reader, uri, run)
    final = newest(bench.reader, f"globus://{BEAMLINE}/results/peaks.csv", run)
    assert bench.reader.record(new)["tags"] == {"differs_from": old}
    assert above(bench.reader, final) & {old, new} == {new}
    assert "invalidated" not in bench.reader.record(final)


def test_a_raw_file_that_is_the_same_is_the_same_thing(bench: Bench) -> None:
    made = bench.instrumented(definition(TOLD))
    for _ in range(3):
        bench.run(made, "/raw/0.csv")
    assert len(bench.reader.records(uri=f"globus://{BEAMLINE}/raw/0.csv")["records"]) == 1


@pytest.mark.parametrize("name", ["Fit", "Bring"])
def test_a_step_that_failed_keeps_its_inputs_where_it_is_caught(bench: Bench, name: str) -> None:
    flow = definition({**TOLD, "fails": True})
    end = {"Type": "Pass", "End": True}
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.Error", "Next": "Stop"}]
    flow["States"] = {**flow["States"], "Stop": end}
    flow["States"][name] = {**flow["States"][name], "Catch": catch}
    raw = "/raw/none.csv" if name == "Bring" else "/raw/0.csv"
    outcome = bench.run(bench.instrumented(flow), raw)
    steps = {step["name"]: step for step in bench.reader.run(outcome.run["run_id"])["steps"]}
    assert steps[name]["status"] == "FAILED"
    used = [end["name"] for end in steps[name]["inputs"] if end["kind"] == "data"]
    assert used == ["none.csv" if name == "Bring" else "scan.csv"]
    assert steps[name]["outputs"] == []


@pytest.mark.parametrize("name", ["Fit", "Bring"])
def test_a_step_that_failed_uncaught_has_its_inputs_at_once(bench: Bench, name: str) -> None:
    flow = definition({**TOLD, "fails": name == "Fit"})
    raw = "/raw/none.csv" if name == "Bring" else "/raw/0.csv"
    made = bench.instrumented(flow)
    outcome = bench.run(made, raw)
    assert outcome.status == "FAILED"
    run_id = outcome.run["run_id"]
    said = bench.reader.run(run_id)
    step = said["steps"][-1]
    assert (step["name"], step["status"], said["status"]) == (name, "FAILED", "FAILED")
    used = [end for end in step["inputs"] if end["kind"] == "data"]
    assert [end["name"] for end in used] == ["none.csv" if name == "Bring" else "scan.csv"]
    below = bench.reader.lineage(used[0]["id"], direction="down")
    assert step["id"] in {node["id"] for node in below["nodes"]}
    told = bench.harvest(outcome, made)
    again = bench.reader.run(run_id)["steps"]
    assert (len(again), again[-1]) == (len(said["steps"]), step)
    assert told.added == 0
