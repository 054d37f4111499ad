"""What recording a step writes of the models that took part."""

from __future__ import annotations

import pytest

from flows.steps.models import FIRST_SEEN
from provenance_store.enums import Role
from provenance_store.errors import InvalidInput
from provenance_store.queries.document_reader import Head
from tests.unit.steps.room import TRANSFER, Room, status, transfer


def test_a_model_that_is_not_known_is_first_seen_where_it_is_used(room: Room) -> None:
    first = room.record("Predict", models=[{"name": "m", "uris": ["file:///w"]}])
    (head,) = first.models
    assert room.links(Role.USED) == {(first.step, head.id)}
    assert room.tags(head.id) == {FIRST_SEEN: "Predict"}
    second = room.record(models=[{"name": "m"}])
    assert second.models == first.models
    assert room.last.version == []


def test_a_model_is_the_version_whose_weights_are_where_they_are_said_to_be(room: Room) -> None:
    trained = {"name": "m", "how": "trained"}
    (first,) = room.record(models=[{**trained, "uris": ["file:///w/1"]}]).models
    (second,) = room.record(models=[{**trained, "uris": ["file:///w/2"]}]).models
    assert room.record(models=[{"name": "m", "uri": "file:///w/1"}]).models == (first,)
    assert room.record(models=[{"name": "m", "uri": "file:///other"}]).models == (second,)
    assert room.record(models=[{"name": "m"}]).models == (second,)


def test_a_file_that_a_model_s_weights_are_in_is_that_version(room: Room) -> None:
    (version,) = room.record(
        models=[{"name": "m", "how": "trained", "uris": ["globus://lab/w"]}]
    ).models
    moved = room.record(
        step={"action_url": TRANSFER}, parameters=transfer("lab:/w", "//edge/w"), result=None
    )
    assert moved.inputs == (version.id,)


def test_a_model_not_known_derives_from_what_is_known_where_its_weights_are(room: Room) -> None:
    copied = room.record(outputs=["file:///w"])
    (head,) = room.record(models=[{"name": "m", "uri": "file:///w"}]).models
    assert (head.id, copied.outputs[0]) in room.links(Role.DERIVED_FROM)


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
