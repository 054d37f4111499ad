"""A statement on a model that is still trained stays true; a curve that is altered is found."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provenance_store import Store, open_store
from provenance_store.sql.tables import TABLE
from provenance_store.statement.document import evidence_of, state
from provenance_store.statement.verdict import judge
from tests.support.statements import Statement, change, verified, where

Point = dict[str, Any]

FIRST = [{"step": 500, "epoch": 0.16, "loss": 1.5}, {"step": 1000, "epoch": 0.32, "loss": "NaN"}]


def curve_of(statement: Statement) -> dict[str, Any]:
    (leaf,) = statement["predicate"]["evidence"]["leaves"]
    found: dict[str, Any] = leaf["record"]["model"]["curve"]
    return found


def as_before(statement: Statement) -> Statement:
    """As earlier versions made it: the whole curve, without saying where it ended."""
    older = copy.deepcopy(statement)
    del curve_of(older)["ends"]
    return state(evidence_of(older))


def test_a_leaf_says_where_each_series_of_a_curve_ended(store: Store) -> None:
    version = store.model("net", metrics=[*FIRST, {"epoch": 0.5, "acc": 0.7}])
    curve = curve_of(store.documents().statement(version))
    assert (curve["values"], curve["ends"]) == (
        5,
        [
            {"by": "epoch", "name": "acc", "points": 1, "last": "0.5"},
            {"by": "step", "name": "epoch", "points": 2, "last": "1000"},
            {"by": "step", "name": "loss", "points": 2, "last": "1000"},
        ],
    )


def test_a_statement_holds_while_the_training_goes_on_and_says_so(store: Store) -> None:
    with store.step("Train") as step:
        version = step.updated(store.model("net"), metrics=FIRST)
        statement = store.documents().statement(version, limit=10)
        version.log([{"step": 1500, "epoch": 0.5, "loss": 0.9}, {"step": 1, "grad_norm": 3}])
        verdict = verified(store, statement)
        assert verdict.holds, verdict.differences
        (note,) = verdict.notes
        assert note.startswith("Logged since: 3 values of the curves of 1 model version;")
        again = store.documents().statement(version, limit=10)
        assert again != statement
        assert verified(store, again).notes == ()


def test_a_curve_that_began_after_the_statement_is_no_difference(store: Store) -> None:
    version = store.model("net")
    statement = store.documents().statement(version)
    version.log(epoch=0, loss=1)
    assert verified(store, statement).holds


def rows(**key: Any) -> sa.Delete:
    chosen = TABLE["metric"]
    return sa.delete(chosen).where(*(chosen.c[name] == value for name, value in key.items()))


def inserted(version_id: int, step: float, name: str) -> sa.Insert:
    row = {"record_id": version_id, "series": 3, "name": name, "step": step, "value": 0.1}
    return sa.insert(TABLE["metric"]).values(row)


ALTERED: dict[str, tuple[Callable[[int], sa.Executable], str]] = {
    "a value": (lambda i: where("metric", record_id=i, step=500).values(value=0), "digest"),
    "NaN": (
        lambda i: where("metric", record_id=i, name="loss", step=1000).values(special=2),
        "dig",
    ),
    "its last point": (lambda i: rows(record_id=i, name="loss", step=1000), "points of loss"),
    "its first point": (lambda i: rows(record_id=i, name="loss", step=500), "points of loss"),
    "a series": (lambda i: rows(record_id=i, name="epoch"), "points of epoch"),
    "a point before": (lambda i: inserted(i, 1, "loss"), "points of loss by step up to 1000"),
    "a point between": (lambda i: inserted(i, 500.5, "loss"), "points of loss by step up to 1000"),
    "a place": (lambda i: where("metric", record_id=i, step=500).values(step=501), "digest"),
    "the last place": (
        lambda i: where("metric", record_id=i, name="loss", step=1000).values(step=999),
        "last of loss",
    ),
    "the counter": (lambda i: where("metric", record_id=i, step=500).values(series=1), "points of"),
    "a name": (lambda i: where("metric", record_id=i, name="loss").values(name="acc"), "points of"),
}


@pytest.mark.parametrize("what", ALTERED)
def test_what_was_altered_in_the_stated_part_is_named(store: Store, what: str) -> None:
    alter, field = ALTERED[what]
    version = store.model("net", metrics=FIRST)
    statement = store.documents().statement(version)
    version.log(step=2000, loss=0.1, other=1)
    change(store, alter(version.id))
    verdict = verified(store, statement)
    assert not verdict.holds
    assert {difference.record for difference in verdict.differences} == {version.urn}
    assert any(
        f"model.curve{sep}{field}" in d.field for d in verdict.differences for sep in (": ", ".")
    )


def test_a_point_that_comes_late_before_the_stated_end_is_a_difference(store: Store) -> None:
    """Points have no time of their own: this one may as well have been made up."""
    version = store.model("net", metrics=FIRST)
    statement = store.documents().statement(version)
    version.log(step=750, loss=1.2)
    (difference,) = verified(store, statement).differences
    assert difference.field == "model.curve: points of loss by step up to 1000"
    assert (difference.stated, difference.found) == (2, 3)


def test_a_statement_of_an_earlier_version_is_verified_as_it_was(store: Store) -> None:
    version = store.model("net", metrics=FIRST)
    statement = as_before(store.documents().statement(version))
    assert verified(store, statement).holds
    version.log(step=2000, loss=0.1)
    fields = [difference.field for difference in verified(store, statement).differences]
    assert fields == ["model.curve.values", "model.curve.digest"]


@pytest.mark.parametrize(
    "change_end",
    [
        lambda end: end.update(last="01000"),
        lambda end: end.update(last="1e3"),
        lambda end: end.update(last="nan"),
        lambda end: end.update(last="the end"),
        lambda end: end.update(points=0),
        lambda end: end.update(points=7),
        lambda end: end.update(by="epoch"),
    ],
)
def test_ends_that_make_no_sense_are_found_without_a_store(
    store: Store, change_end: Callable[[dict[str, Any]], None]
) -> None:
    version = store.model("net", metrics=[*FIRST, {"epoch": 1, "acc": 0.5}])
    statement = copy.deepcopy(store.documents().statement(version))
    change_end(curve_of(statement)["ends"][-1])
    verdict = judge(state(evidence_of(statement)), None)
    assert not verdict.holds
    assert all(re.search("its curve", one.field) for one in verdict.differences)


PLACES = st.one_of(st.integers(-3, 9), st.sampled_from([0.5, 1.25, 7.75]))
VALUES = st.one_of(st.floats(-9, 9), st.sampled_from([math.nan, math.inf, -math.inf]))
POINTS = st.lists(
    st.tuples(st.sampled_from(["step", "epoch"]), PLACES, st.sampled_from(["loss", "acc"]), VALUES),
    max_size=8,
)


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('curves') / 'braid.db'}") as opened:
        yield opened


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=POINTS, after=POINTS)
@example(before=[("step", 1, "loss", 1.0)], after=[("epoch", 0, "loss", 1.0)])
@example(before=[("step", 1, "loss", 1.0)], after=[("step", 1, "loss", 2.0)])
def test_it_holds_unless_a_point_came_before_where_its_series_ended(
    one_store: Store, before: Sequence[tuple[Any, ...]], after: Sequence[tuple[Any, ...]]
) -> None:
    version = one_store.model("net")
    places: dict[tuple[str, str], set[float]] = {}
    for by, at, name, value in before:
        version.log({by: at, name: value})
        places.setdefault((by, name), set()).add(at)
    one_store.sink.flush()
    statement = one_store.documents().statement(version)
    late, since = 0, set()
    for by, at, name, value in after:
        version.log({by: at, name: value})
        known = places.get((by, name), set())
        if at in known or (by, at, name) in since:
            continue  # what the curve has there stays
        since.add((by, at, name))
        late += bool(known) and at < max(known)
    one_store.sink.flush()
    verdict = verified(one_store, statement)
    assert verdict.holds == (late == 0), verdict.differences
    assert bool(verdict.notes) == (len(since) > late)
