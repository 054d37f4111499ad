"""Choice rules: every operator, and how they combine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.language import LanguageError, PathNotFound, choose, matches
from flows.language.choice import OPERATORS

NOON = "2026-11-22T12:00:00Z"
STATE: dict[str, Any] = {
    "text": "scan_17.h5",
    "other": "scan_18.h5",
    "number": 5,
    "larger": 7.5,
    "yes": True,
    "null": None,
    "noon": NOON,
    "noon_in_chicago": "2026-11-22T06:00:00-06:00",
    "evening": "2026-11-22T20:00:00Z",
    "list": [1],
}


@pytest.mark.parametrize(
    ("variable", "operator", "operand", "expected"),
    [
        ("text", "StringEquals", "scan_17.h5", True),
        ("text", "StringEqualsPath", "$.other", False),
        ("text", "StringLessThan", "scan_18", True),
        ("text", "StringLessThanPath", "$.other", True),
        ("text", "StringGreaterThan", "a", True),
        ("text", "StringGreaterThanPath", "$.other", False),
        ("text", "StringLessThanEquals", "scan_17.h5", True),
        ("text", "StringLessThanEqualsPath", "$.other", True),
        ("text", "StringGreaterThanEquals", "z", False),
        ("text", "StringGreaterThanEqualsPath", "$.text", True),
        ("text", "StringMatches", "scan_*.h5", True),
        ("text", "StringMatches", "*17*", True),
        ("text", "StringMatches", "scan_*.tif", False),
        ("text", "StringMatches", "scan_17.h5", True),
        ("number", "StringEquals", "5", False),
        ("number", "StringMatches", "*", False),
        ("number", "NumericEquals", 5.0, True),
        ("number", "NumericEqualsPath", "$.larger", False),
        ("number", "NumericLessThan", 6, True),
        ("number", "NumericLessThanPath", "$.larger", True),
        ("number", "NumericGreaterThan", 5, False),
        ("number", "NumericGreaterThanPath", "$.larger", False),
        ("number", "NumericLessThanEquals", 5, True),
        ("number", "NumericLessThanEqualsPath", "$.number", True),
        ("number", "NumericGreaterThanEquals", 6, False),
        ("number", "NumericGreaterThanEqualsPath", "$.number", True),
        ("text", "NumericEquals", 5, False),
        ("yes", "NumericEquals", 1, False),
        ("yes", "BooleanEquals", True, True),
        ("yes", "BooleanEquals", False, False),
        ("yes", "BooleanEqualsPath", "$.yes", True),
        ("number", "BooleanEquals", True, False),
        ("text", "BooleanEquals", False, False),
        ("noon", "TimestampEquals", "2026-11-22T13:00:00+01:00", True),
        ("noon", "TimestampEqualsPath", "$.noon_in_chicago", True),
        ("noon", "TimestampLessThan", "2026-11-22T12:00:01Z", True),
        ("noon", "TimestampLessThanPath", "$.evening", True),
        ("noon", "TimestampGreaterThan", NOON, False),
        ("noon", "TimestampGreaterThanPath", "$.evening", False),
        ("noon", "TimestampLessThanEquals", NOON, True),
        ("noon", "TimestampLessThanEqualsPath", "$.evening", True),
        ("noon", "TimestampGreaterThanEquals", NOON, True),
        ("noon", "TimestampGreaterThanEqualsPath", "$.evening", False),
        ("text", "TimestampEquals", NOON, False),
        ("null", "IsNull", True, True),
        ("text", "IsNull", False, True),
        ("number", "IsNumeric", True, True),
        ("yes", "IsNumeric", True, False),
        ("text", "IsString", True, True),
        ("null", "IsString", False, True),
        ("yes", "IsBoolean", True, True),
        ("number", "IsBoolean", True, False),
        ("noon", "IsTimestamp", True, True),
        ("text", "IsTimestamp", True, False),
        ("text", "IsPresent", True, True),
        ("missing", "IsPresent", False, True),
        ("missing", "IsPresent", True, False),
        ("list[0]", "IsPresent", True, True),
        ("list[1]", "IsPresent", True, False),
    ],
)
def test_a_comparison(variable: str, operator: str, operand: Any, expected: bool) -> None:
    rule = {"Variable": f"$.{variable}", operator: operand}
    assert matches(rule, STATE) is expected


def test_every_operator_is_known() -> None:
    relations = ("Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals")
    compared = [f"{k}{r}" for k in ("String", "Numeric", "Timestamp") for r in relations]
    compared.append("BooleanEquals")
    tests = ["IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp"]
    paths = [f"{name}Path" for name in compared]
    assert {*compared, *paths, *tests, "StringMatches", "And", "Or", "Not"} == OPERATORS


YES = {"Variable": "$.yes", "BooleanEquals": True}
NO = {"Variable": "$.yes", "BooleanEquals": False}
MISSING = {"Variable": "$.missing", "BooleanEquals": True}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"And": [YES, YES]}, True),
        ({"And": [YES, NO]}, False),
        ({"And": [NO, MISSING]}, False),
        ({"Or": [NO, YES]}, True),
        ({"Or": [YES, MISSING]}, True),
        ({"Or": [NO, NO]}, False),
        ({"Not": NO}, True),
        ({"Not": {"And": [YES, {"Or": [NO, YES]}]}}, False),
    ],
)
def test_rules_combine_and_stop_early(rule: dict[str, Any], expected: bool) -> None:
    assert matches(rule, STATE) is expected


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"Variable": "$.yes"},
        {"Variable": "$.yes", "BooleanEquals": True, "IsNull": True},
        {"Variable": "$.yes", "BooleanIs": True},
        {"BooleanEquals": True},
        {"And": []},
        {"And": YES},
        {"Not": [YES]},
        {"Variable": "$.number", "NumericEqualsPath": 5},
        "rule",
    ],
)
def test_a_rule_that_is_none_is_refused(rule: Any) -> None:
    with pytest.raises(LanguageError):
        matches(rule, STATE)


def test_a_comparison_with_what_is_missing_is_an_error() -> None:
    with pytest.raises(PathNotFound):
        matches(MISSING, STATE)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"Choices": [{**NO, "Next": "A"}, {**YES, "Next": "B"}], "Default": "C"}, "B"),
        ({"Choices": [{**YES, "Next": "A"}, {**YES, "Next": "B"}]}, "A"),
        ({"Choices": [{**NO, "Next": "A"}], "Default": "C"}, "C"),
        ({"Choices": [{**NO, "Next": "A"}]}, None),
    ],
)
def test_the_first_rule_that_holds_decides(choice: dict[str, Any], expected: str | None) -> None:
    assert choose(choice, STATE) == expected


@given(st.text(alphabet="ab", max_size=12), st.text(alphabet="ab*", max_size=8))
def test_a_wildcard_matches_like_the_shell(text: str, pattern: str) -> None:
    import fnmatch

    rule = {"Variable": "$.x", "StringMatches": pattern}
    assert matches(rule, {"x": text}) is fnmatch.fnmatchcase(text, pattern)


def test_an_escaped_star_is_a_star() -> None:
    rule = {"Variable": "$.x", "StringMatches": r"a\*b*"}
    assert matches(rule, {"x": "a*bc"})
    assert not matches(rule, {"x": "axbc"})
