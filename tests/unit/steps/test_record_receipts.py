"""The receipt of a recorded step, and receipts that later steps refer to."""

from __future__ import annotations

import json

from flows.steps.receipt import MAX_LISTED, MAX_RECEIPT_BYTES
from provenance_store.enums import Role
from tests.unit.steps.room import Room, status

# ---- the receipt ----------------------------------------------------------------------


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


# ---- receipts as references -----------------------------------------------------------


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
