"""What recording a step writes: rows, links and roles, and the receipt for the flow."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings

from flows.steps import MemoryLookup, Receipt, audience_of, read_body, record_step
from flows.steps.models import FIRST_SEEN
from flows.steps.receipt import MAX_LISTED, MAX_RECEIPT_BYTES
from provenance_store.batch import Batch, decode_batch, encode_batch
from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.kinds import Kind, Role
from provenance_store.reader import Head
from provenance_store.recorder import Recorder
from provenance_store.sink import MemorySink
from provenance_store.values import Audience
from tests.unit.steps.test_adapters import SOUND, URLS

TRANSFER = "https://transfer.actions.globus.org/transfer"


class Room:
    """A recorder into memory, and what it has written."""

    def __init__(self, *, run_id: str = "r1") -> None:
        self.sink = MemorySink()
        self.lookup = MemoryLookup(resolver=self.sink.resolve)
        self.recorder = self.recorder_of(run_id)

    def recorder_of(self, run_id: str) -> Recorder:
        ticks = itertools.count(1)
        return Recorder(self.sink, run_id=run_id, environment=None, clock=lambda: next(ticks))

    def record(self, name: str = "Analyse", *, run_id: str | None = None, **body: Any) -> Receipt:
        step = {"name": name, **body.pop("step", {})}
        run = {"run_id": run_id or self.recorder.run_id, **body.pop("run", {})}
        recorder = self.recorder if run_id is None else self.recorder_of(run_id)
        return record_step(recorder, self.lookup, read_body({"run": run, "step": step, **body}))

    @property
    def last(self) -> Batch:
        return self.sink.batches[-1]

    def links(self, role: Role) -> set[tuple[int, int]]:
        """(dependent, what it depends on) of the last batch."""
        return {(row.from_id, row.to_id) for row in self.last.link if row.role == role}

    def tags(self, record_id: int) -> dict[str, str]:
        rows = Batch.merged(self.sink.batches).tag
        return {row.name: row.text for row in rows if row.record_id == record_id}

    def urn(self, record_id: int) -> str:
        return self.sink.urn(record_id)


@pytest.fixture
def room() -> Room:
    return Room()


def status(receipt: Receipt) -> dict[str, Any]:
    """The action status that lands in a flow's state."""
    return {"action_id": "a", "status": "SUCCEEDED", "details": receipt.document()}


def transfer(source: str, destination: str) -> dict[str, Any]:
    item = {"source_path": source.partition(":")[2], "destination_path": destination[2:]}
    return {
        "source_endpoint": source.partition(":")[0],
        "destination_endpoint": destination.partition(":")[0],
        "DATA": [item],
    }


# ---- the step and the run ----------------------------------------------------------------


def test_a_step_is_written_with_its_run_in_one_batch(room: Room) -> None:
    receipt = room.record(
        "Plot",
        run={"flow_id": "f", "flow_title": "T", "username": "ada", "tags": ["nightly"]},
        step={
            "type": "Action",
            "action_url": "https://example.org",
            "run_as": "Flow",
            "comment": "Draws.",
            "definition_digest": "sha256:0f",
        },
        parameters={"n": 1},
        tags={"sample": "Ni"},
    )
    (batch,) = room.sink.batches
    (row,) = batch.step
    assert (row.id, row.type, row.action_url) == (receipt.step, "Action", "https://example.org")
    assert (row.run_as, row.definition_digest) == ("Flow", "sha256:0f")
    (event,) = batch.run_event
    assert (event.run_id, event.flow_id, event.flow_title) == ("r1", "f", "T")
    assert [tag.tag for tag in batch.run_tag] == ["nightly"]
    assert room.tags(receipt.step) == {"sample": "Ni", "comment": "Draws.", "username": "ada"}
    assert [(p.name, p.document) for p in batch.payload] == [("parameters", '{"n":1}')]
    assert [record.kind for record in batch.record] == [Kind.STEP]


