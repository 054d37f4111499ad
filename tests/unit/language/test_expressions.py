"""What expressions compute, and what they refuse to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.language import ExpressionError, evaluate, references
from flows.language.functions import pathsplit

STATE: dict[str, Any] = {
    "source": {"path": "/data/scan_1.h5", "id": "ep", "items": [3, 1, 2]},
    "state": {"i": 1, "batches": [["a"]]},
    "step": 2,
    "ls": {"details": {"DATA": [{"name": n, "size": len(n)} for n in ("x", "yy", "zzz")]}},
    "flag": False,
    "nothing": None,
    "format": "a key",
    "_private_token": "secret",
    "_context": {"run_id": "r-1"},
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("7 // 2 - 7 % 2", 2),
        ("2 ** 10", 1024),
        ("source.path", "/data/scan_1.h5"),
        ("`$.source.path` + '!'", "/data/scan_1.h5!"),
        ("`$.ls.details.DATA[1].name`", "yy"),
        ("ls.details.DATA[-1].name", "zzz"),
        ("'/tmp/' + _context.run_id", "/tmp/r-1"),
        ("_private_token", "secret"),
        ("source.items[0]", 3),
        ("source['id']", "ep"),
        ("'`$.not.a.path`'", "`$.not.a.path`"),
        ("'two\nlines'", "two\nlines"),
        ("step\n + 1", 3),
        (r"'\d'", "\\d"),
        ("state.batches + [[f.name for f in ls.details.DATA[state.i:state.i+step]]]",
         [["a"], ["yy", "zzz"]]),
        ("[f.name for f in ls.details.DATA if f.size > 1]", ["yy", "zzz"]),
        ("[a + b for a in 'xy' for b in 'z']", ["xz", "yz"]),
        ("{f.name: f.size for f in ls.details.DATA}", {"x": 1, "yy": 2, "zzz": 3}),
        ("{'a': [1, (2, 3)]}", {"a": [1, [2, 3]]}),
        ("'yes' if flag else 'no'", "no"),
        ("not flag and nothing is None", True),
        ("nothing or step", 2),
        ("1 < step <= 2", True),
        ("'scan' in source.path", True),
        ("4 not in source.items", True),
        ("source.path.split('/')[-1].rsplit('.', 1)[0]", "scan_1"),
        ("source.path.rpartition('/')[0]", "/data"),
        ("source.path.rstrip('5').endswith('h')", True),
        ("'-'.join(['a', 'b']).replace('-', '/')", "a/b"),
        ("pathsplit(source.path)", ["/data", "scan_1.h5"]),
        ("is_present('source.path') and not is_present('source.nope')", True),
        ("is_present('ls.details.DATA[2]')", True),
        ("is_present('ls.details.DATA[3]')", False),
        ("is_present('$.source.id')", True),
        ("getattr('source.nope', 'default')", "default"),
        ("getattr('ls.details.DATA[0].name')", "x"),
        ("getattr('nope', None)", None),
        ("len(ls.details.DATA) + len('ab')", 5),
        ("str(step) + str(1.5)", "21.5"),
        ("int('4') + float('0.5')", 4.5),
        ("format", "a key"),
    ],
)  # fmt: skip
def test_an_expression_gives(expression: str, expected: object) -> None:
    assert evaluate(expression, STATE) == expected


@pytest.mark.parametrize(
    "expression",
    [
        # out of the evaluator, in Python's usual ways
        "''.__class__",
        "''.__class__.__mro__[1].__subclasses__()",
        "[].__class__",
        "source.__class__",
        "len.__globals__",
        "(1).real",
        "getattr('__class__')",
        "getattr(source, '__class__')",
        "__import__('os')",
        "open('/etc/passwd')",
        "eval('1')",
        "globals()",
        "type(1)",
        "'{0.__class__}'.format(1)",
        "'{a}'.format_map(source)",
        "f'{source.path}'",
        "'%s' % 1",
        "'%1000000000d' % 1",
        "lambda: 1",
        "(lambda: 1)()",
        "(x := 1)",
        "[len]",
        "[''.split]",
        "'a'.split",
        "(y for y in source.items)",
        "[print(y) for y in 'a']",
        "source.items()",
        "source.items.append(4)",
        "source.pop('path')",
        "str.mro()",
        # functions that there are not
        "rand()",
        "randint(5)",
        "list('ab')",
        "dict(a=1)",
        "set([1])",
        "{1, 2}",
        "abs(-1)",
        "max(1, 2)",
        "len(**source)",
        # statements
        "import os",
        "x = 1",
        "1; 2",
        "1\n2",
        "def f(): pass",
        # too much
        "9 ** 9 ** 9",
        "2 ** 100000",
        "2 ** -100000",
        "1 << 9",
        "'a' * 10 ** 9",
        "[0] * 10 ** 7",
        "[[[0] * 1000] * 1000] * 1000",
        "[[0] * 500 for a in source.items * 200 for b in source.items * 20]",
        "[a for a in 'x' * 500 for b in 'y' * 500]",
        "('a' * 9999).replace('a', 'b' * 9999)",
        "('b' * 9999).join('a' * 999)",
        "'a'.ljust(10 ** 9)",
        "'a'.zfill(10 ** 9)",
        "'a\t'.expandtabs(10 ** 9)",
        "-" * 9000 + "1",
        "(" * 250 + "1" + ")" * 250,
        "[" * 90 + "]" * 90 + " + " + "1" * 9000,
        "1 + " * 2600 + "1",
        "x" * 10_001,
        # just wrong
        "",
        "   ",
        "1 +",
        "'unclosed",
        "a b c",
        "nope",
        "source.nope",
        "source.items[9]",
        "1 / 0",
        "'a' + 1",
        "1.0e308 * 10",
        "float('nan')",
        "{1: 2}",
        "`$.nope`",
        "`not a path`",
        "getattr('nope')",
        "getattr('a', 1, 2)",
        "is_present(step)",
        "pathsplit(1)",
    ],
)  # fmt: skip
def test_an_expression_is_refused(expression: str) -> None:
    if expression == "(y for y in source.items)":
        assert evaluate(expression, STATE) == [3, 1, 2]  # a list, nothing lazy
        return
    with pytest.raises(ExpressionError):
        evaluate(expression, STATE)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("source.path + `$.a[0].b`", {"$.source.path", "$.a[0].b"}),
        ("ls.details.DATA[0].name", {"$.ls.details.DATA[0].name"}),
        ("source['id']", {"$.source['id']"}),
        ("DATA[state.i]", {"$.DATA", "$.state.i"}),
        ("[f.name for f in files if f.size > limit]", {"$.files", "$.limit"}),
        ("getattr('a.b', c.d)", {"$.a.b", "$.c.d"}),
        ("is_present('$.a')", {"$.a"}),
        ("source.path.split('/')[0]", {"$.source.path"}),
        ("'text' + str(1)", set()),
    ],
)
def test_references_are_found_without_evaluating(expression: str, expected: set[str]) -> None:
    assert references(expression) == expected


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/foo/bar/x", ["/foo/bar", "x"]),
        ("/foo/bar/", ["/foo", "bar"]),
        ("/x", ["/", "x"]),
        ("/~/x", ["/~/", "x"]),
        ("/~/", ["/~/", ""]),
        ("/", ["/", ""]),
        ("x", ["", "x"]),
    ],
)
def test_pathsplit_keeps_the_home_directory_whole(path: str, parts: list[str]) -> None:
    assert pathsplit(path) == parts


def test_the_state_is_not_changed() -> None:
    before = repr(STATE)
    evaluate("[source, state.batches + [1], [b for b in state.batches]]", STATE)
    assert repr(STATE) == before


PIECES = st.sampled_from(
    ["source", ".path", ".items", "state", "step", "[0]", "[", "]", "(", ")", " + ", " * ", "**",
     "'a'", "`$.step`", "`", "'", " if ", " else ", "len", "str", " for x in ", "x", ".join",
     ".split", "__class__", "9", "99999", "{", "}", ":", ",", "-", " not ", " in "]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_any_expression_gives_json_or_is_refused(expression: str) -> None:
    try:
        value = evaluate(expression, STATE)
    except ExpressionError:
        return
    assert isinstance(value, str | int | float | list | dict | None)


@pytest.mark.parametrize(
    "expression",
    [
        "[a for a in 'x' * 100 for b in 'y' * 100 if big == [n for n in big]]",
        "[a for a in 'x' * 100 for b in 'y' * 100 if big == other]",
        "[a for a in 'x' * 100 for b in 'y' * 100 if big in [other]]",
        "[a for a in 'x' * 100 for b in 'y' * 100 if -1 in big]",
        "[text.count('ab') for a in 'x' * 100 for b in 'y' * 100]",
        "[len(big[1:]) for a in 'x' * 100 for b in 'y' * 100]",
        "[str(big) for a in 'x' * 100]",
    ],
)
def test_an_expression_cannot_go_on_for_ever(expression: str) -> None:
    state = {"big": list(range(50_000)), "other": [*range(49_999), 0], "text": "a" * 200_000}
    with pytest.raises(ExpressionError, match="too"):
        evaluate(expression, state)


def test_looking_up_names_in_a_long_list_is_no_problem() -> None:
    names = [f"scan-{n:05}.h5" for n in range(3000)]
    state = {"names": names, "done": names[::2]}
    assert len(evaluate("[n for n in names if n not in done]", state)) == 1500
