"""Whatever is changed in a statement, its verification says so.

Each history's statement is changed at every kind of place, in several ways. It must be refused, or
not hold, with a sentence; only what no record says may be another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from provenance_store import Store
from provenance_store.errors import BadFile, BraidError
from provenance_store.statement.document import evidence_of, state
from provenance_store.statement.envelope import read_json
from provenance_store.statement.verdict import Verdict, judge, opened
from tests.support.altered import Alteration, alterations, altered, at_place
from tests.support.histories import HISTORIES, stated
from tests.support.science import Science
from tests.support.statements import Statement, made, verified

EVIDENCE = ("predicate", "evidence")
NOT_DERIVED = {
    ("predicate", "made_with"): "the program that made it, which no record names",
    (*EVIDENCE, "as_of"): "the time that was asked for",
    (*EVIDENCE, "limit"): "the limit that was asked for, unless it was reached",
}
TELLS_LESS = {
    ("predicate", "evidence", "leaves", "*", "record", "model", "curve", "ends", "removed"): (
        "earlier versions state the whole curve, and not where it ended"
    ),
    (*EVIDENCE, "imports", "removed"): "earlier versions tell of no imports, which is noted",
    (*EVIDENCE, "imports", "*", "by", "null"): "a slice does not know who imported",
}


def found_out(store: Store | None, statement: Statement) -> bool:
    """Whether verification refuses it, or says in sentences that it does not hold."""
    try:
        read, envelope = opened(read_json(json.dumps(statement).encode()))
        verdict = verified(store, read) if store else judge(read, envelope)
    except BadFile as error:
        return bool(error.message)
    return not verdict.holds and all(one.sentence() for one in verdict.differences)


def some(every: Iterable[Alteration]) -> list[Alteration]:
    """One of each kind: records look alike, and there are thousands of ways."""
    found: dict[tuple[str, ...], Alteration] = {}
    for one in every:
        if one.place not in NOT_DERIVED and one.kind not in TELLS_LESS:
            found.setdefault(one.kind, one)
    return list(found.values())


def lies(statement: Statement) -> Iterator[tuple[Alteration, Statement]]:
    """The statement with one change each."""
    for alteration in some(alterations(statement)):
        yield alteration, altered(statement, alteration)


def made_to_fit(statement: Statement) -> Iterator[tuple[Alteration, Statement]]:
    """The evidence with one change each, and everything that follows from it made anew."""
    evidence = at_place(statement, EVIDENCE)
    for alteration in some(alterations(evidence, EVIDENCE)):
        if alteration.place == EVIDENCE:
            continue
        changed = altered(statement, alteration)
        try:
            if (fitting := state(evidence_of(changed))) != statement:
                yield alteration, fitting
        except (BraidError, KeyError, TypeError, ValueError, AttributeError, IndexError):
            continue  # nothing follows from that


@pytest.mark.parametrize("name", HISTORIES)
def test_a_statement_that_nobody_changed_holds(name: str, tmp_path: Path) -> None:
    with stated(name, tmp_path) as (store, statement):
        verdict: Verdict = verified(store, opened(json.loads(json.dumps(statement)))[0])
        assert verdict.holds, verdict.differences


@pytest.mark.parametrize("name", ["science", "troubled", "sliced", "hidden", "one thing"])
def test_any_change_of_a_statement_is_found(name: str, tmp_path: Path) -> None:
    with stated(name, tmp_path) as (store, statement):
        passed = [str(what) for what, lie in lies(statement) if not found_out(store, lie)]
    assert passed == []


@pytest.mark.parametrize("name", HISTORIES)
def test_evidence_that_was_changed_and_made_to_fit_is_found(name: str, tmp_path: Path) -> None:
    with stated(name, tmp_path) as (store, statement):
        tried = list(made_to_fit(statement))
        assert len(tried) > 100
        passed = [str(what) for what, lie in tried if not found_out(store, lie)]
    assert passed == []


def test_what_no_record_says_has_to_make_sense(store: Store, science: Science) -> None:
    statement = made(store, science)
    for place in NOT_DERIVED:
        for how in alterations(at_place(statement, place), place):
            if how.how not in ("one more", "other text"):
                assert found_out(None, altered(statement, how)), str(how)
    for place, value in (
        (("predicate", "made_with"), "braid-provenance 1.0, checked by an auditor"),
        ((*EVIDENCE, "as_of"), "9999-01-01T00:00:00.000000+00:00"),
        ((*EVIDENCE, "as_of"), "2026-01-01"),
        ((*EVIDENCE, "as_of"), "yesterday"),
        ((*EVIDENCE, "limit"), 3),
        ((*EVIDENCE, "limit"), 100_001),
    ):
        assert found_out(None, altered(statement, Alteration(place, "set", value))), value


def test_a_limit_that_was_reached_is_derived(store: Store, science: Science) -> None:
    statement = store.documents().statement(science.peaks.urn, limit=3)
    for limit in (2, 4, 10_000):
        lie = altered(statement, Alteration((*EVIDENCE, "limit"), "set", limit))
        assert found_out(None, lie)
