"""A test is left out only by `tests.support.needs` and the root conftest: they fail in continuous
integration, where everything that tests need has to be there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
MAY_SKIP = {TESTS / "conftest.py", TESTS / "support" / "needs.py"}
LEAVES_OUT = frozenset(
    {"skip", "skipif", "skipIf", "skipUnless", "skipTest", "SkipTest", "Skipped"}
    | {"importorskip", "xfail", "expectedFailure", "exit"}
)
FROM = frozenset({"pytest", "mark", "unittest", "outcomes", "self", "case"})


def left_out(tree: ast.AST) -> Iterator[int]:
    """The lines in which something of pytest or unittest is used that leaves a test out."""
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "pytest",
            "_pytest",
            "unittest",
        ):
            imported |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            known = {alias.asname: alias.name for alias in node.names if alias.asname}
            imported |= {name: "pytest" for name, of in known.items() if of == "pytest"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in LEAVES_OUT:
            of = node.value
            name = of.attr if isinstance(of, ast.Attribute) else getattr(of, "id", "")
            if imported.get(name, name) in FROM:
                yield node.lineno
        elif isinstance(node, ast.Name) and imported.get(node.id) in LEAVES_OUT:
            yield node.lineno


def test_only_what_is_needed_and_not_there_leaves_a_test_out() -> None:
    files = sorted(set(TESTS.rglob("*.py")) - MAY_SKIP)
    assert len(files) > 200
    found = [
        f"{file.relative_to(TESTS)}:{line}"
        for file in files
        for line in left_out(ast.parse(file.read_text(), str(file)))
    ]
    assert found == [], "use tests.support.needs.missing"


@pytest.mark.parametrize(
    "text",
    [
        'pytest.skip("why")',
        'pytest.importorskip("numpy")',
        '@pytest.mark.skipif(True, reason="why")\ndef test_x(): pass',
        "@pytest.mark.skip\ndef test_x(): pass",
        "import pytest as p\np.skip()",
        "from pytest import skip as leave\nleave()",
        "from pytest import mark\n@mark.skip\ndef test_x(): pass",
        "import unittest\nraise unittest.SkipTest",
        "marks = [pytest.param(1, marks=pytest.mark.xfail)]",
        "from unittest import skipIf\n@skipIf(True, '')\ndef test_x(): pass",
    ],
)
def test_each_way_to_leave_a_test_out_is_seen(text: str) -> None:
    assert list(left_out(ast.parse(text)))


def test_what_only_has_such_a_name_is_not_taken_for_it() -> None:
    assert not list(left_out(ast.parse("sys.exit(1)\nreader.skip(3)\nskip = 1\nprint(skip)")))
