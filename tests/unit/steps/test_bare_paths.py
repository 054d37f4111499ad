"""Bare paths in the arguments and results of functions are the files of their run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from flows.steps.receipt import Receipt
from provenance_store.batch import Batch
from provenance_store.enums import CARRIES, Role
from provenance_store.errors import InvalidInput
from tests.unit.steps.room import TRANSFER, Room

COMPUTE = "https://compute.actions.globus.org/v3"
MKDIR = "https://actions.globus.org/transfer/mkdir"
LS = "https://actions.globus.org/transfer/ls"
LAB, CLUSTER, E = "lab", "cluster", "e1"


def move(
    room: Room,
    source: str,
    target: str,
    name: str = "Move",
    run_id: str | None = None,
    **item: Any,
) -> Receipt:
    ends = [end.partition(":") for end in (source, target)]
    paths = {"source_path": ends[0][2], "destination_path": ends[1][2], **item}
    parameters = {
        "source_endpoint": ends[0][0],
        "destination_endpoint": ends[1][0],
        "DATA": [paths],
    }
    return room.record(
        name,
        run_id=run_id,
        step={"action_url": TRANSFER},
        parameters=parameters,
        result={"status": "SUCCEEDED", "details": {}},
    )


def call(
    room: Room,
    result: Any = None,
    name: str = "Fit",
    status: str = "SUCCEEDED",
    run_id: str | None = None,
    function: str = "f",
    collections: Sequence[str] = (),
    **arguments: Any,
) -> Receipt:
    task = {"function_id": function, "kwargs": arguments}
    return room.record(
        name,
        run_id=run_id,
        collections=[*collections],
        step={"action_url": COMPUTE},
        parameters={"endpoint_id": E, "tasks": [task]},
        result={"status": status, "details": {"result": [result]}},
    )


def folder(room: Room, path: str, url: str = MKDIR, run_id: str | None = None) -> Receipt:
    parameters = {"endpoint_id": CLUSTER, "path": path}
    return room.record(
        "Folder",
        run_id=run_id,
        step={"action_url": url},
        parameters=parameters,
        result={"status": "SUCCEEDED", "details": {}},
    )


def above(room: Room, *ids: int) -> set[int]:
    """All that these derive from, by links that carry invalidity."""
    links = [row for row in Batch.merged(room.sink.batches).link if row.role in CARRIES]
    found, waiting = set[int](), [*ids]
    while waiting:
        here = waiting.pop()
        reached = {row.to_id for row in links if row.from_id == here} - found
        found |= reached
        waiting += reached
    return found


def data_of(receipt: Receipt) -> set[int]:
    """The inputs of a Compute step without its function."""
    return set(receipt.inputs[1:])


def test_a_path_that_the_run_moved_is_that_file(room: Room) -> None:
    raw = move(room, "lab:/raw/1.h5", "cluster:/in/1.h5")
    fit = call(room, scan="/in/1.h5", unknown="/etc/fit.conf", ratio="1/2")
    assert data_of(fit) == set(raw.outputs)
    assert room.links(Role.USED) >= {(fit.step, raw.outputs[0])}
    assert raw.inputs[0] in above(room, fit.step)


@pytest.mark.parametrize(
    "path", ["/in/run/1.h5", "/in//run/./1.h5", "/in/run/", "/in/run", "/in/x/../run/deep/2.h5"]
)
def test_a_path_below_a_folder_that_the_run_moved_is_in_that_folder(room: Room, path: str) -> None:
    raw = move(room, "lab:/raw", "cluster:/in/run/", recursive=True)
    assert data_of(call(room, scan=path)) == set(raw.outputs)
    assert data_of(call(room, scan="/in/run-2/1.h5")) == set()


def test_the_copy_is_meant_and_not_its_source_where_both_have_the_path(room: Room) -> None:
    raw = move(room, "lab:/data/1.h5", "cluster:/data/1.h5")
    assert data_of(call(room, scan="/data/1.h5")) == set(raw.outputs)


def test_paths_of_other_runs_are_not_meant(room: Room) -> None:
    room.record(
        "Move",
        run_id="r2",
        step={"action_url": TRANSFER},
        parameters={
            "source_endpoint": LAB,
            "destination_endpoint": CLUSTER,
            "DATA": [{"source_path": "/a", "destination_path": "/in/1.h5"}],
        },
        result={"status": "SUCCEEDED", "details": {}},
    )
    assert data_of(call(room, scan="/in/1.h5")) == set()


def test_paths_in_the_line_of_a_command_are_found(room: Room) -> None:
    raw = move(room, "lab:/raw/1.h5", "cluster:/in/1.h5")
    fit = call(room, command="/usr/bin/fit --scan=/in/1.h5 -o '/out/x'")
    assert data_of(fit) == set(raw.outputs)


@pytest.mark.parametrize(("moved", "named"), [("~/in/1.h5", "~/in/1.h5"), ("in/1.h5", "in/1.h5")])
def test_paths_of_the_home_folder_are_found(room: Room, moved: str, named: str) -> None:
    raw = move(room, "lab:/raw/1.h5", f"cluster:{moved}")
    assert data_of(call(room, scan=named)) == set(raw.outputs)
    assert data_of(call(room, scan="/~/in/1.h5")) == set(raw.outputs)


def test_a_returned_path_that_is_moved_on_was_made_by_the_function(room: Room) -> None:
    raw = move(room, "lab:/raw/1.h5", "cluster:/in/1.h5")
    fit = call(room, {"peaks": "/out/peaks.csv"}, scan="/in/1.h5")
    out = move(room, "cluster:/out/peaks.csv", "lab:/results/peaks.csv")
    assert {fit.step, raw.step, raw.inputs[0]} <= above(room, *out.outputs)
    assert "returned this path" in room.tags(out.inputs[0])["assumed"]


def test_a_folder_that_a_function_was_told_to_write_to_is_of_its_making(room: Room) -> None:
    raw = move(room, "lab:/raw/1.h5", "cluster:/in/1.h5")
    fit = call(room, scan="/in/1.h5", output_dir="/out")
    for source in ("/out", "/out/deep/peaks.csv"):
        out = move(room, f"cluster:{source}", "lab:/results", recursive=True)
        assert {fit.step, raw.inputs[0]} <= above(room, *out.outputs)
        assert "was given this path" in room.tags(out.inputs[0])["assumed"]


def test_what_a_function_returns_below_a_moved_folder_is_recorded_at_once(room: Room) -> None:
    raw = move(room, "lab:/raw", "cluster:/work", recursive=True)
    fit = call(room, ["/work/out/peaks.csv"], scan="/work/1.h5")
    rows = {row.uri: row.record_id for row in room.last.uri}
    made = rows["globus://cluster/work/out/peaks.csv"]
    assert (made, fit.step) in room.links(Role.GENERATED_BY)
    assert made in fit.outputs
    again = call(room, name="Plot", peaks="/work/out/peaks.csv")
    assert data_of(again) == {made}
    whole = call(room, name="Pack", folder="/work")
    assert data_of(whole) == {raw.outputs[0], made}
    out = move(room, "cluster:/work/", "lab:/done", recursive=True)
    assert {made, fit.step, raw.inputs[0]} <= above(room, *out.outputs)


def test_paths_may_be_written_by_hand_as_inputs_and_outputs(room: Room) -> None:
    raw = move(room, "lab:/raw", "cluster:/work", recursive=True)
    fit = room.record("Fit", inputs=["/work/1.h5"], outputs=["/work/out/peaks.csv"])
    assert set(fit.inputs) == set(raw.outputs)
    rows = {row.uri: row.record_id for row in room.last.uri}
    made = rows["globus://cluster/work/out/peaks.csv"]
    assert made in fit.outputs
    out = move(room, "cluster:/work/out/peaks.csv", "lab:/peaks.csv")
    assert {made, fit.step, raw.inputs[0]} <= above(room, *out.outputs)


def test_a_path_written_by_hand_that_nothing_is_known_of_is_kept_with_the_step(room: Room) -> None:
    fit = room.record("Fit", inputs=["/nowhere/1.h5"], outputs=["~/out.csv"])
    assert (fit.inputs, fit.outputs) == ((), ())
    (paths,) = [row.document for row in room.last.payload if row.name == "paths"]
    assert [place["path"] for place in json.loads(paths)] == ["/nowhere/1.h5", "~/out.csv"]
    copied = move(room, "cluster:~/out.csv", "lab:/out.csv")
    assert fit.step in above(room, *copied.outputs)


def test_a_path_is_refused_where_only_what_is_recorded_can_stand(room: Room) -> None:
    for field, kind in (("depends_on", "data"), ("members", "dataset")):
        thing = {"name": "peaks", "kind": kind, field: ["/work/1.h5"]}
        with pytest.raises(InvalidInput, match="give its URI or id here") as refused:
            room.record("Fit", outputs=[thing])
        assert refused.value.path == f"outputs[0].{field}[0]"


def test_a_file_that_is_only_handed_on_does_not_derive_from_who_read_it(room: Room) -> None:
    raw = move(room, "lab:/raw/1.h5", "cluster:/in/1.h5")
    fit = call(room, "/in/1.h5", scan="/in/1.h5")
    out = move(room, "cluster:/in/1.h5", "archive:/1.h5")
    assert set(out.inputs) == set(raw.outputs)
    assert fit.step not in above(room, *out.outputs)
    assert len(fit.outputs) == 1


def test_a_moved_folder_that_a_function_was_given_is_moved_on_with_what_it_left(
    room: Room,
) -> None:
    raw = move(room, "lab:/raw", "cluster:/work", recursive=True)
    fit = call(room, folder="/work")
    out = move(room, "cluster:/work", "lab:/shared", recursive=True)
    assert {fit.step, raw.outputs[0], raw.inputs[0]} <= above(room, *out.outputs)
    assert out.inputs[0] not in raw.outputs


@pytest.mark.parametrize("url", [MKDIR, LS])
def test_functions_that_work_in_one_folder_build_on_one_another(room: Room, url: str) -> None:
    raw = move(room, "lab:/raw", "cluster:/raw/1", recursive=True)
    folder(room, "/fit", url)
    fit = call(room, data="/raw/1", out="/fit")
    convert = call(room, name="Convert", data="/fit", out="/converted")
    plot = call(room, name="Plot", data="/raw/1")
    out = move(room, "cluster:/converted", "lab:/done", recursive=True)
    assert {convert.step, fit.step, raw.inputs[0]} <= above(room, *out.outputs)
    assert fit.step not in above(room, plot.step)


def test_a_function_that_failed_left_nothing(room: Room) -> None:
    made = folder(room, "/fit")
    failed = call(room, "/fit/x", status="FAILED", out="/fit")
    assert failed.outputs == ()
    assert data_of(call(room, data="/fit")) == set(made.outputs)


def test_what_one_function_returns_and_the_next_is_given_is_one_file(room: Room) -> None:
    first = call(room, "/tmp/a.npz", name="Download", url="http://example.org/a")
    second = call(room, name="Unpack", data="/tmp/a.npz", into="/tmp/p")
    third = call(room, name="Again", data="/tmp/a.npz")
    assert first.step in above(room, second.step)
    assert data_of(second) == data_of(third)
    assert len(data_of(second)) == 1
    after = call(room, name="Corr", folder="/tmp/p")
    assert data_of(after) == set()
    assert room.links(Role.INFORMED_BY) == {(after.step, second.step)}


def test_paths_are_not_confused_with_those_of_another_endpoint(room: Room) -> None:
    call(room, "/tmp/a.npz", name="Download")
    other = room.record(
        "Elsewhere",
        step={"action_url": COMPUTE},
        parameters={"endpoint_id": "e2", "tasks": [{"function_id": "f", "args": ["/tmp/a.npz"]}]},
    )
    assert data_of(other) == set()


def test_what_is_assumed_is_said_with_the_step(room: Room) -> None:
    move(room, "lab:/raw/1.h5", "cluster:/in/1.h5")
    fit = call(room, scan="/in/1.h5")
    assert room.tags(fit.step)["assumed"] == (
        "The files of Compute endpoint e1 are taken for those of collection cluster: /in/1.h5."
    )
    (document,) = (row.document for row in room.last.payload if row.name == "paths")
    assert '"path":"/in/1.h5"' in document
    assert '"assumed":true' in document


def test_a_known_collection_and_its_root_are_not_assumed(room: Room) -> None:
    raw = move(room, "lab:/raw/1.h5", "cluster:/in/1.h5")
    where = {"collections": [f"{E.upper()}=Cluster:/eagle/lab"]}

    def fit(path: str, result: Any = None) -> Receipt:
        return room.record(
            "Fit",
            step={"action_url": COMPUTE},
            parameters={"endpoint_id": E, "tasks": [{"function_id": "f", "kwargs": {"p": path}}]},
            result={"status": "SUCCEEDED", "details": {"result": [result]}},
            **where,
        )

    found = fit("/eagle/lab/in/1.h5", "/eagle/lab/out/peaks.csv")
    assert data_of(found) == set(raw.outputs)
    assert "assumed" not in room.tags(found.step)
    assert "globus://cluster/out/peaks.csv" in {row.uri for row in room.last.uri}
    assert data_of(fit("/in/1.h5")) == set()
    assert data_of(fit("/eagle/laboratory/in/1.h5")) == set()
    out = move(room, "cluster:/out/peaks.csv", "lab:/peaks.csv")
    assert out.inputs[0] in found.outputs


def test_a_path_on_a_known_collection_is_found_in_other_runs(room: Room) -> None:
    flat = room.record("Calibrate", run_id="r0", outputs=["globus://cluster/cal/flat.h5"])
    fit = room.record(
        "Fit",
        step={"action_url": COMPUTE},
        parameters={"endpoint_id": E, "tasks": [{"function_id": "f", "args": ["/cal/flat.h5"]}]},
        collections=[f"{E}=cluster"],
    )
    assert data_of(fit) == set(flat.outputs)


RULES = [
    {
        "state": "Fit*",
        "how": "used",
        "uri": {"collection": CLUSTER, "path": "$.arguments.scan", "root": "/eagle"},
    },
    {
        "state": "Fit",
        "how": "made",
        "each": "$.returned.peaks",
        "uri": {"collection": CLUSTER, "path": "$.item"},
        "tags": {"what": "peaks"},
    },
    {"state": "Other", "how": "made", "uri": "globus://cluster/never"},
]


def test_rules_in_a_body_tell_of_files(room: Room) -> None:
    raw = move(room, "lab:/raw/1.h5", "cluster:/in/1.h5")
    fit = room.record(
        "Fit",
        step={"action_url": COMPUTE},
        parameters={
            "endpoint_id": E,
            "tasks": [{"function_id": "f", "kwargs": {"scan": "/eagle/in/1.h5"}}],
        },
        result={"status": "SUCCEEDED", "details": {"result": [{"peaks": ["/p/1", "/p/2"]}]}},
        files=RULES,
    )
    assert data_of(fit) == set(raw.outputs)
    rows = {row.uri for row in room.last.uri}
    assert {"globus://cluster/p/1", "globus://cluster/p/2"} <= rows
    assert "globus://cluster/never" not in rows
    assert [room.tags(made).get("what") for made in fit.outputs] == [None, "peaks", "peaks"]
    out = move(room, "cluster:/p/2", "lab:/p/2")
    assert fit.step in above(room, *out.outputs)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"state": "Fit", "uri": "$.nothing.here"}, "files[0].uri"),
        ({"state": "Fit", "how": "eaten", "uri": "globus://c/a"}, "files[0].how"),
        ({"state": "Fit", "place": "globus://c/a"}, "files[0]"),
        ({"state": "Fit"}, "files[0]"),
    ],
)
def test_what_is_no_rule_is_refused(room: Room, rule: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        room.record(files=[rule])
    assert (refused.value.path or "").startswith(path)


# ---- one run after the other in the same folders -----------------------------------------

ON_CLUSTER = (f"{E}={CLUSTER}",)
RETURNED = {"path": "/out/peaks.csv", "paths": ["/out/peaks.csv"], "nothing": None}


def beam_line(
    room: Room, run_id: str, raw: str, result: Any, collections: Sequence[str]
) -> tuple[int, int]:
    """A run that takes a file through fixed places: the ids of that file and of the last one."""
    first = move(room, f"lab:{raw}", "cluster:/in/scan.csv", "Bring", run_id)
    call(
        room,
        result,
        run_id=run_id,
        collections=collections,
        scan="/in/scan.csv",
        table="/calibration.h5",
        out="/out/peaks.csv",
    )
    last = move(room, "cluster:/out/peaks.csv", "archive:/results/peaks.csv", "Home", run_id)
    return first.inputs[0], last.outputs[0]


@pytest.mark.parametrize("collections", [(), ON_CLUSTER])
@pytest.mark.parametrize("result", RETURNED.values(), ids=RETURNED)
def test_runs_in_the_same_folders_do_not_derive_from_each_other(
    room: Room, result: Any, collections: Sequence[str]
) -> None:
    raws, lasts = zip(
        *(beam_line(room, f"run-{n}", f"/raw/{n}.csv", result, collections) for n in range(4)),
        strict=True,
    )
    for n, last in enumerate(lasts):
        assert above(room, last) & {*raws, *lasts} == {raws[n]}


def test_what_a_person_or_another_function_left_at_a_path_is_read_by_every_run(room: Room) -> None:
    (table,) = move(room, "lab:/c.h5", "cluster:/calibration.h5", run_id="made-once").outputs
    dark = call(
        room, "/dark.h5", run_id="dark", function="darks", collections=ON_CLUSTER, out="/dark.h5"
    )
    for n in range(3):
        _, last = beam_line(room, f"run-{n}", f"/raw/{n}.csv", "/out/peaks.csv", ON_CLUSTER)
        assert table in above(room, last)
    reads = call(room, run_id="after", collections=ON_CLUSTER, scan="/dark.h5")
    assert data_of(reads) == {dark.outputs[-1]}
