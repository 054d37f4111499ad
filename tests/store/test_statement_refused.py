"""What is no statement, or not whole, is refused; what makes no sense does not hold."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from provenance_store import Store
from provenance_store.errors import BadFile, InvalidInput
from provenance_store.statement.envelope import read_json
from provenance_store.statement.verdict import judge, opened
from tests.support.science import Science
from tests.support.statements import (
    Statement,
    made,
)


def broken(statement: Statement, how: Callable[[Statement], object]) -> Statement:
    wrong = copy.deepcopy(statement)
    how(wrong)
    return wrong


def leaf(statement: Statement) -> dict[str, Any]:
    found: dict[str, Any] = statement["predicate"]["evidence"]["leaves"][0]
    return found


@pytest.mark.parametrize(
    "document",
    [None, [], "text", 3, {}, {"_type": "x"}, {"_type": "https://in-toto.io/Statement/v0.1"}],
)
def test_what_is_no_statement_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput, match="neither an in-toto Statement"):
        opened(document)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"), "another kind"),
        (lambda s: s.pop("predicate"), "not complete"),
        (lambda s: s.update(subject=None), "not complete"),
        (lambda s: s["predicate"].pop("evidence"), "not complete"),
        (lambda s: s["predicate"]["evidence"].pop("leaves"), "not complete"),
        (lambda s: s["predicate"]["evidence"].update(leaves=[{}]), "not complete"),
        (lambda s: s["predicate"]["evidence"].update(truncated="no"), "not complete"),
        (lambda s: s["predicate"]["evidence"]["tree"].clear(), "not complete"),
        (lambda s: leaf(s).update(record={}), "not complete"),
        (lambda s: leaf(s)["record"].pop("links"), "not complete"),
        (lambda s: leaf(s)["record"].update(links=3), "not complete"),
        (lambda s: s.update(note="verified by hand"), "does not know.*`note`"),
        (lambda s: s["predicate"].update(verdict="holds"), "does not know.*`verdict`"),
        (lambda s: leaf(s)["record"].update(peer_reviewed=True), "does not know.*peer_reviewed"),
    ],
)
def test_a_statement_that_is_not_whole_is_refused(
    store: Store, science: Science, how: Callable[[Statement], object], sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        opened(broken(made(store, science), how))


@pytest.mark.parametrize(
    "how",
    [
        lambda e: e.update(leaves=[]),
        lambda e: e.update(root="urn:braid:x"),
        lambda e: e["leaves"].reverse(),
        lambda e: e["leaves"].append(e["leaves"][-1]),
        lambda e: e["leaves"][0].update(leaf="zz"),
        lambda e: e["tree"].update(size=1),
        lambda e: e.update(restricted=7),
        lambda e: e.update(environments={"sha256:00": {}}),
    ],
)
def test_evidence_that_makes_no_sense_does_not_hold(
    store: Store, science: Science, how: Callable[[dict[str, Any]], object]
) -> None:
    statement = broken(made(store, science), lambda s: how(s["predicate"]["evidence"]))
    verdict = judge(opened(statement)[0], None)
    assert not verdict.holds
    assert all(difference.sentence() for difference in verdict.differences)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"_type": "x", "_type": "y"}', "the field '_type' twice"),
        ('{"predicate": {"a": [{"b": 1, "b": 1}]}}', "the field 'b' twice"),
        ('{"a": NaN}', "not a JSON number"),
        ('{"a": 1e999}', "too large"),
        ('{"a": 18446744073709551616}', "more than 64 bits"),
        ('{"a": "\\ud800"}', "not Unicode"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ', "not JSON"),
        ("Statement on peaks", "JSON form"),
    ],
)
def test_json_that_programs_read_differently_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadFile, match=sentence):
        read_json(text.encode())


def test_a_statement_whose_status_is_there_twice_is_refused(store: Store, science: Science) -> None:
    text = json.dumps(made(store, science))
    lie = text.replace('"status": "SUCCEEDED"', '"status": "FAILED", "status": "SUCCEEDED"', 1)
    assert lie != text
    with pytest.raises(BadFile, match="the field 'status' twice"):
        read_json(lie.encode())


def test_an_environment_that_is_nested_too_deeply_is_refused(
    store: Store, science: Science
) -> None:
    document: Any = {}
    for _ in range(300):
        document = {"a": document}
    statement = made(store, science)
    statement["predicate"]["evidence"]["environments"]["sha256:00"] = document
    with pytest.raises(BadFile, match="nested too deeply"):
        opened(statement)