@pytest.mark.parametrize("ended", ["SUCCEEDED", "FAILED", "ENDED"])
def test_a_run_that_is_said_to_have_ended_has_ended_when_that_was_recorded(
    room: Room, ended: str
) -> None:
    room.record(run={"status": "ACTIVE"})
    assert room.last.run_event[0].completion_time is None
    room.record(run={"status": ended})
    assert room.last.run_event[0].completion_time == room.last.run_event[0].at
    room.record(run={"status": ended, "completion_time": "1970-01-01T00:00:01Z"})
    assert room.last.run_event[0].completion_time == 1_000_000


def test_a_run_has_begun_when_it_is_said_to_or_else_when_the_step_did(room: Room) -> None:
    early, late = "1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"
    room.record(run={"start_time": early}, result={"start_time": late})
    assert room.last.run_event[0].start_time == 1_000_000
    room.record(result={"start_time": late})
    assert room.last.run_event[0].start_time == 2_000_000
    room.record()
    assert room.last.run_event[0].start_time == room.last.run_event[0].at


def test_a_run_may_be_labelled_by_whoever_records_it(room: Room) -> None:
    for said, expected in (({}, "theirs"), ({"label": "own"}, "own")):
        body = read_body({"run": {"run_id": "r", **said}, "step": {"name": "S"}})
        record_step(room.recorder, room.lookup, body, label="theirs")
        assert room.last.run_event[0].label == expected


def test_what_is_written_can_travel(room: Room) -> None:
    times = {"start_time": "2026-01-01T00:00:00Z", "completion_time": "2026-01-01T00:00:01Z"}
    room.record(
        run={"status": "ACTIVE", **times},
        step={"status": "SUCCEEDED", **times},
        inputs=[{"name": "a", "kind": "fact", "tags": {"x": 1}}, "file:///a"],
        models=[{"name": "m", "how": "trained", "metrics": [{"epoch": 1, "loss": None}]}],
        parameters={"big": 1 << 80, "nul": "\x00"},
    )
    assert decode_batch(encode_batch(room.last)) == room.last


def test_each_visit_of_a_state_is_a_step_of_its_own(room: Room) -> None:
    first, second = (room.record("Loop", result={"action_id": "same"}) for _ in range(2))
    assert first.step != second.step


def test_a_small_step_has_exactly_its_rows(room: Room) -> None:
    room.record(
        inputs=["file:///a", {"name": "b"}],
        outputs=[{"name": "c", "uri": "file:///c"}],
        models=[{"name": "m"}],
    )
    batch = room.last
    counts = (len(batch.record), len(batch.uri), len(batch.link), len(batch.version))
    assert counts == (5, 2, 4, 1)
    assert len(batch) == 5 + 2 + 4 + 1 + len(batch.step + batch.outcome + batch.run_event) + 1


def test_nothing_is_written_when_something_is_refused(room: Room) -> None:
    with pytest.raises(InvalidInput):
        room.record(inputs=["file:///a"], models=[{"name": "m", "how": "updated"}])
    assert room.sink.batches == []


def test_secrets_are_not_written(room: Room) -> None:
    room.record(
        parameters={"password": "hush", "key": "hush", "__Private_Parameters": ["key"]},
        result={"status": "SUCCEEDED", "details": {"access_token": "hush"}},
        error={"Authorization": "hush"},
        inputs=["https://user:hush@example.org/x?token=hush"],
    )
    assert "hush" not in repr(room.last)


# ---- how it went -------------------------------------------------------------------------

RESULT = {
    "action_id": "yXYVm68fZ2Eg",
    "status": "SUCCEEDED",
    "start_time": "1970-01-01T00:00:01.000000+00:00",
    "completion_time": "1970-01-01T00:00:01.000022+00:00",
    "details": {"completion_time": "1970-01-01T00:00:15+00:00"},
}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "SUCCEEDED"),
        ({"result": {"status": "FAILED"}}, "FAILED"),
        ({"result": {"status": "odd"}}, "SUCCEEDED"),
        ({"result": "text"}, "SUCCEEDED"),
        ({"error": {"Error": "ActionTimeout"}}, "FAILED"),
        ({"error": {}, "result": {"status": "SUCCEEDED"}}, "FAILED"),
        ({"step": {"status": "INACTIVE"}, "result": {"status": "FAILED"}}, "INACTIVE"),
    ],
)
def test_the_status_is_said_or_told_by_the_documents(
    room: Room, more: dict[str, Any], expected: str
) -> None:
    room.record(**more)
    assert [row.status for row in room.last.outcome] == [expected]


