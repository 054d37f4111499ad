"""Reading and writing a run's state by path."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.language import LanguageError, PathNotFound, is_present, put, resolve
from flows.language.paths import plain_steps

STATE: dict[str, Any] = {
    "a": {"b": [{"c": 1}, {"c": 2}], "with-dash": True, "Ünïcode": "ü"},
    "list": ["x", "y", "z"],
    "null": None,
    "spaced name": 5,
    "_context": {"run_id": "r"},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", STATE),
        ("$.a.b[0].c", 1),
        ("$.a.b[-1].c", 2),
        ("$.a['with-dash']", True),
        ("$.a.with-dash", True),
        ('$["spaced name"]', 5),
        ("$.a.Ünïcode", "ü"),
        ("$.null", None),
        ("$._context.run_id", "r"),
        ("$.list[1:]", ["y", "z"]),
        ("$.list[5:]", []),
        ("$.list[0:2]", ["x", "y"]),
        ("$.a.b[*].c", [1, 2]),
        ("$..c", [1, 2]),
        ("$.a.b[?@.c > 1].c", [2]),
    ],
)
def test_a_path_selects(path: str, expected: object) -> None:
    assert resolve(path, STATE) == expected


@pytest.mark.parametrize(
    "path",
    ["$.missing", "$.a.missing", "$.list[3]", "$.list[-4]", "$.list.x", "$.null.x", "$.a[0]"],
)
def test_a_path_that_leads_nowhere_is_not_found(path: str) -> None:
    assert not is_present(path, STATE)
    with pytest.raises(PathNotFound, match=r"is not in the state"):
        resolve(path, STATE)


@pytest.mark.parametrize(
    "path",
    ["", "a.b", "$.", "$.a[", "$.a[x]", "$[?@.a", "$" + "[" * 5000, "$..*..a"],
)
def test_a_path_that_is_not_valid_is_refused(path: str) -> None:
    with pytest.raises(LanguageError):
        resolve(path, STATE)


@pytest.mark.parametrize(
    ("path", "state", "expected"),
    [
        ("$", {"old": 1}, "new"),
        ("$.x", {"old": 1}, {"old": 1, "x": "new"}),
        ("$.x.y.z", {"old": 1}, {"old": 1, "x": {"y": {"z": "new"}}}),
        ("$.x.y", {"x": {"z": 1}}, {"x": {"z": 1, "y": "new"}}),
        ("$.x.y", {"x": None}, {"x": {"y": "new"}}),
        ("$.m[0].id", {"m": [{"a": 1}]}, {"m": [{"a": 1, "id": "new"}]}),
        ("$.m[-1]", {"m": [1, 2]}, {"m": [1, "new"]}),
    ],
)
def test_a_result_is_put_at_its_path_in_a_new_state(path: str, state: Any, expected: Any) -> None:
    before = copy.deepcopy(state)
    assert put(path, state, "new") == expected
    assert state == before


@pytest.mark.parametrize(
    "path",
    ["$._context", "$._context.run_id", "$.a[*]", "$..a", "$.text.x", "$.list[9]", "$.list.x"],
)
def test_a_result_cannot_be_put_just_anywhere(path: str) -> None:
    with pytest.raises(LanguageError):
        put(path, {"text": "t", "list": [1]}, "new")


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda name: name != "_context"
)


@given(st.lists(NAMES, min_size=1, max_size=6), st.integers())
def test_what_was_put_is_found_again(names: list[str], value: int) -> None:
    path = "$." + ".".join(names)
    assert resolve(path, put(path, {"other": 1}, value)) == value


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    plain_steps(f"${text}")
    with contextlib.suppress(LanguageError):
        resolve(f"${text}", STATE)
