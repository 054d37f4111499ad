"""Two teams with a store each: what one finds out later reaches what the other made of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from provenance_store import Store, open_store


@pytest.fixture
def a(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'team-a.db'}") as opened:
        yield opened


def test_an_invalid_scan_taints_the_inference_of_another_team(
    a: Store, store: Store, tmp_path: Path
) -> None:
    """A trains and slices; B merges, fine-tunes, infers; A invalidates; B merges again."""
    scan = a.data("scan 7", uris=["globus://a/scan-7.h5"])
    scans = a.dataset("scans", [scan, a.data("scan 8")])
    with a.step("Train", inputs=[scans]) as train:
        model = a.update(a.model("braggnn"), [scans])
        train.output("weights", depends_on=[model])
    a.slice(tmp_path / "first.db", [model.urn])

    b = store
    b.data("of our own")
    assert b.merge(tmp_path / "first.db").origins == 1
    tuned = b.model("braggnn tuned", depends_on=[model.urn], trained_on=[b.data("our scan")])
    with b.step("Infer", models=[tuned]) as infer:
        peaks = infer.output("peaks")
    assert "invalidated" not in b.documents().record(peaks.urn)

    a.invalidate(scan.urn, cause="the detector was misaligned")
    a.slice(tmp_path / "second.db", [model.urn])
    told = b.merge(tmp_path / "second.db", dry_run=True)
    assert "invalidated" not in b.documents().record(peaks.urn)
    assert b.merge(tmp_path / "second.db") == told
    assert told.tainted == 6  # scan, scans, model | tuned, Infer, peaks
    shown = b.documents().record(peaks.urn)["invalidated"]
    assert shown["cause"] == "the detector was misaligned"
    assert shown["root"] == scan.urn
    assert b.documents().record(scan.urn)["invalidated"]["root"] == scan.urn
    (ours,) = b.documents().records(name="our scan")["records"]
    assert "invalidated" not in ours
    assert b.check() == []

    later = b.data("figure", depends_on=[peaks])
    assert b.documents().record(later.urn)["invalidated"] == shown

    a.restore(scan.urn, cause="it was not")
    a.slice(tmp_path / "third.db", [model.urn])
    b.merge(tmp_path / "third.db")
    assert "invalidated" not in b.documents().record(later.urn)


def test_it_reaches_the_other_team_where_the_scan_itself_was_left_out(
    a: Store, store: Store, tmp_path: Path
) -> None:
    """The slice holds the model alone: the scan is not even a stub of the first one."""
    scan = a.data("scan 7")
    scans = a.dataset("scans", [scan])
    model = a.update(a.model("braggnn"), [scans])
    a.slice(tmp_path / "first.db", [model.urn], depth=0)
    store.merge(tmp_path / "first.db")
    peaks = store.data("peaks", depends_on=[model.urn])
    a.invalidate(scan.urn, cause="misaligned")
    a.slice(tmp_path / "second.db", [model.urn], depth=0)
    store.merge(tmp_path / "second.db")
    assert store.documents().record(peaks.urn)["invalidated"]["root"] == scan.urn
    assert store.check() == []
    assert store.info()["tables"]["stub"] == 2
    a.slice(tmp_path / "all.db")
    assert store.merge(tmp_path / "all.db").filled == 2
    assert store.info()["tables"]["stub"] == 0
    assert store.documents().record(peaks.urn)["invalidated"]["root"] == scan.urn


def test_a_scan_that_is_only_a_stub_here_is_still_the_root(
    a: Store, store: Store, tmp_path: Path
) -> None:
    """B slices what is tainted on to C, which knows neither A's scan nor A."""
    scan = a.data("scan 7")
    model = a.update(a.model("braggnn"), [scan])
    a.invalidate(scan.urn, cause="misaligned")
    a.slice(tmp_path / "b.db", [model.urn], depth=0)
    with open_store(f"sqlite:///{tmp_path / 'b.db'}") as b:
        peaks = b.data("peaks", depends_on=[model.urn])
        b.slice(tmp_path / "c.db", [peaks.urn], depth=0)
    store.merge(tmp_path / "c.db")
    assert store.documents().record(peaks.urn)["invalidated"]["root"] == scan.urn
    assert store.check() == []


def test_a_check_finds_what_does_not_follow_the_invalid_and_invalidating_again_repairs_it(
    a: Store, tmp_path: Path
) -> None:
    scan = a.data("scan")
    peaks = a.data("peaks", depends_on=[scan])
    a.invalidate(scan.urn, cause="misaligned")
    with closing(sqlite3.connect(tmp_path / "team-a.db")) as database:
        database.execute("DELETE FROM taint WHERE record_id <> root_id")
        database.commit()
    (problem,) = a.check()
    assert "Not all that derives from 1.1" in problem
    a.invalidate(scan.urn, cause="misaligned")
    assert a.check() == []
    assert "invalidated" in a.documents().record(peaks.urn)
