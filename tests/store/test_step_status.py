"""Steps by how they ended: in lists of records and in lineages."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from provenance_store import open_store
from provenance_store.errors import InvalidInput
from provenance_store.filters import RecordFilter
from provenance_store.sql import select
from provenance_store.store import Store
from provenance_store.values import EVERYTHING, Audience, Viewer

ADA, BOB = (f"urn:globus:auth:identity:{n:08d}-0000-4000-8000-000000000000" for n in (1, 2))
DAY = 86_400 * 1_000_000
NOW = 1_790_000_000 * 1_000_000


@pytest.fixture
def steps(store: Store) -> Store:
    """Steps that were recorded now, and ended on different days before."""
    for days, name, status in (
        (3, "early", "FAILED"),
        (2, "fine", "SUCCEEDED"),
        (1, "late", "FAILED"),
        (1, "odd", "Out of beam"),
    ):
        step = store.step(name, started_at=NOW - 9 * DAY)
        store.finish(step, status, completed_at=NOW - days * DAY)
    store.step("going on")
    store.data("no step")
    return store


def names(store: Store, status: str, **wanted: object) -> list[str]:
    page = store.documents().records(status=status, **wanted)  # type: ignore[arg-type]
    return [record["name"] for record in page["records"]]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("FAILED", ["late", "early"]),
        ("failed", ["late", "early"]),
        ("SUCCEEDED", ["fine"]),
        ("ACTIVE", ["going on"]),
        ("ENDED", []),
        ("Out of beam", ["odd"]),
    ],
)
def test_steps_are_found_by_how_they_ended(steps: Store, status: str, expected: list[str]) -> None:
    assert names(steps, status) == expected


def test_times_are_those_of_the_end(steps: Store) -> None:
    assert names(steps, "FAILED", since=NOW - 2 * DAY) == ["late"]
    assert names(steps, "FAILED", until=NOW - 2 * DAY) == ["early"]
    assert names(steps, "FAILED", since=NOW) == []
    assert names(steps, "ACTIVE", since=NOW - 2 * DAY, kind="step") == ["going on"]
    assert names(steps, "FAILED", kind="data") == []


def test_pages_of_failed_steps_follow_each_other(steps: Store) -> None:
    first = steps.documents().records(status="FAILED", limit=1)
    rest = steps.documents().records(status="FAILED", limit=1, marker=first["marker"])
    found = [record["name"] for record in (*first["records"], *rest["records"])]
    assert (found, rest["has_next_page"]) == (["late", "early"], False)


def test_a_status_that_no_step_has_is_refused_with_those_there_are(steps: Store) -> None:
    with pytest.raises(InvalidInput, match=r"SUCCEEDED or FAILED; did you mean FAILED\?"):
        names(steps, "Failled")


def test_a_status_that_may_not_be_seen_is_not_known(store: Store) -> None:
    hers = store.recorder(audience=Audience(ADA))
    for status in ("FAILED", "Out of beam"):
        hers.step("hers").finish(status)
    bob = store.documents(Viewer(frozenset({BOB})))
    assert bob.records(status="FAILED")["records"] == []
    with pytest.raises(InvalidInput, match="No step has the status"):
        bob.records(status="Out of beam")


def test_failed_steps_are_found_by_their_index(tmp_path: Path) -> None:
    """In a store of many steps, without a look at each of them."""
    query = select.records(RecordFilter(status="FAILED"), EVERYTHING, None, 25)
    with (
        open_store(f"sqlite:///{tmp_path / 'a.db'}") as store,
        store.sink.session.read() as connection,
    ):
        made = query.compile(connection, compile_kwargs={"literal_binds": True})
        plan = connection.execute(sa.text(f"EXPLAIN QUERY PLAN {made}")).all()
    told = " ".join(row[3] for row in plan)
    assert "ix_outcome_status" in told
    assert "SCAN record" not in told


# ---- lineages ----------------------------------------------------------------------------


def test_a_lineage_marks_steps_that_did_not_succeed(store: Store) -> None:
    scan = store.data("scan")
    for status in ("FAILED", "SUCCEEDED", None):
        step = store.step(f"step {status}", inputs=[scan])
        step.output(f"made {status}")
        if status is not None:
            step.finish(status)
    nodes = store.documents().lineage(scan, direction="down")["nodes"]
    assert {n["name"]: n["status"] for n in nodes if "status" in n} == {
        "step FAILED": "FAILED",
        "step None": "ACTIVE",
    }
    shown = store.documents().lineage(scan, direction="down", kinds=["step"])["nodes"]
    assert sum("status" in node for node in shown) == 2
