"""What old records carry can be dropped; that they were, and what they led to, stays."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provenance_store import Store, open_store
from provenance_store.ids import now

DAY = 86_400_000_000


def old_and_new(store: Store) -> tuple[str, str]:
    """A model version made ten days ago with all that a record can carry; and one made today."""
    made = []
    for age in (10, 0):
        recorder = store.recorder(clock=lambda age=age: now() - age * DAY)  # type: ignore[misc]
        scan = recorder.data("scan", uris=[{"uri": "globus://c/s", "digest": "sha256:ab"}])
        version = recorder.model(
            "net",
            trained_on=[scan],
            tags={"t": 1},
            hyperparameters={"lr": 1},
            metrics=[{"epoch": 1, "loss": 0.5}],
            scores={"val": 0.1},
        )
        made.append(version.urn)
    return made[0], made[1]


def test_the_payload_of_old_records_is_dropped_and_their_history_stays(store: Store) -> None:
    old, new = old_and_new(store)
    before, today = store.documents().record(old), store.documents().record(new)
    lineage = store.documents().lineage(old)
    limit = now() - 5 * DAY
    told = store.reduce(before=limit, dry_run=True)
    assert store.documents().record(old) == before
    done = store.reduce(before=limit)
    assert done == told
    assert (done.records, done.rows) == (1, {"tag": 1, "metric": 2, "payload": 1})
    after = store.documents().record(old)
    assert after["reduced"]["note"].startswith("made before ")
    assert [mark["mark"] for mark in after["marks"]] == ["reduced"]
    empty: dict[str, Any] = {"tags": {}, "metrics": [], "scores": {}, "hyperparameters": {}}
    assert after == before | empty | {"reduced": after["reduced"], "marks": after["marks"]}
    assert store.documents().record(new) == today
    assert store.documents().lineage(old) == lineage
    assert store.documents().records(digest="sha256:ab")["records"]
    assert store.check() == []


def test_reducing_again_does_nothing(store: Store) -> None:
    old_and_new(store)
    store.reduce(before=now() - 5 * DAY)
    info = store.info()
    assert store.reduce(before=now() - 5 * DAY).records == 0
    assert store.info() == info


def test_many_records_are_reduced(store: Store) -> None:
    with store.transaction():
        for number in range(1203):
            store.data("scan", tags={"n": number})
    told: list[int] = []
    assert store.reduce(before=now() + DAY, progress=told.append).records == 1203
    assert sum(told) == 1203
    assert store.info()["tables"]["tag"] == 0
    assert store.info()["tables"]["mark"] == 1203


@pytest.mark.parametrize("reduced_here", [True, False])
def test_a_merge_neither_brings_back_nor_takes_away(
    store: Store, tmp_path: Path, reduced_here: bool
) -> None:
    old, _ = old_and_new(store)
    store.slice(tmp_path / "whole.db")
    with open_store(f"sqlite:///{tmp_path / 'whole.db'}") as whole:
        (store if reduced_here else whole).reduce(before=now() - 5 * DAY)
        expected = store.documents().record(old)
        assert ("reduced" in expected) == reduced_here
        whole.data("new", depends_on=[old])
    assert store.merge(tmp_path / "whole.db").rows["record"] == 1
    after = store.documents().record(old)
    assert after | {"dependents": []} == expected | {"dependents": []}


def test_the_answer_has_the_time_as_a_datetime(store: Store) -> None:
    reduced = store.reduce(before="2020-01-01", dry_run=True)
    assert reduced.before == datetime(2020, 1, 1, tzinfo=UTC)
    assert reduced.to_dict()["before"] == "2020-01-01T00:00:00.000000+00:00"
