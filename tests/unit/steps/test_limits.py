"""A small body does not become millions of rows, or thousands of questions."""

from __future__ import annotations

from typing import Any

import pytest

from flows.steps import MemoryLookup
from flows.steps.limits import MAX_LINKS, MAX_RECEIPTS
from flows.steps.lookup import MadeByStep
from provenance_store.errors import TooLarge
from provenance_store.sink import MemorySink
from tests.unit.steps.room import Room

URIS = [f"file:///scan-{number}.h5" for number in range(1_000)]


class Counting(MemoryLookup):
    """Counts how often it is asked what a step made."""

    def __init__(self, sink: MemorySink) -> None:
        super().__init__(resolver=sink.resolve)
        self.asked = 0

    def made_by(self, step_id: int) -> MadeByStep:
        self.asked += 1
        return super().made_by(step_id)


def cut(step: str, outputs: list[str]) -> dict[str, Any]:
    """A receipt that says that it does not list everything."""
    return {"step": step, "outputs": outputs, "models": [], "counts": {"outputs": 99}}


@pytest.fixture
def room() -> Room:
    return Room()


def test_inputs_that_every_model_was_trained_on_are_counted_before_they_are_linked(
    room: Room,
) -> None:
    models = [{"name": f"m{number}", "how": "trained"} for number in range(1_000)]
    with pytest.raises(TooLarge, match="use a dataset for common inputs"):
        room.record(inputs=URIS, models=models)
    assert not room.sink.batches
    few = [{"name": f"m{number}", "how": "trained"} for number in range(100)]
    assert len(room.record(inputs=URIS, models=few).models) == 100


def test_outputs_that_all_derive_from_one_long_receipt_are_counted(room: Room) -> None:
    made = room.record("Split", outputs=URIS)
    receipt = cut(room.urn(made.step), [])
    outputs = [{"name": f"o{number}", "depends_on": [receipt]} for number in range(300)]
    with pytest.raises(TooLarge, match=str(MAX_LINKS)):
        room.record("Merge", outputs=outputs)
    again = [{"id": receipt}] * 1_000
    with pytest.raises(TooLarge, match=str(MAX_LINKS)):
        room.record("Merge", inputs=again)


def test_what_a_step_made_is_asked_once_however_often_its_receipt_is_passed(room: Room) -> None:
    lookup = room.lookup = Counting(room.sink)
    made = room.record("Split", outputs=URIS[:2])
    receipt = cut(room.urn(made.step), [])
    outputs = [{"name": f"o{number}", "depends_on": [receipt]} for number in range(50)]
    room.record("Merge", inputs=[receipt] * 5_000, outputs=outputs)
    assert lookup.asked == 1


def test_the_receipts_of_a_thousand_steps_are_taken_and_no_more(room: Room) -> None:
    steps = [room.record(f"S{number}", outputs=[]) for number in range(MAX_RECEIPTS + 1)]
    receipts = [cut(room.urn(step.step), []) for step in steps]
    room.record("Gather", inputs=receipts[:-1])
    with pytest.raises(TooLarge, match="more than 1000 steps"):
        room.record("Gather", inputs=receipts)