def test_a_step_that_is_still_active_has_no_outcome_but_its_result(room: Room) -> None:
    room.record(result={"status": "ACTIVE"})
    assert room.last.outcome == []
    assert [row.name for row in room.last.payload] == ["result"]


def test_id_and_times_come_from_the_result_and_the_end_from_its_details(room: Room) -> None:
    room.record(result=RESULT)
    (step,), (outcome,) = room.last.step, room.last.outcome
    assert (step.action_id, step.started_at) == ("yXYVm68fZ2Eg", 1_000_000)
    assert outcome.completed_at == 15_000_000


def test_what_the_body_says_of_the_step_wins(room: Room) -> None:
    said = {
        "action_id": "mine",
        "start_time": "1970-01-01T00:00:02Z",
        "completion_time": "1970-01-01T00:00:03Z",
    }
    room.record(step=said, result=RESULT)
    (step,), (outcome,) = room.last.step, room.last.outcome
    assert (step.action_id, step.started_at) == ("mine", 2_000_000)
    assert outcome.completed_at == 3_000_000


def test_an_error_is_kept_and_tells_what_failed(room: Room) -> None:
    cause = {"action_id": "x", "status": "FAILED", "start_time": "1970-01-01T00:00:04Z"}
    room.record(error={"Error": "ActionFailedException", "Cause": cause})
    (step,), (payload,) = room.last.step, room.last.payload
    assert (step.action_id, step.started_at) == ("x", 4_000_000)
    assert payload.name == "error"


# ---- inputs and outputs ------------------------------------------------------------------


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
    assert (row.uri, row.size, row.digest) == ("hash://sha256/0f", 3, "sha256:0F")


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
    ("more", "path"),
    [
        ({"inputs": [{"name": "a\x00b"}]}, "inputs[0]"),
        ({"outputs": [{"name": "a", "tags": {"t": "\x00"}}]}, "outputs[0]"),
        ({"models": [{"name": "m\x00"}]}, "models[0]"),
        ({"step": {"comment": "\x00"}}, "step"),
        ({"run": {"label": "\x00"}}, "run"),
    ],
)
def test_text_that_no_database_holds_is_refused_with_its_place(
    room: Room, more: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidInput, match="NUL") as refused:
        room.record(**more)
    assert refused.value.path == path


def test_documents_nested_too_deeply_are_refused(room: Room) -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(TooLarge) as refused:
        room.record(parameters=deep)
    assert refused.value.path == "parameters"


# ---- receipts as references --------------------------------------------------------------


def test_a_receipt_as_input_means_its_outputs(room: Room) -> None:
    before = room.record(outputs=[{"name": "a"}, {"name": "b"}], models=[{"name": "m"}])
    for given_as in (status(before), before.document()):
        assert room.record(inputs=[given_as]).inputs == before.outputs


def test_a_receipt_without_outputs_means_its_model_versions(room: Room) -> None:
    before = room.record(inputs=["file:///a"], models=[{"name": "m", "how": "trained"}])
    assert room.record(inputs=[status(before)]).inputs == (before.models[0].id,)


def test_a_receipt_as_model_means_its_model_versions(room: Room) -> None:
    before = room.record(outputs=[{"name": "a"}], models=[{"name": "m", "how": "trained"}])
    after = room.record(models=[{"id": status(before)}, {"id": before.document()["models"][0]}])
    assert [head.id for head in after.models] == [before.models[0].id] * 2


def test_a_receipt_as_model_means_what_the_step_made_rather_than_what_it_used(room: Room) -> None:
    base = room.record(models=[{"name": "base", "how": "trained"}])
    tuned = room.record(models=[{"id": status(base)}, {"name": "tuned", "how": "trained"}])
    assert [head.name for head in tuned.models] == ["tuned", "base"]
    assert room.record(models=[{"id": status(tuned)}]).models == tuned.models[:1]
    applied = room.record(models=[{"id": status(base)}])
    assert room.record(models=[{"id": status(applied)}]).models == base.models


