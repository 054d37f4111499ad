"""Values on the command line: what becomes a number, and what stays as it was typed."""

from __future__ import annotations

import math
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braid.cli.arguments import NumberPair, Pair, typed

TEXTS = [
    *("1.10", "7e10", "12e3456", "1234567a", "00", "007", "-0", "+1", "1_000", " 1", "1 ", "１"),
    *("1e5", "1e-5", ".5", "5.", "0x10", "nan", "inf", "Infinity", "NaN", "null", "True", "TRUE"),
    *("9223372036854775808", "-9223372036854775808", "1" * 5000, "1." + "0" * 5000, "", "[1]"),
    *('{"a": 1}', '"half', "a=b", "2026-11-01"),
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
def test_text_that_a_number_would_change_stays_text(text: str) -> None:
    assert Pair().convert(f"a={text}", None, None) == ("a", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.1", 1.1),
        ("70000000000.0", 70000000000.0),
        ("1e+16", 1e16),
        ("1e-05", 1e-5),
        ("0", 0),
        ("-17", -17),
        ("9223372036854775807", 9223372036854775807),
        ("true", True),
        ("false", False),
        ('"1.1"', "1.1"),
        ('"true"', "true"),
        ('"a\\"b"', 'a"b'),
    ],
)
def test_a_canonical_number_keeps_its_type(text: str, value: object) -> None:
    found = typed(text)
    assert (found, type(found)) == (value, type(value))


@given(st.text() | st.from_regex(r"[-+0-9.eE_]{1,24}", fullmatch=True))
def test_a_number_is_written_as_it_was_typed(text: str) -> None:
    found = typed(text)
    if isinstance(found, bool):
        assert text in ("true", "false")
    elif not isinstance(found, str):
        assert repr(found) == text


@given(st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_what_a_program_prints_is_a_number_again(value: float) -> None:
    found = typed(str(value))
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("given_", "value"),
    [
        ("v:str=1.1", ("v", "1.1")),
        ('v:str="1"', ("v", '"1"')),
        ("n:int=007", ("n", 7)),
        ("lr:float=1e-5", ("lr", 1e-5)),
        ("n:float=3", ("n", 3.0)),
        ("b:bool=false", ("b", False)),
        ("x:float=inf", ("x", math.inf)),
        ("x:float=-Infinity", ("x", -math.inf)),
        ("a:b=c", ("a:b", "c")),
        ("urn:x:1=2", ("urn:x:1", 2)),
        ("a:b:int=2", ("a:b", 2)),
        ("v:str=", ("v", "")),
        ("v=a:int=2", ("v", "a:int=2")),
    ],
)
def test_a_type_may_be_said(given_: str, value: tuple[str, object]) -> None:
    found = Pair().convert(given_, None, None)
    assert (found, type(found[1])) == (value, type(value[1]))


def test_nan_may_be_said() -> None:
    assert math.isnan(Pair().convert("x:float=nan", None, None)[1])


@pytest.mark.parametrize(
    "wrong",
    [
        *("x", "=1", "x:int", ":int=1", "x:int=1.0", "x:int=a", "x:int=", "x:int=1_0"),
        *(
            "x:int=9223372036854775808",
            f"x:int={'1' * 5000}",
            "x:float=a",
            "x:float=1_0",
            "x:float=",
        ),
        *("x:bool=1", "x:bool=True"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_refused(wrong: str) -> None:
    with pytest.raises(click.BadParameter):
        Pair().convert(wrong, None, None)


@pytest.mark.parametrize(("text", "number"), [("0.90", 0.9), ("1e-5", 1e-5), ("1", 1.0)])
def test_a_score_is_a_number_in_any_spelling(text: str, number: float) -> None:
    assert NumberPair().convert(f"f1={text}", None, None) == ("f1", number)
    assert NumberPair().convert(f"f1:float={text}", None, None) == ("f1", number)


@pytest.mark.parametrize("wrong", ["f1", "f1=a", "f1=", "f1:str=1", "f1:bool=true", "f1:int=1.5"])
def test_a_score_that_is_no_number_is_refused(wrong: str) -> None:
    with pytest.raises(click.BadParameter):
        NumberPair().convert(wrong, None, None)


@pytest.mark.parametrize(
    ("text", "said"), [("1.10", 1), ("1e-5", 1), ("007", 0), ("12e3456", 0), ("1.1", 0), ("a", 0)]
)
def test_a_decimal_number_that_is_kept_as_text_is_pointed_out(
    text: str, said: int, capsys: pytest.CaptureFixture[str]
) -> None:
    pair: Any = Pair().convert(f"v={text}", None, None)
    err = capsys.readouterr().err
    assert pair[0] == "v"
    assert err.count("v:float=") == said
