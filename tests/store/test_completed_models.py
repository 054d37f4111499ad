"""Versions that are recorded before they are trained, and completed while their step goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provenance_store import open_store
from provenance_store.errors import Conflict, Sealed
from provenance_store.files import file_uri
from provenance_store.recording.recorder import NOTE_TAG
from provenance_store.store import Store
from tests.support import statements


def gaps(store: Store, version: Any) -> dict[str, dict[str, Any]]:
    return statements.gaps(store.documents().statement(version))


def test_a_version_takes_its_weights_and_scores_when_it_is_trained(
    store: Store, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.bin"
    with store.step("Train") as step:
        version = step.updated(store.model("net"), hyperparameters={"lr": 0.1})
        assert store.documents().record(version)["live"] is True
        assert "versions_open" in gaps(store, version)
        version.log(epoch=0, loss=0.5)
        weights.write_bytes(b"trained")
        version.add(file=weights, uris="globus://c/weights.bin", scores={"accuracy": 0.9})
    found = store.documents().record(version)
    assert found["live"] is False
    places = {uri["uri"]: uri["size"] for uri in found["uris"]}
    assert places == {file_uri(weights): 7, "globus://c/weights.bin": None}
    assert (found["scores"], found["metrics"]) == ({"accuracy": 0.9}, [{"epoch": 0, "loss": 0.5}])
    assert found["hyperparameters"] == {"lr": 0.1}
    assert found["version"] == 1
    assert "versions_open" not in gaps(store, version)
    assert NOTE_TAG not in found["tags"]
    assert store.check() == []


def test_a_version_is_closed_when_its_step_has_ended(store: Store) -> None:
    with store.step("Train") as step:
        version = step.updated(store.model("net"), uris="file:///w")
    with pytest.raises(Sealed, match=r"once the step that makes it has ended.*`update`"):
        version.add(uris="file:///later", scores={"accuracy": 1})
    version.add(uris="file:///w")  # what is there already may be said again
    found = store.documents().record(version)
    assert [uri["uri"] for uri in found["uris"]] == ["file:///w"]
    assert found["scores"] == {}
    for made_at_once in (store.model("plain"), store.model("plain").update()):
        with pytest.raises(Sealed, match="or at once where no step does"):
            made_at_once.add(uris="file:///x")


def test_a_version_can_be_closed_before_its_step_ends(store: Store) -> None:
    with store.step("Train") as step:
        version = step.updated(store.model("net"))
        version.promote()
        assert store.documents().record(version)["live"] is False
        with pytest.raises(Sealed):
            version.add(uris="file:///x")


def test_only_versions_are_open_while_their_step_goes_on(store: Store) -> None:
    with store.step("Measure") as step:
        scan = step.output("scan")
        with pytest.raises(Sealed, match="it is static"):
            scan.add(uris="file:///x")


def test_a_file_that_is_recorded_twice_must_be_the_same(store: Store, tmp_path: Path) -> None:
    (weights := tmp_path / "weights.bin").write_bytes(b"untrained")
    with store.step("Train") as step:
        version = step.updated(store.model("net"), file=weights)
        version.add(file=weights)
        weights.write_bytes(b"trained!!")
        with pytest.raises(Conflict, match="digest"):
            version.add(file=weights)


def test_scores_are_logged_and_stay(store: Store) -> None:
    version = store.model("net")
    version.log(scores={"accuracy": 0.9})
    version.log(scores={"accuracy": 0.9, "f1": 0.8})
    version.log(scores={"accuracy": 0.1})
    found = store.documents().record(version)
    assert found["scores"] == {"accuracy": 0.9, "f1": 0.8}
    note = "accuracy was logged as 0.9 before and stays so; 0.1 is left out."
    assert note in found["tags"][NOTE_TAG]


def test_live_data_takes_files(store: Store, tmp_path: Path) -> None:
    (part := tmp_path / "part.h5").write_bytes(b"part")
    stream = store.data("stream", live=True)
    stream.add(file=part)
    assert store.documents().record(stream)["uris"][0]["size"] == 4


def test_what_was_completed_is_merged(store: Store, tmp_path: Path) -> None:
    """A slice of a training that goes on, and one of it completed, are one history."""
    step = store.step("Train")
    version = step.updated(store.model("net"))
    store.slice(tmp_path / "before.db")
    version.add(uris="file:///w", depends_on=store.data("more"), scores={"accuracy": 0.9})
    step.finish()
    store.slice(tmp_path / "after.db")
    with open_store(f"sqlite:///{tmp_path / 'other.db'}") as other:
        for part in ("before.db", "after.db", "after.db"):
            other.merge(tmp_path / part)
        found = other.documents().record(version.urn)
        assert [uri["uri"] for uri in found["uris"]] == ["file:///w"]
        assert (found["scores"], found["live"]) == ({"accuracy": 0.9}, False)
        assert other.check() == []