def test_a_receipt_as_input_does_not_mean_the_models_that_the_step_used(room: Room) -> None:
    before = room.record(models=[{"name": "m"}])
    after = room.record(inputs=[status(before)])
    assert after.inputs == ()
    assert room.links(Role.INFORMED_BY) == {(after.step, before.step)}


def test_a_cut_receipt_as_model_means_what_was_made_or_what_it_lists(room: Room) -> None:
    many = [{"name": f"used {n}"} for n in range(60)]
    made = room.record(models=[*many, {"name": "m", "how": "trained"}])
    assert made.document()["counts"]["models"] == 61
    assert room.record(models=[{"id": status(made)}]).models == made.models[:1]
    used = room.record(models=many)
    listed = len(used.document()["models"])
    assert room.record(models=[{"id": status(used)}]).models == used.models[:listed]


def test_a_receipt_that_does_not_tell_how_means_all_its_models(room: Room) -> None:
    before = room.record(models=[{"name": "a"}, {"name": "b", "how": "trained"}])
    old = before.document()
    for model in old["models"]:
        del model["how"]
    assert room.record(models=[{"id": old}]).models == before.models


def test_a_receipt_of_nothing_made_still_connects_the_steps(room: Room) -> None:
    before = room.record(inputs=["file:///a"])
    after = room.record(inputs=[status(before)])
    assert after.inputs == ()
    assert room.links(Role.INFORMED_BY) == {(after.step, before.step)}


def test_a_receipt_that_was_cut_means_all_its_outputs(room: Room) -> None:
    before = room.record(outputs=[{"name": f"o{n}"} for n in range(100)])
    assert len(status(before)["details"]["outputs"]) == MAX_LISTED
    assert room.record(inputs=[status(before)]).inputs == before.outputs


def test_a_failed_recording_is_left_out_and_counted(room: Room) -> None:
    failed = [{"Error": "ActionUnableToRun", "Cause": "down"}, {"status": "FAILED", "details": {}}]
    refused = {"code": "BadRequest", "description": "No."}
    receipt = room.record(inputs=[*failed, refused, "file:///a"])
    assert len(receipt.inputs) == 1
    assert room.tags(receipt.step) == {"unrecorded_inputs": "3"}


# ---- models ------------------------------------------------------------------------------


def test_a_model_that_is_not_known_is_first_seen_where_it_is_used(room: Room) -> None:
    first = room.record("Predict", models=[{"name": "m", "uris": ["file:///w"]}])
    (head,) = first.models
    assert room.links(Role.USED) == {(first.step, head.id)}
    assert room.tags(head.id) == {FIRST_SEEN: "Predict"}
    second = room.record(models=[{"name": "m"}])
    assert second.models == first.models
    assert room.last.version == []


def test_a_model_that_is_deployed_is_linked_as_such(room: Room) -> None:
    receipt = room.record(models=[{"name": "m", "how": "deployed"}])
    assert room.links(Role.DEPLOYED) == {(receipt.step, receipt.models[0].id)}
    assert room.links(Role.USED) == set()


def test_training_begins_a_line_and_the_next_training_carries_it_on(room: Room) -> None:
    first = room.record(inputs=["file:///a"], models=[{"name": "m", "how": "trained"}])
    (version,) = first.models
    assert (version.version, version.line_id) == (0, version.id)
    assert room.links(Role.TRAINED_ON) == {(version.id, first.inputs[0])}
    assert room.links(Role.GENERATED_BY) == {(version.id, first.step)}
    second = room.record(
        models=[
            {
                "name": "m",
                "how": "trained",
                "trained_on": ["file:///b"],
                "hyperparameters": {"lr": 0.1},
                "metrics": [{"epoch": 1, "loss": 0.5}],
                "scores": {"f1": 0.9},
                "uris": ["file:///w"],
                "tags": {"gpu": "A100"},
            }
        ]
    )
    (after,) = second.models
    assert (after.version, after.line_id) == (1, version.id)
    assert room.links(Role.REVISION_OF) == {(after.id, version.id)}
    assert room.links(Role.TRAINED_ON) == {(after.id, second.inputs[0])}
    assert room.links(Role.USED) == {(second.step, second.inputs[0])}  # no version was read
    assert sorted(row.name for row in room.last.metric) == ["f1", "loss"]
    assert [row.name for row in room.last.payload] == ["hyperparameters"]
    assert room.tags(after.id) == {"gpu": "A100"}


