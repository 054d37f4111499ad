"""What recording a step writes of its inputs and outputs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from flows.steps import MemoryLookup, read_body, record_step
from flows.steps.receipt import MAX_RECEIPT_BYTES
from provenance_store.enums import Kind, Role
from provenance_store.errors import InvalidInput
from provenance_store.recording.recorder import Recorder
from provenance_store.sink import MemorySink
from tests.unit.steps.room import TRANSFER, Room, status, transfer
from tests.unit.steps.test_adapters import SOUND, URLS

# ---- inputs and outputs ---------------------------------------------------------------


def test_inputs_are_used_and_outputs_are_generated(room: Room) -> None:
    receipt = room.record(
        inputs=["file:///a/scan.h5", {"name": "lattice", "kind": "fact", "tags": {"a": 1}}],
        outputs=[{"name": "plot"}, "file:///b/fit.csv"],
    )
    step = receipt.step
    assert room.links(Role.USED) == {(step, i) for i in receipt.inputs}
    assert room.links(Role.GENERATED_BY) == {(o, step) for o in receipt.outputs}
    names = {row.id: (row.name, Kind(row.kind)) for row in room.last.record}
    assert [names[i] for i in receipt.inputs] == [("scan.h5", Kind.DATA), ("lattice", Kind.FACT)]
    assert [names[o][0] for o in receipt.outputs] == ["plot", "fit.csv"]


def test_the_same_uri_is_the_same_record_as_an_input_and_a_new_one_as_an_output(
    room: Room,
) -> None:
    first = room.record(inputs=["file:///a", "file:///a", {"uri": "file:///a"}])
    second = room.record(inputs=["file:///a"], outputs=["file:///a"])
    third = room.record(inputs=["file:///a"])
    assert first.inputs == second.inputs
    assert len(first.inputs) == 1
    assert third.inputs == second.outputs != second.inputs


def test_the_record_of_the_same_run_comes_first(room: Room) -> None:
    mine = room.record(outputs=["file:///a"]).outputs
    room.record(run_id="r2", outputs=["file:///a"])
    assert room.record(inputs=["file:///a"]).inputs == mine


def test_a_defined_input_derives_from_what_is_known_at_its_uri(room: Room) -> None:
    (made,) = room.record(outputs=["file:///a"]).outputs
    (used,) = room.record(inputs=[{"name": "mine", "uri": "file:///a"}]).inputs
    assert room.links(Role.DERIVED_FROM) == {(used, made)}


def test_a_digest_without_a_uri_names_the_bytes(room: Room) -> None:
    room.record(outputs=[{"name": "x", "digest": "sha256:0F", "size": 3}])
    (row,) = room.last.uri
    assert (row.uri, row.size, row.digest) == ("hash://sha256/0f", 3, "sha256:0f")


def test_size_and_digest_of_the_whole_hold_for_each_uri(room: Room) -> None:
    uris = ["file:///a", {"uri": "file:///b", "size": 4, "media_type": "text/csv"}]
    room.record(outputs=[{"name": "x", "uris": uris, "digest": "sha256:0f", "size": 3}])
    assert {(row.uri, row.size, row.digest, row.media_type) for row in room.last.uri} == {
        ("file:///a", 3, "sha256:0f", None),
        ("file:///b", 4, "sha256:0f", "text/csv"),
    }


def test_a_definition_depends_on_what_it_names(room: Room) -> None:
    (source,) = room.record(outputs=["file:///a"]).outputs
    receipt = room.record(outputs=[{"name": "x", "depends_on": [room.urn(source)]}])
    assert room.links(Role.DERIVED_FROM) == {(receipt.outputs[0], source)}


def test_a_dataset_that_is_used_has_members(room: Room) -> None:
    before = room.record(outputs=["file:///datum", {"name": "analysis"}])
    members = [status(before), {"name": "label", "uri": "file:///datum"}, "file:///new"]
    receipt = room.record(inputs=[{"name": "pair", "kind": "dataset", "members": members}])
    (pair,) = receipt.inputs
    label, new, made = (row.id for row in room.last.record[:3])
    assert made == pair
    assert room.links(Role.HAS_MEMBER) == {(pair, i) for i in (*before.outputs, label, new)}
    assert room.links(Role.DERIVED_FROM) == {(label, before.outputs[0])}
    assert room.links(Role.USED) == {(receipt.step, pair)}


def test_members_defined_in_an_output_are_outputs_too(room: Room) -> None:
    known = room.record(outputs=["file:///a"]).outputs[0]
    inner = {"name": "tiles", "kind": "dataset", "members": [{"name": "t", "uri": "file:///a"}]}
    outer = {"name": "all", "kind": "dataset", "members": [inner, room.urn(known)]}
    receipt = room.record(outputs=[outer, {"name": "log"}])
    everything, tiles, tile, log = receipt.outputs
    assert room.links(Role.HAS_MEMBER) == {(everything, tiles), (everything, known), (tiles, tile)}
    assert room.links(Role.GENERATED_BY) == {(i, receipt.step) for i in receipt.outputs}
    assert room.links(Role.DERIVED_FROM) == set()
    kinds = {row.id: row.kind for row in room.last.record}
    assert [kinds[i] for i in (everything, tiles, tile, log)] == [
        *(Kind.DATASET, Kind.DATASET),
        *(Kind.DATA, Kind.DATA),
    ]


def test_an_output_that_refers_derives_from_what_it_refers_to(room: Room) -> None:
    (source,) = room.record(outputs=["file:///a"]).outputs
    receipt = room.record("Fit", outputs=[room.urn(source)])
    assert receipt.outputs[0] != source
    assert room.links(Role.DERIVED_FROM) == {(receipt.outputs[0], source)}
    assert "Fit output 1" in [row.name for row in room.last.record]


def test_an_unknown_reference_is_refused_with_its_path() -> None:
    lookup = MemoryLookup()
    recorder = Recorder(MemorySink(), environment=None)
    urn = "urn:braid:41576239-95c8-4b98-94ee-ef7bb033939e:7"
    places: list[tuple[dict[str, Any], str]] = [
        ({"inputs": ["file:///a", urn]}, "inputs[1]"),
        ({"outputs": [{"name": "x", "depends_on": [urn]}]}, "outputs[0].depends_on[0]"),
        ({"models": [{"id": urn}]}, "models[0].id"),
        (
            {"models": [{"name": "m", "how": "trained", "trained_on": [urn]}]},
            "models[0].trained_on[0]",
        ),
        ({"inputs": [{"step": urn, "outputs": []}]}, "inputs[0]"),
    ]
    for more, path in places:
        body = read_body({"run": {"run_id": "r"}, "step": {"name": "S"}, **more})
        with pytest.raises(InvalidInput, match="no record urn:braid") as refused:
            record_step(recorder, lookup, body)
        assert refused.value.path == path


@pytest.mark.parametrize(
    "more",
    [
        {"inputs": [{"name": "a\x00b"}]},
        {"outputs": [{"name": "a", "tags": {"t": "\x00"}}]},
        {"models": [{"name": "m\x00"}]},
        {"step": {"comment": "\x00"}},
        {"run": {"label": "\x00"}},
    ],
)
def test_text_that_no_database_holds_is_kept_as_escapes(room: Room, more: dict[str, Any]) -> None:
    room.record(**more)
    escaped = r"\\x00"
    assert escaped in repr(room.last)
    assert r"\x00" not in repr(room.last).replace(escaped, "")


def test_of_documents_nested_too_deeply_the_beginning_is_kept(room: Room) -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    room.record(parameters=deep)
    assert "nested more than 128 levels" in repr(room.last)


# ---- what is derived ------------------------------------------------------------------


def test_transfers_connect_by_their_uris(room: Room) -> None:
    step = {"action_url": TRANSFER}
    first = room.record("There", step=step, parameters=transfer("a:/x", "b:/y"))
    assert room.links(Role.DERIVED_FROM) == {(first.outputs[0], first.inputs[0])}
    second = room.record("Back", step=step, parameters=transfer("b:/y/", "c:/z"))
    assert second.inputs == first.outputs


def test_what_the_body_lists_replaces_what_would_be_derived(room: Room) -> None:
    receipt = room.record(
        step={"action_url": TRANSFER}, parameters=transfer("a:/x", "b:/y"), inputs=[]
    )
    assert (receipt.inputs, receipt.outputs) == ((), ())


def test_a_function_is_one_fact_for_all_who_call_it(room: Room) -> None:
    body = {"endpoint": "E", "function": "F"}
    result = {"status": "SUCCEEDED", "details": {"result": [{"loss": 0.5}]}}
    step = {"action_url": "https://compute.actions.globus.org"}
    first = room.record(step=step, parameters=body, result=result)
    second = room.record(step=step, parameters=body, result=result, run_id="r2")
    assert first.inputs == second.inputs
    assert first.outputs != second.outputs
    assert room.tags(first.outputs[0]) == {"loss": "0.5"}
    assert [row.name for row in room.last.payload] == ["value", "parameters", "result"]


@settings(max_examples=150, deadline=None)
@given(url=URLS, parameters=SOUND, result=SOUND)
def test_any_documents_give_a_step_and_a_small_receipt(
    url: str | None, parameters: Any, result: Any
) -> None:
    room = Room()
    receipt = room.record(step={"action_url": url}, parameters=parameters, result=result)
    assert len(room.last.step) == 1
    assert len(json.dumps(receipt.document())) < MAX_RECEIPT_BYTES


def test_text_that_is_not_unicode_costs_no_step(room: Room) -> None:
    room.record(parameters={"a": "\ud800"})
    assert len(room.last.step) == 1
    assert "\ud800" not in repr(room.last.payload)
