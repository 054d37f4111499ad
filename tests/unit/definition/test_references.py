"""Paths and expressions: what they refer to, in step with the interpreter of the language."""

from __future__ import annotations

import pytest

from flows.definition.expressions import ExpressionSyntaxError, parse_expression
from flows.definition.paths import PathSyntaxError, join, overlaps, parse_path, simple_prefix
from flows.language import expressions as language
from flows.language.errors import LanguageError


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("$", "$.a", True),
        ("$.a", "$.a", True),
        ("$.a", "$.a.b[0]", True),
        ("$.a.b[0]", "$.a", True),
        ("$.a", "$.b", False),
        ("$.a.b", "$.a.c", False),
        ("$['a']", "$.a", True),
        ("$.a[0]", "$.a[1]", False),
        ("$.a[0].x", "$.a[-1]", True),
        ("$.a[1:].x", "$.a[0]", True),
        ("$.a[*].x", "$.a[0].y", False),
        ("$.a[?@.x == 1].y", "$.a[0].y", True),
        ("$..x", "$.a.b", True),
        ("$.a..x", "$.b", False),
        ("$.*", "$.a", True),
        ("$.ab", "$.a", False),
    ],
)
def test_paths_overlap_when_writing_one_can_change_the_other(
    one: str, other: str, expected: bool
) -> None:
    left, right = parse_path(one).segments, parse_path(other).segments
    assert overlaps(left, right) is overlaps(right, left) is expected


@pytest.mark.parametrize("text", ["", "a", "$a", "$.", "$.a.", "$.a[", "$.a[x]", "$..", "$.a b"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathSyntaxError):
        parse_path(text)


def test_the_part_that_an_expression_can_name_ends_before_anything_unusual() -> None:
    assert simple_prefix(parse_path("$.a.b[0].c").segments) == ("a.b[0].c", 4)
    assert simple_prefix(parse_path("$.a[1:].b").segments) == ("a", 1)
    assert simple_prefix(parse_path("$.a[-1]").segments) == ("a", 1)
    assert simple_prefix(parse_path("$['x y'].b").segments) == ("", 0)


def test_a_place_in_a_document_is_a_path_again() -> None:
    place = join(join(join("$.States", "It's mine"), "Choices"), 0)
    assert place == r"$.States['It\'s mine'].Choices[0]"
    assert parse_path(place).segments == ("States", "It's mine", "Choices", 0)


EXPRESSIONS = [
    "a.b + c[0].d",
    "`$.a.b[1:]` + `$._context.run_id`",
    "[f.name for f in ls.details.DATA[state.i:state.i+step]]",
    "getattr('a.b', x.y) if is_present('c') else str(d)",
    "'text with `$.not` a path' + e",
    "pathsplit(a.path.rstrip('/'))[1]",
    "'é' + `$.ü` + a['k'].x",
    "' two\\nlines ' + a",
    "{'k': a, 'l': [b, (c.d)]}",
    "len([x for y in a for x in y.items if x != b])",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_references_are_those_that_the_interpreter_reads(text: str) -> None:
    mine = {reference.segments for reference in parse_expression(text).references}
    assert mine == {parse_path(path).segments for path in language.references(text)}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_rewriting_touches_the_references_only(text: str) -> None:
    parsed = parse_expression(text)
    assert parsed.rewritten(lambda reference: None) == text
    same = parsed.rewritten(lambda reference: text[reference.start : reference.end])
    assert same == text


@pytest.mark.parametrize(
    "text", ["", "a b", "lambda: 1", "x := 1", "f'{a}'", "{1, 2}", "`$.a[`", "a if b", "(a"]
)
def test_what_the_interpreter_cannot_read_is_refused(text: str) -> None:
    with pytest.raises(ExpressionSyntaxError):
        parse_expression(text)
    with pytest.raises(LanguageError):
        language.evaluate(text, {"a": 1, "b": 2})