def test_a_model_is_updated_by_name_or_id(room: Room) -> None:
    (v0,) = room.record(models=[{"name": "m", "how": "trained"}]).models
    (v1,) = room.record(models=[{"name": "m", "how": "updated"}]).models
    (branch,) = room.record(models=[{"id": room.urn(v0.id), "how": "updated"}]).models
    assert (v1.version, branch.version) == (1, 1)
    assert branch.name == "m"


def test_updating_what_is_not_there_is_refused(room: Room) -> None:
    with pytest.raises(InvalidInput, match="no model 'm' to update") as refused:
        room.record(models=[{"name": "m", "how": "updated"}])
    assert refused.value.path == "models[0]"


def test_an_ambiguous_name_is_refused_with_the_choices(room: Room) -> None:
    heads = [room.recorder.model("m") for _ in range(2)]
    for made in heads:
        room.lookup.note_version(Head(made.id, made.id, 0, "m", None), parent=None)
    for how in ("updated", "used"):
        with pytest.raises(InvalidInput, match="give the id of one") as refused:
            room.record(models=[{"name": "m", "how": how}])
        assert all(made.urn in refused.value.message for made in heads)
    (begun,) = room.record(models=[{"name": "m", "how": "trained"}]).models
    assert begun.version == 0
    (mine,) = room.record(models=[{"name": "m", "how": "updated"}]).models
    assert mine.line_id == begun.id


def test_training_may_begin_a_new_line_under_a_known_name(room: Room) -> None:
    fresh = {"name": "m", "how": "trained", "new": True}
    (first,) = room.record(models=[fresh]).models
    (second,) = room.record(run_id="r2", models=[fresh]).models
    assert (second.version, second.line_id) == (0, second.id)
    (after,) = room.record(run_id="r2", models=[fresh | {"new": False}]).models
    assert (after.version, after.line_id) == (1, second.id)
    (again,) = room.record(models=[{"name": "m", "how": "trained"}]).models
    assert again.line_id == first.id


def test_a_model_is_fine_tuned_from_another(room: Room) -> None:
    base = room.record(models=[{"name": "base", "how": "trained"}])
    (head,) = base.models
    tuned = {"name": "tuned", "how": "trained", "trained_on": [], "depends_on": [status(base)]}
    (version,) = room.record(models=[tuned]).models
    assert version.line_id == version.id
    assert room.links(Role.DERIVED_FROM) == {(version.id, head.id)}


def test_what_is_no_model_cannot_be_used_as_one(room: Room) -> None:
    (data,) = room.record(outputs=["file:///a"]).outputs
    with pytest.raises(InvalidInput, match="not a model") as refused:
        room.record(models=[{"id": room.urn(data)}])
    assert refused.value.path == "models[0].id"


# ---- what is derived ---------------------------------------------------------------------


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


def test_text_that_is_not_unicode_is_refused_and_not_written(room: Room) -> None:
    with pytest.raises(InvalidInput, match="JSON"):
        room.record(parameters={"a": "\ud800"})
    assert room.sink.batches == []


# ---- the receipt -------------------------------------------------------------------------


def test_a_receipt_lists_everything_when_it_is_small(room: Room) -> None:
    receipt = room.record(inputs=["file:///a"], outputs=["file:///b"], models=[{"name": "m"}])
    assert receipt.document() == {
        "step": room.urn(receipt.step),
        "inputs": [room.urn(receipt.inputs[0])],
        "outputs": [room.urn(receipt.outputs[0])],
        "models": [
            {"id": room.urn(receipt.models[0].id), "name": "m", "version": 0, "how": "used"}
        ],
    }


def test_a_receipt_tells_how_models_took_part_those_made_first(room: Room) -> None:
    models = [{"name": "a"}, {"name": "b", "how": "deployed"}, {"name": "c", "how": "trained"}]
    listed = room.record(models=models).document()["models"]
    assert [(m["name"], m["how"]) for m in listed] == [
        ("c", "trained"),
        ("a", "used"),
        ("b", "deployed"),
    ]


