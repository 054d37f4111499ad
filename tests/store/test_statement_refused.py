"""What is no statement, or not whole, is refused; what makes no sense does not hold."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from provenance_store import Store
from provenance_store.errors import InvalidInput
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


@pytest.mark.parametrize(
    "document",
    [None, [], "text", 3, {}, {"_type": "x"}, {"_type": "https://in-toto.io/Statement/v0.1"}],
)
def test_what_is_no_statement_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput, match="no in-toto Statement"):
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
        lambda e: e["leaves"][0].update(record={}),
        lambda e: e["leaves"][0].update(leaf="zz"),
        lambda e: e["leaves"][0]["record"].pop("links"),
        lambda e: e["leaves"][0]["record"].update(links=3),
        lambda e: e["tree"].update(size=1),
        lambda e: e["tree"].clear(),
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
