"""Flows that work in the same folders run after run: no run derives from what another one left
there, and all of them derive from what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import pytest

from flows.steps.receipt import Receipt
from provenance_store.enums import Role
from tests.unit.steps.room import Room
from tests.unit.steps.test_bare_paths import (
    CLUSTER,
    COMPUTE,
    E,
    above,
    call,
    data_of,
    folder,
    move,
)

ON_CLUSTER = (f"{E}={CLUSTER}",)
KNOWN = pytest.mark.parametrize("collections", [(), ON_CLUSTER], ids=["assumed", "known"])
IN, OUT, CAL = "/in/scan.csv", "/out/peaks.csv", "/cal/flat.h5"


class Way(NamedTuple):
    """How a function is called, and what it returns."""

    arguments: dict[str, Any]
    result: Any = None
    home: str = OUT
    whole: bool = False
    handed_on: bool = False
    """Whether the function only read the file."""


WAYS = {
    "out, returned": Way({"path": IN, "out": OUT}, OUT),
    "out, not returned": Way({"path": IN, "out": OUT}),
    "a name that says nothing, returned": Way({"a": IN, "b": OUT}, [OUT]),
    "a name that says nothing": Way({"a": IN, "b": OUT}),
    "returned only": Way({"path": IN}, {"peaks": OUT}),
    "a folder": Way({"path": IN, "output_dir": "/out"}, "/out"),
    "a folder, moved whole": Way({"path": IN, "output_dir": "/out"}, None, "/out", True),
    "a folder of no such name, moved whole": Way({"path": IN, "place": "/out"}, None, "/out", True),
    "a command": Way({"command": f"fit --in={IN} > {OUT}"}),
    "a command that names it only": Way({"command": f"fit {IN} {OUT}"}),
    "handed on": Way({"path": IN}, IN, IN, handed_on=True),
    "in place, out": Way({"path": IN, "out": IN}, None, IN),
    "a list": Way({"paths": [IN, OUT]}, [OUT]),
    "an address": Way({"path": IN, "out": f"globus://{CLUSTER}{OUT}"}),
    "an address, returned": Way(
        {"path": IN, "b": f"globus://{CLUSTER}{OUT}"}, f"globus://{CLUSTER}{OUT}"
    ),
    "an address of a result": Way(
        {"path": IN, "b": OUT}, {"uri": f"globus://{CLUSTER}{OUT}", "size": 3}
    ),
}


TOLD_BY_FLOW = (
    "a name that says nothing",
    "a command that names it only",
    "a folder of no such name, moved whole",
)
"""What may be read as well as written: another function of the same state is known by the flow."""


class Ends(NamedTuple):
    raw: int
    last: int
    fit: int


def bring(room: Room, run: str, raw: str) -> Receipt:
    return move(room, f"lab:{raw}", f"cluster:{IN}", "Bring", run)


def home(room: Room, run: str, way: Way) -> Receipt:
    more = {"recursive": True} if way.whole else {}
    return move(room, f"cluster:{way.home}", "archive:/results/peaks.csv", "Home", run, **more)


def steps_of(
    room: Room, run: str, raw: str, way: Way, collections: Sequence[str], function: str = "f"
) -> Iterator[Receipt]:
    """The steps of one run, one after the other."""
    yield bring(room, run, raw)
    yield call(
        room, way.result, run_id=run, collections=collections, function=function, **way.arguments
    )
    yield home(room, run, way)


def ends(steps: Sequence[Receipt]) -> Ends:
    first, fit, last = steps[0], steps[1], steps[-1]
    return Ends(first.inputs[0], last.outputs[0], fit.step)


def are_apart(room: Room, runs: Sequence[Ends], way: Way) -> None:
    """Each last file derives from its own raw file, and from nothing of the other runs."""
    everything = {id_ for run in runs for id_ in run}
    for run in runs:
        own = {run.raw} if way.handed_on else {run.raw, run.fit}
        assert above(room, run.last) & everything == own


@KNOWN
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_runs_one_after_the_other_are_apart(
    room: Room, way: Way, collections: Sequence[str]
) -> None:
    runs = [
        ends([*steps_of(room, f"run-{n}", f"/raw/{n}.csv", way, collections)]) for n in range(3)
    ]
    are_apart(room, runs, way)


@KNOWN
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_runs_at_the_same_time_are_apart(room: Room, way: Way, collections: Sequence[str]) -> None:
    steps = [list[Receipt](), list[Receipt]()]
    both = [steps_of(room, f"run-{n}", f"/raw/{n}.csv", way, collections) for n in range(2)]
    for turn in (0, 1, 1, 0, 0, 1):
        steps[turn].append(next(both[turn]))
    are_apart(room, [ends(each) for each in steps], way)


@pytest.mark.parametrize(
    ("name", "collections"),
    # On a collection that is known only the flow tells these apart, which these steps do not name.
    [(n, c) for n in WAYS for c in ((), ON_CLUSTER) if not (c and n in TOLD_BY_FLOW)],
)
def test_a_function_that_is_registered_anew_changes_nothing(
    room: Room, name: str, collections: Sequence[str]
) -> None:
    way = WAYS[name]
    runs = [
        ends([*steps_of(room, f"run-{n}", f"/raw/{n}.csv", way, collections, f"f{n}")])
        for n in range(3)
    ]
    are_apart(room, runs, way)


@KNOWN
@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if not way.whole])
def test_visits_of_one_run_are_apart(room: Room, name: str, collections: Sequence[str]) -> None:
    """A loop over several raw files, all in the same places; but in a folder that is moved whole
    what earlier visits left may be there still."""
    way = WAYS[name]
    visits = [ends([*steps_of(room, "loop", f"/raw/{n}.csv", way, collections)]) for n in range(3)]
    are_apart(room, visits, way)


@KNOWN
@pytest.mark.parametrize("result", [OUT, None])
@pytest.mark.parametrize("names", [("out", "data"), ("b", "data"), ("b", "b")])
def test_chains_of_functions_are_apart(
    room: Room, names: tuple[str, str], result: Any, collections: Sequence[str]
) -> None:
    runs = []
    for n in range(3):
        run = f"run-{n}"
        raw = bring(room, run, f"/raw/{n}.csv")
        how: dict[str, Any] = {"run_id": run, "collections": collections}
        fit = call(room, result, **how, path=IN, **{names[0]: OUT})
        plot = call(room, **how, name="Plot", function="g", **{names[1]: OUT}, out="/plots/1.png")
        last = move(room, "cluster:/plots/1.png", "archive:/plots/1.png", "Home", run)
        runs.append((raw.inputs[0], fit.step, plot.step, last.outputs[0]))
    everything = {id_ for run in runs for id_ in run}
    known = result is not None or names[0] == "out"
    for raw_id, fit_id, plot_id, last_id in runs:
        found = above(room, last_id) & everything
        assert found == ({raw_id, fit_id, plot_id} if known else {plot_id})


def by_a_person(room: Room) -> int:
    return room.record("Calibrate", run_id="shift", outputs=[f"globus://{CLUSTER}{CAL}"]).outputs[0]


def by_a_transfer(room: Room) -> int:
    return move(room, f"lab:{CAL}", f"cluster:{CAL}", run_id="setup").outputs[0]


def by_a_function(room: Room) -> int:
    made = call(room, CAL, "Flat", run_id="flat", function="flats", collections=ON_CLUSTER, out=CAL)
    return made.outputs[-1]


def by_one_that_read_it(room: Room) -> int:
    return move(room, f"cluster:{CAL}", f"archive:{CAL}", run_id="backup").inputs[0]


LEFT = (by_a_person, by_a_transfer, by_one_that_read_it)


@pytest.mark.parametrize(
    ("left", "result"),
    [
        *((left, result) for left in LEFT for result in (OUT, [OUT, CAL], None)),
        # One that returns the path of what another function left is said to write it.
        *((by_a_function, result) for result in (OUT, None)),
    ],
)
def test_what_all_runs_read_is_reached_by_all(
    room: Room, left: Callable[[Room], int], result: Any
) -> None:
    table = left(room)
    runs = []
    for n in range(3):
        run, how = f"run-{n}", {"run_id": f"run-{n}", "collections": ON_CLUSTER}
        raw = bring(room, run, f"/raw/{n}.csv")
        fit = call(room, result, **how, path=IN, table=CAL, out=OUT)  # type: ignore[arg-type]
        plot = call(room, name="Plot", function="g", **how, a=OUT, table=CAL)  # type: ignore[arg-type]
        kept = move(room, f"cluster:{CAL}", f"archive:/{n}.h5", "Keep", run)
        last = move(room, f"cluster:{OUT}", f"archive:/{n}.csv", "Home", run)
        assert table in data_of(fit)
        assert table in data_of(plot)
        assert kept.inputs == (table,)
        runs.append(Ends(raw.inputs[0], last.outputs[0], fit.step))
        assert table in above(room, last.outputs[0])
    are_apart(room, runs, WAYS["out, returned"])


def test_a_file_that_was_read_of_another_run_is_no_work_of_the_function_that_read_it(
    room: Room,
) -> None:
    """Also where the collection of the endpoint is not known."""
    table = by_a_transfer(room)
    call(room, run_id="r", table=CAL, path=IN)
    kept = move(room, f"cluster:{CAL}", "archive:/1.h5", "Keep", "r")
    assert kept.inputs == (table,)


def test_what_a_flow_leaves_for_its_next_run_is_read_by_another_state(room: Room) -> None:
    """Weights that one state trains are what another state of the next run infers with."""
    before: set[int] = set()
    for n in range(3):
        how: dict[str, Any] = {"run_id": f"run-{n}", "collections": ON_CLUSTER}
        infer = call(room, name="Infer", function="infer", **how, model="/w.pt")
        assert data_of(infer) == before
        train = call(room, "/w.pt", "Train", function="train", **how, data="/d", out="/w.pt")
        before = {train.outputs[-1]}


@KNOWN
def test_inputs_that_are_listed_by_hand_are_of_the_run_that_wrote_there(
    room: Room, collections: Sequence[str]
) -> None:
    listed = [
        [f"globus://{CLUSTER}{OUT}"],
        [{"name": "peaks", "uri": f"globus://{CLUSTER}{OUT}"}],
        [OUT],
    ]
    for inputs in listed:
        runs = []
        for n in range(3):
            run = f"run-{n}-{listed.index(inputs)}"
            raw = bring(room, run, f"/raw/{run}.csv")
            fit = call(room, OUT, run_id=run, collections=collections, path=IN, out=OUT)
            used = room.record("Plot", run_id=run, inputs=inputs, parameters={"endpoint": E})
            runs.append(Ends(raw.inputs[0], used.step, fit.step))
        are_apart(room, runs, WAYS["out, returned"])


def test_rules_that_tell_what_a_step_read_mean_what_the_run_left_there(room: Room) -> None:
    rule = {"state": "Plot", "how": "used", "uri": f"globus://{CLUSTER}{OUT}"}
    runs = []
    for n in range(3):
        run = f"run-{n}"
        raw = bring(room, run, f"/raw/{n}.csv")
        fit = call(room, OUT, run_id=run, path=IN, out=OUT)
        plot = room.record("Plot", run_id=run, step={"action_url": COMPUTE}, files=[rule])
        runs.append(Ends(raw.inputs[0], plot.step, fit.step))
    are_apart(room, runs, WAYS["out, returned"])


def test_a_listed_folder_is_not_what_another_run_left_in_it(room: Room) -> None:
    runs = []
    for n in range(3):
        run = f"run-{n}"
        how: dict[str, Any] = {"run_id": run, "collections": ON_CLUSTER}
        raw = bring(room, run, f"/raw/{n}.csv")
        folder(room, "/out", "https://actions.globus.org/transfer/ls", run)
        fit = call(room, **how, path=IN, place="/out")
        plot = call(room, name="Plot", function="g", **how, data="/out", out="/plots/1.png")
        last = move(room, "cluster:/plots/1.png", "archive:/plots/1.png", "Home", run)
        assert plot.step in above(room, last.outputs[0])
        runs.append((raw.inputs[0], fit.step, last.outputs[0]))
    everything = {id_ for run in runs for id_ in run}
    for raw_id, fit_id, last_id in runs:
        assert above(room, last_id) & everything <= {raw_id, fit_id}


def order_of(turns: Sequence[int]) -> str:
    return "".join(map(str, turns))


@KNOWN
@pytest.mark.parametrize("turns", sorted(set(permutations((0, 0, 0, 1, 1, 1)))), ids=order_of)
def test_whatever_the_order_of_two_runs_they_are_apart(
    room: Room, turns: Sequence[int], collections: Sequence[str]
) -> None:
    for name, way in WAYS.items():
        both = [
            steps_of(room, f"{name} {n}", f"/raw/{name}/{n}", way, collections) for n in range(2)
        ]
        steps = [list[Receipt](), list[Receipt]()]
        for turn in turns:
            steps[turn].append(next(both[turn]))
        are_apart(room, [ends(each) for each in steps], way)


# ---- other bytes at the same place -------------------------------------------------------


def measured(room: Room, run: str, size: int | None, **details: Any) -> Receipt:
    """A transfer that says how many bytes it moved."""
    done = {"files": 1, "files_transferred": 1, "bytes_transferred": size, **details}
    return room.record(
        "Bring",
        run_id=run,
        step={"action_url": "https://transfer.actions.globus.org/transfer"},
        parameters={
            "source_endpoint": "lab",
            "destination_endpoint": CLUSTER,
            "DATA": [{"source_path": "/raw.csv", "destination_path": IN}],
        },
        result={"status": "SUCCEEDED", "details": done},
    )


def test_a_file_of_another_size_is_another_thing(room: Room) -> None:
    (first,) = measured(room, "r1", 6).inputs
    assert measured(room, "r2", 6).inputs == (first,)
    assert measured(room, "r3", None).inputs == (first,)
    again = measured(room, "r4", 12)
    assert first not in above(room, *again.outputs)
    assert room.tags(again.inputs[0])["differs_from"] == room.urn(first)
    assert measured(room, "r5", 12).inputs == again.inputs
    assert measured(room, "r6", 24, faults=2).inputs == again.inputs


RAW = "globus://lab/raw.csv"


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        ({"size": 6}, {"size": 6}, True),
        ({"size": 6}, {"size": 12}, False),
        ({"size": 6}, {}, True),
        ({}, {"size": 12}, True),
        ({"digest": "sha256:0f"}, {"digest": "SHA256:0F"}, True),
        ({"digest": "sha256:0f"}, {"digest": "sha256:1f"}, False),
        ({"digest": "sha256:0f"}, {"digest": "md5:1f"}, True),
        ({"size": 6, "digest": "sha256:0f"}, {"size": 6, "digest": "sha256:1f"}, False),
    ],
)
def test_an_input_with_other_bytes_does_not_derive_from_what_was_there(
    room: Room, then: dict[str, Any], now: dict[str, Any], same: bool
) -> None:
    (first,) = room.record("A", run_id="r1", inputs=[{"name": "raw", "uri": RAW, **then}]).inputs
    (second,) = room.record("B", run_id="r2", inputs=[{"name": "raw", "uri": RAW, **now}]).inputs
    assert room.links(Role.DERIVED_FROM) == ({(second, first)} if same else set())
    assert room.tags(second) == ({} if same else {"differs_from": room.urn(first)})


def test_a_model_with_other_weights_is_not_the_version_that_was_there(room: Room) -> None:
    entry = {"name": "net", "uri": "globus://lab/net.pt"}
    made = room.record("T", models=[{**entry, "how": "trained", "digest": "sha256:0f"}]).models
    old = room.record("U", run_id="r2", models=[{**entry, "digest": "sha256:0f"}]).models
    assert [head.id for head in old] == [head.id for head in made]
    room.record("V", run_id="r3", models=[{**entry, "name": "other", "digest": "sha256:1f"}])
    assert room.links(Role.DERIVED_FROM) == set()


def test_a_function_that_was_given_a_file_with_other_bytes_since_has_made_them(room: Room) -> None:
    raw = measured(room, "r", 6)
    fit = call(room, run_id="r", path=IN)
    done = {"files": 1, "files_transferred": 1, "bytes_transferred": 9}
    last = room.record(
        "Home",
        run_id="r",
        step={"action_url": "https://transfer.actions.globus.org/transfer"},
        parameters={
            "source_endpoint": CLUSTER,
            "destination_endpoint": "archive",
            "DATA": [{"source_path": IN, "destination_path": "/1"}],
        },
        result={"status": "SUCCEEDED", "details": done},
    )
    assert {fit.step, raw.outputs[0]} <= above(room, *last.outputs)
