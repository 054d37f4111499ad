"""Parameters, private parameters, and ``$._context``."""

from __future__ import annotations

import pytest

from flows.language import (
    ExpressionError,
    LanguageError,
    PathNotFound,
    RunContext,
    hide_private_parameters,
    render,
    render_for_log,
    strip_private,
    with_context,
)

STATE = {"a": {"b": 1}, "list": [1, 2, 3], "_private_key": "secret"}
TEMPLATE = {
    "constant": {"a.b": "$.a.b"},
    "ref.$": "$.a.b",
    "computed.=": "a.b + 1",
    "items": [{"deep.$": "$.list[0]", "sum.=": "a.b + list[1]"}, "$.a.b"],
    "rest.$": "$.list[1:]",
    "nested": {"password.$": "$._private_key", "__Private_Parameters": ["password"]},
    "pin.=": "a.b",
    "__Private_Parameters": ["pin.="],
}


def test_parameters_are_filled_in_at_any_depth() -> None:
    assert render(TEMPLATE, STATE) == {
        "constant": {"a.b": "$.a.b"},
        "ref": 1,
        "computed": 2,
        "items": [{"deep": 1, "sum": 3}, "$.a.b"],
        "rest": [2, 3],
        "nested": {"password": "secret"},
        "pin": 1,
    }


def test_the_log_shows_references_resolved_expressions_as_written_and_nothing_private() -> None:
    assert render_for_log(TEMPLATE, STATE) == {
        "constant": {"a.b": "$.a.b"},
        "ref": 1,
        "computed.=": "a.b + 1",
        "items": [{"deep": 1, "sum.=": "a.b + list[1]"}, "$.a.b"],
        "rest": [2, 3],
        "nested": {},
    }


def test_a_definition_is_shown_without_private_parameters() -> None:
    shown = hide_private_parameters(TEMPLATE)
    assert "pin.=" not in shown
    assert shown["nested"] == {}
    assert shown["ref.$"] == "$.a.b"


def test_private_state_is_stripped_at_any_depth() -> None:
    state = {"a": [{"_private_x": 1, "y": 2}], "_privateer": 3, "private": 4}
    assert strip_private(state) == {"a": [{"y": 2}], "private": 4}


@pytest.mark.parametrize(
    ("template", "error", "where"),
    [
        ({"x": [{"y.$": "$.nope"}]}, PathNotFound, "Parameters.x[0].y.$: "),
        ({"x.=": "nope"}, ExpressionError, "Parameters.x.=: "),
        ({"x.=": None}, LanguageError, "Parameters.x.=: "),
        ({"x.$": {"a": 1}}, LanguageError, "Parameters.x.$: "),
        ({"x.$": "a.b"}, LanguageError, "Parameters.x.$: "),
    ],
)
def test_an_error_names_the_place(template: object, error: type[Exception], where: str) -> None:
    with pytest.raises(error) as raised:
        render(template, STATE)
    assert str(raised.value).startswith(where)


def test_the_context_has_the_documented_members_and_the_older_name_of_the_run_id() -> None:
    context = RunContext("flow", "run", "user@example.org", "urn:x", identities=("urn:x",))
    view = with_context({"a": 1}, context)
    assert view["a"] == 1
    assert set(view["_context"]) == {
        *("flow_id", "run_id", "action_id", "username", "email", "user_id", "identities"),
        "token_info",
    }
    assert view["_context"]["action_id"] == "run"


def test_a_state_that_is_no_object_has_no_context() -> None:
    assert with_context([1], RunContext("flow", "run", "user", "urn:x")) == [1]