def test_a_receipt_of_very_much_is_cut_and_counts(room: Room) -> None:
    receipt = room.record(
        inputs=[f"file:///{n}" for n in range(500)],
        outputs=[{"name": f"o{n}"} for n in range(300)],
        models=[{"name": f"{n}" + "ü" * 1000} for n in range(40)],
    )
    document = receipt.document()
    assert document["counts"] == {"inputs": 500, "outputs": 300, "models": 40}
    assert len(json.dumps(document)) < MAX_RECEIPT_BYTES


# ---- access ------------------------------------------------------------------------------


def principal(number: int) -> str:
    return f"urn:globus:auth:identity:00000000-0000-4000-8000-00000000000{number:x}"


def test_the_run_widens_the_audience() -> None:
    owner, monitor, manager = principal(0xA), principal(2), principal(3)
    run = {"run_id": "r", "run_owner": owner, "monitor_by": [monitor], "manage_by": [manager]}
    body = read_body({"run": run, "step": {"name": "S"}})
    own = Audience("urn:me", readers=("urn:x",))
    assert audience_of(body, own) == Audience("urn:me", ("urn:x", monitor), (manager,))
    known = audience_of(body, own, identities={"urn:me", owner})
    assert known == Audience("urn:me", ("urn:x", owner, monitor), (manager,))


def test_principals_are_kept_in_small_letters() -> None:
    head, _, uuid = principal(0xA).rpartition(":")
    run: dict[str, Any] = {"run_id": "r", "run_owner": f"{head}:{uuid.upper()}"}
    run |= {"monitor_by": ["urn:globus:groups:id:ABCDEF00-0000-4000-8000-000000000000"]}
    read = read_body({"run": run, "step": {"name": "S"}}).run
    assert read.run_owner == principal(0xA)
    assert read.monitor_by == ["urn:globus:groups:id:abcdef00-0000-4000-8000-000000000000"]


def test_every_record_and_the_run_have_the_recorders_audience() -> None:
    sink = MemorySink()
    recorder = Recorder(sink, run_id="r", audience=Audience("urn:me"), environment=None)
    body = {"run": {"run_id": "r"}, "step": {"name": "S"}, "inputs": ["file:///a"]}
    record_step(recorder, MemoryLookup(), read_body(body))
    audiences = {row.audience for row in (*sink.batch.record, *sink.batch.run_event)}
    assert audiences == {sink.batch.audience[0].digest}


# ---- several steps in one batch ----------------------------------------------------------


def test_steps_recorded_together_find_each_other(room: Room) -> None:
    with room.recorder.together():
        first = room.record(outputs=["file:///a"], models=[{"name": "m", "how": "trained"}])
        second = room.record(inputs=["file:///a"], models=[{"name": "m", "how": "updated"}])
    assert len(room.sink.batches) == 1
    assert second.inputs == first.outputs
    assert second.models[0].version == 1


def test_what_many_inputs_mention_is_asked_for_at_once(room: Room) -> None:
    asked: list[str] = []

    class Counting(MemoryLookup):
        def find_uris(self, uris: Iterable[str], *, run_id: str | None = None) -> dict[str, int]:
            asked.append("uris")
            return super().find_uris(uris, run_id=run_id)

        def resolve_all(self, references: Iterable[str]) -> dict[str, int]:
            asked.append("ids")
            return super().resolve_all(references)

        def find_uri(self, uri: str, *, run_id: str | None = None) -> int | None:
            asked.append("uri")
            return None

        def resolve(self, reference: str) -> int:
            asked.append("id")
            return super().resolve(reference)

    behind = Counting(resolver=room.sink.resolve)
    before = room.record(outputs=[{"name": f"o{n}"} for n in range(10)])
    room.lookup = MemoryLookup(behind)
    inputs = [*(f"file:///{n}" for n in range(10)), status(before), "file:///3"]
    room.record(inputs=[*inputs, {"name": "x", "uri": "file:///x"}])
    assert [name for name in asked if name in ("uris", "ids")] == ["uris", "ids"]
    assert asked.count("uri") == 11
    assert asked.count("id") == 11
