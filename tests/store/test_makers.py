"""What a store tells of the steps that made a record, for whoever asks what a run replaces."""

from __future__ import annotations

import pytest

from provenance_store import Store
from provenance_store.values import Uri

FUNCTION = "globus-compute://function/"


@pytest.fixture
def made(store: Store) -> dict[str, int]:
    """A file that a function made in a run, one that a step without a function made, and a loose
    one that another run used."""
    ids: dict[str, int] = {}
    for run, flow in (("r1", "f1"), ("r2", "f1"), ("r3", "f2"), ("r4", None)):
        recorder = store.recorder(run_id=run)
        recorder.run(run, flow_id=flow, status="ACTIVE", start_time=1)
        function = recorder.fact("fit", uris=[f"{FUNCTION}{run}"])
        other = recorder.fact("lattice", uris=[f"file:///{run}/100%25"])
        raw = recorder.data("raw", uris=[Uri(f"file:///{run}/raw", 3, "sha256:0f")])
        step = recorder.step("Fit", inputs=[function, other, raw])
        peaks = step.output("peaks", uris=[f"file:///{run}/peaks"])
        if run != "r4":
            recorder.payload(step, "paths", [])
        step.finish()
        ids |= {f"{run} {n.name}": n.id for n in (function, raw, step, peaks)}
    return ids


def test_makers_are_told_with_their_functions_and_whether_they_are_of_the_flow(
    store: Store, made: dict[str, int]
) -> None:
    reader = store.documents()
    for run, same in (("r1", True), ("r2", True), ("r3", False), ("r4", False), ("none", False)):
        (maker,) = reader.makers(made["r1 peaks"], run, FUNCTION)
        assert maker == (made["r1 Fit"], "Fit", {made["r1 fit"]}, same)
    assert reader.makers(made["r1 raw"], "r1", FUNCTION) == []
    (maker,) = reader.makers(made["r4 peaks"], "r4", FUNCTION)
    assert maker.same_flow  # a run is of its own flow, whichever that is
    assert not reader.makers(made["r4 peaks"], "r5", FUNCTION)[0].same_flow


def test_what_a_run_called_is_told_until_a_time(store: Store, made: dict[str, int]) -> None:
    reader = store.documents()
    assert reader.called("r2", FUNCTION) == {made["r2 fit"]}
    assert reader.called("r2", FUNCTION, until=0) == set()


def test_documents_of_runs_are_found(store: Store, made: dict[str, int]) -> None:
    reader = store.documents()
    assert [reader.has_documents(run, "paths") for run in ("r1", "r4", "none")] == [
        *(True, False, False)
    ]
    assert not reader.has_documents("r1", "parameters")
    assert reader.document(made["r1 Fit"], "paths") == "[]"
    assert reader.document(made["r4 Fit"], "paths") is None


def test_places_are_told_with_what_is_known_of_the_bytes(
    store: Store, made: dict[str, int]
) -> None:
    ids = [made["r1 raw"], made["r1 Fit"]]
    assert store.documents().places(ids) == {
        ids[0]: [Uri("file:///r1/raw", 3, "sha256:0f")],
        ids[1]: [],
    }


def test_what_other_runs_used_too_is_told(store: Store, made: dict[str, int]) -> None:
    reader = store.documents()
    ids = [made["r1 raw"], made["r1 peaks"]]
    assert reader.used_elsewhere(ids, "r1") == set()
    store.recorder(run_id="r9").step("Read", inputs=[made["r1 peaks"]]).finish()
    assert reader.used_elsewhere(ids, "r1") == {made["r1 peaks"]}
    assert reader.used_elsewhere(ids, "r9") == {made["r1 raw"]}
