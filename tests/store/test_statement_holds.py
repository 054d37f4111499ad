"""Statements hold while nothing changes, and name what was altered, in a store or in a file."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from provenance_store import Mark, Store, open_store
from provenance_store.sql.tables import TABLE
from provenance_store.statement.document import evidence_of, state
from provenance_store.statement.page import account
from provenance_store.statement.verdict import judge
from tests.support.science import HOUR, NOON, Science, some_science
from tests.support.statements import (
    Statement,
    change,
    check_file,
    gaps,
    made,
    verified,
    where,
)


def test_a_statement_holds_as_long_as_nothing_changes(store: Store, science: Science) -> None:
    verdict = verified(store, made(store, science))
    assert (verdict.holds, verdict.differences, verdict.notes) == (True, (), ())


def test_later_tags_and_descendants_do_not_break_it(store: Store, science: Science) -> None:
    statement = made(store, science)
    store.tag(science.scan, {"sample": "Cu", "quality": 1})
    store.data("later", depends_on=[science.peaks])
    assert verified(store, statement).holds
    tags = store.documents().statement(science.peaks.urn)["predicate"]["evidence"]["tree"]["root"]
    assert tags != statement["predicate"]["evidence"]["tree"]["root"]


ALTERED: dict[str, tuple[Callable[[Science], sa.Executable], str, str]] = {
    "a name": (lambda s: where("record", id=s.scan.id).values(name="scan-18"), "scan", "name"),
    "a time": (lambda s: where("record", id=s.scan.id).values(created_at=1), "scan", "created_at"),
    "a kind": (lambda s: where("record", id=s.config.id).values(kind=2), "config", "kind"),
    "an owner": (lambda s: where("record", id=s.scan.id).values(audience=None), "scan", "owner"),
    "a run": (lambda s: where("record", id=s.apply.id).values(run_id="run-2"), "apply", "run_id"),
    "an environment": (
        lambda s: where("record", id=s.train.id).values(environment="sha256:00"),
        "train",
        "environment",
    ),
    "a digest": (
        lambda s: where("uri", record_id=s.scan.id).values(digest="sha256:00"),
        "scan",
        "digest of globus://collection/scan-17.h5",
    ),
    "a size": (
        lambda s: where("uri", record_id=s.model.id).values(size=1),
        "model",
        "size of globus://collection/weights.h5",
    ),
    "a file": (
        lambda s: where("uri", record_id=s.config.id).values(uri="file:///x"),
        "config",
        "the file file:///x is in the store only",
    ),
    "a tag": (
        lambda s: where("tag", record_id=s.peaks.id).values(text="401"),
        "peaks",
        "tags.peaks",
    ),
    "a tag's type": (
        lambda s: where("tag", record_id=s.peaks.id).values(type=1),
        "peaks",
        "tags.peaks",
    ),
    "parameters": (
        lambda s: where("payload", record_id=s.train.id).values(document="{}"),
        "train",
        "documents.parameters",
    ),
    "hyperparameters": (
        lambda s: where("payload", record_id=s.model.id).values(document='{"rate": 0.1}'),
        "model",
        "documents.hyperparameters",
    ),
    "a score": (
        lambda s: where("metric", record_id=s.model.id, name="mae").values(value=0.01),
        "model",
        "model.scores",
    ),
    "a curve": (
        lambda s: where("metric", record_id=s.model.id, name="loss", step=2).values(value=0.2),
        "model",
        "model.curve",
    ),
    "a version's number": (
        lambda s: where("version", id=s.model.id).values(depth=2),
        "model",
        "model.version",
    ),
    "a step's address": (
        lambda s: where("step", id=s.apply.id).values(action_url="https://a.example.org"),
        "apply",
        "step.action_url",
    ),
    "a step's outcome": (
        lambda s: where("outcome", id=s.train.id).values(status="FAILED"),
        "train",
        "step.status",
    ),
    "a step's end": (
        lambda s: where("outcome", id=s.train.id).values(completed_at=1),
        "train",
        "step.completed_at",
    ),
    "a link less": (
        lambda s: sa.delete(TABLE["link"]).where(TABLE["link"].c.from_id == s.peaks.id),
        "peaks",
        "the link generated_by",
    ),
    "a link more": (
        lambda s: sa.insert(TABLE["link"]).values(from_id=s.scan.id, to_id=s.config.id, role=4),
        "scan",
        "the link derived_from",
    ),
    "a record less": (
        lambda s: sa.delete(TABLE["record"]).where(TABLE["record"].c.id == s.config.id),
        "config",
        "not in the store",
    ),
}


@pytest.mark.parametrize("what", ALTERED)
def test_what_was_altered_in_the_store_is_named(store: Store, science: Science, what: str) -> None:
    make, name, field = ALTERED[what]
    statement = made(store, science)
    change(store, make(science))
    verdict = verified(store, statement)
    assert not verdict.holds
    assert verdict.is_whole
    altered = getattr(science, name).urn
    named = [d for d in verdict.differences if d.record == altered]
    assert any(field in difference.field for difference in named), verdict.differences
    assert {d.record for d in verdict.differences} == {altered}


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        (lambda: sa.update(TABLE["origin"]).values(who="mallory"), "origin"),
        (lambda: sa.update(TABLE["run"]).values(run_owner="mallory"), "run"),
        (lambda: sa.update(TABLE["environment"]).values(document="{}"), "environment"),
    ],
)
def test_what_was_altered_around_the_records_is_named(
    store: Store, science: Science, alter: Callable[[], sa.Executable], named: str
) -> None:
    statement = made(store, science)
    change(store, alter())
    verdict = verified(store, statement)
    assert not verdict.holds
    assert any(d.record.startswith(named) for d in verdict.differences)


def leaf_of(statement: Statement, urn: str) -> dict[str, Any]:
    (leaf,) = (x for x in statement["predicate"]["evidence"]["leaves"] if x["id"] == urn)
    found: dict[str, Any] = leaf
    return found


def test_a_file_whose_evidence_was_altered_names_the_record(store: Store, science: Science) -> None:
    statement = copy.deepcopy(made(store, science))
    leaf_of(statement, science.scan.urn)["record"]["tags"]["sample"]["value"] = "Cu"
    verdict = judge(statement, None)
    assert [d.record for d in verdict.differences] == [science.scan.urn]


def test_a_file_with_a_new_leaf_for_altered_evidence_does_not_hold(
    store: Store, science: Science
) -> None:
    from provenance_store.statement.record_hash import leaf_hash

    statement = copy.deepcopy(made(store, science))
    leaf = leaf_of(statement, science.scan.urn)
    leaf["record"]["name"] = "another"
    leaf["leaf"] = leaf_hash(leaf["record"]).hex()
    assert any(d.field == "tree root" for d in judge(statement, None).differences)


@pytest.mark.parametrize(
    "part", ["claim", "counts", "chain", "models", "facts", "begins_with", "not_supported"]
)
def test_an_account_that_does_not_follow_does_not_hold(
    store: Store, science: Science, part: str
) -> None:
    statement = copy.deepcopy(made(store, science))
    statement["predicate"][part] = {} if isinstance(statement["predicate"][part], dict) else []
    (difference,) = judge(statement, None).differences
    assert part in difference.field


def test_a_subject_that_does_not_follow_does_not_hold(store: Store, science: Science) -> None:
    statement = copy.deepcopy(made(store, science))
    statement["subject"][1]["digest"]["sha256"] = "00"
    assert [d.record for d in judge(statement, None).differences] == ["the subject"]


def test_a_digest_found_later_counts_and_another_speaks_against_it(store: Store) -> None:
    science = some_science(store, digests=False)
    before = made(store, science)
    uri, then = "globus://collection/scan-17.h5", store.clock()
    check_file(store, science.scan.urn, uri, "sha256:" + "ab" * 32, then)
    after = made(store, science)
    assert science.scan.urn not in gaps(after)["no_digest"]["records"]
    assert "ab" * 32 in account(after)
    assert verified(store, before).holds
    check_file(store, science.scan.urn, uri, "sha256:" + "cd" * 32, store.clock())
    assert gaps(made(store, science))["files_changed"]["records"] == [science.scan.urn]
    assert verified(store, after).holds


def test_a_mark_is_not_part_of_a_record(store: Store, science: Science) -> None:
    statement = made(store, science)
    store.mark(science.scan, Mark.PROMOTED, "closed")
    assert verified(store, statement).holds


def run_of(statement: Statement) -> dict[str, Any]:
    found: dict[str, Any] = statement["predicate"]["evidence"]["runs"]["run-1"]
    return found


def test_a_run_that_went_on_since_is_told_and_holds(store: Store, science: Science) -> None:
    store.recorder().run("run-1", status="ACTIVE", label="First")
    before = made(store, science)
    ended = store.clock()
    store.recorder().run("run-1", status="FAILED", label="Last", completion_time=ended)
    verdict = verified(store, before)
    assert verdict.holds, verdict.differences
    assert any("status is stated as ACTIVE, and is FAILED today" in n for n in verdict.notes)
    after = made(store, science)
    assert verified(store, after).notes == ()
    for lie in ("SUCCEEDED", "ACTIVE", None):
        run_of(after)["status"] = lie
        (difference,) = verified(store, after).differences
        assert (difference.record, difference.field) == ("run run-1", "status")
        assert (difference.stated, difference.found) == (lie, "FAILED")


def test_what_was_recorded_of_a_run_later_and_was_so_before_is_told_and_holds(
    store: Store, science: Science
) -> None:
    statement = made(store, science)
    with open_store(store.sink.session.engine.url.render_as_string(False)) as later:
        harvested = later.recorder(clock=lambda: NOON + HOUR)
        harvested.run("run-1", status="SUCCEEDED", label="Harvested", start_time=NOON - HOUR)
    verdict = verified(store, statement)
    assert verdict.holds, verdict.differences
    assert len(verdict.notes) == 3


def test_an_invalidation_that_was_never_made_does_not_hold(store: Store, science: Science) -> None:
    store.invalidate(science.scan.urn, cause="the beam was off")
    statement = made(store, science)
    store.restore(science.scan.urn, cause="it was on")
    store.invalidate(science.scan.urn, cause="it was off after all")
    assert verified(store, statement).holds
    for why in statement["predicate"]["evidence"]["invalidated"].values():
        why["cause"] = "somebody made it up"
    differences = verified(store, state(evidence_of(statement))).differences
    assert {d.field for d in differences} == {"its validity"}


def test_data_that_was_closed_since_is_as_it_was_then(store: Store) -> None:
    live = store.data("stream", live=True)
    result = store.data("result", depends_on=[live])
    before = store.documents().statement(result.urn)
    live.promote()
    assert verified(store, before).holds
    evidence = evidence_of(before)
    verdict = verified(store, state({**evidence, "open": []}))
    assert [d.record for d in verdict.differences] == [live.urn]
