"""What recording a step writes of it and of its run, and who may see that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from flows.steps import MemoryLookup, audience_of, read_body, record_step
from provenance_store.batch import decode_batch, encode_batch
from provenance_store.enums import Kind
from provenance_store.errors import InvalidInput
from provenance_store.recording.recorder import Recorder
from provenance_store.sink import MemorySink
from provenance_store.values import Audience
from tests.unit.steps.room import Room, status

# ---- the step and the run -------------------------------------------------------------


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
    event = room.last.run_event[0]
    assert event.completion_time == event.at - 1  # the clock here ticks whenever it is read
    room.record(run={"status": ended, "completion_time": "1970-01-01T00:00:01Z"})
    assert room.last.run_event[0].completion_time == 1_000_000


def test_a_run_has_begun_when_it_is_said_to_or_else_when_the_step_did(room: Room) -> None:
    early, late = "1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"
    room.record(run={"start_time": early}, result={"start_time": late})
    assert room.last.run_event[0].start_time == 1_000_000
    room.record(result={"start_time": late})
    assert room.last.run_event[0].start_time == 2_000_000
    room.record()
    assert room.last.run_event[0].start_time == room.last.run_event[0].at - 1


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


# ---- how it went ----------------------------------------------------------------------


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


# ---- access ---------------------------------------------------------------------------


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


# ---- several steps in one batch -------------------------------------------------------


def test_steps_recorded_together_find_each_other(room: Room) -> None:
    with room.recorder.transaction():
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
