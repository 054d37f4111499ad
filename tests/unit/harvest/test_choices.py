"""Choice states as decisions: their rules in words, and what they compared."""

from __future__ import annotations

from typing import Any

import pytest

from flows.harvest.state_visits import Visit
from flows.harvest.values import looked_at
from flows.steps.choices import decision_of
from provenance_store.redaction import REDACTED


def choice(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Type": "Choice", "Choices": list(rules), **more}


def told(state: dict[str, Any], taken: str | None = None) -> list[tuple[str | None, str | None]]:
    decision = decision_of(state, taken)
    assert decision is not None
    assert decision.chosen == taken
    return [(option.name, option.why) for option in decision.options]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"Variable": "$.n", "NumericLessThan": 30}, "$.n NumericLessThan 30"),
        ({"Variable": "$.ok", "BooleanEquals": False}, "$.ok BooleanEquals false"),
        ({"Variable": "$.a", "StringEqualsPath": "$.b"}, "$.a StringEqualsPath $.b"),
        ({"Not": {"Variable": "$.x", "IsPresent": True}}, "not $.x IsPresent true"),
        (
            {"Or": [{"Variable": "$.x", "IsNull": True}, {"Variable": "$.y", "IsNull": True}]},
            "($.x IsNull true or $.y IsNull true)",
        ),
    ],
    ids=str,
)
def test_a_rule_is_told_in_the_words_of_the_definition(rule: dict[str, Any], words: str) -> None:
    assert told(choice(rule | {"Next": "A"}, Default="B"), "A") == [
        ("A", words),
        ("B", "otherwise"),
    ]


def test_a_state_that_several_rules_lead_to_is_one_option() -> None:
    rules = [{"Variable": f"$.{name}", "IsPresent": True, "Next": "A"} for name in "xy"]
    assert told(choice(*rules, Default="A"), "A") == [
        ("A", "$.x IsPresent true; or $.y IsPresent true; or otherwise")
    ]


@pytest.mark.parametrize(
    "state",
    [{}, {"Choices": 7}, choice(), choice({"Next": 3}), choice("x", Default=None)],  # type: ignore[arg-type]
    ids=str,
)
def test_what_is_no_choice_is_no_decision(state: dict[str, Any]) -> None:
    assert decision_of(state, None) is None


def test_rules_nested_without_end_are_told_as_far_as_it_goes() -> None:
    rule: dict[str, Any] = {"Variable": "$.x", "IsNull": True}
    for _ in range(200):
        rule = {"And": [rule, rule]}
    ((_, why),) = told(choice(rule | {"Next": "A"}))
    assert why is not None
    assert len(why) <= 500


def test_what_the_rules_compared_is_told_but_for_secrets() -> None:
    rules = [
        {"Variable": "$.n", "NumericLessThanPath": "$.limit", "Next": "A"},
        {"Variable": "$._private_key", "IsPresent": True, "Next": "A"},
        {"Not": {"Variable": "$.login.password", "IsNull": True}, "Next": "A"},
        {"Variable": "$.nowhere", "IsPresent": True, "Next": "A"},
        {"Variable": "$._context.run_id", "IsPresent": True, "Next": "A"},
    ]
    before = {"n": 3, "limit": 7, "_private_key": "s", "login": {"password": "s"}}
    visit = Visit("Which", "Choice", None, before=before)
    assert looked_at(visit, choice(*rules), {"run_id": "r1"}) == {
        "$.n": 3,
        "$.limit": 7,
        "$._private_key": REDACTED,
        "$.login.password": REDACTED,
        "$._context.run_id": "r1",
    }
    assert looked_at(Visit("Which", "Choice", None), choice(*rules), {}) is None
