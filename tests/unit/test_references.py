"""What docstrings and comments refer to exists: `Class.name`, `module.name`, `package.module`."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
PACKAGES = ("provenance_store", "flows", "hpc", "action_provider", "braid")
REFERENCE = re.compile(r"(?<!`)`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?:\(\))?`(?!`)")

NOT_OURS = {"SearchClient", "mpi4py", "prov", "sqlalchemy", "time"}
"""Libraries that docstrings name."""


@cache
def modules() -> dict[str, ast.Module]:
    """Each module's tree by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found[name.removesuffix(".__init__")] = tree
    return found


def targets(node: ast.AST) -> Iterator[str]:
    """The names, attributes and enumeration members that a statement defines."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Assign():
            for target in node.targets:
                yield from named(target)
        case ast.AnnAssign():
            yield from named(node.target)
        case ast.ImportFrom() | ast.Import():
            yield from (alias.asname or alias.name for alias in node.names)


def named(target: ast.AST) -> Iterator[str]:
    match target:
        case ast.Name():
            yield target.id
        case ast.Attribute(value=ast.Name(id="self")):
            yield target.attr
        case ast.Tuple():
            for each in target.elts:
                yield from named(each)


@cache
def members() -> dict[str, frozenset[str]]:
    """What has each name behind the dot: by the name of a class or by the end of a module's."""
    found: dict[str, set[str]] = defaultdict(set)
    bases: dict[str, set[str]] = defaultdict(set)
    for module, tree in modules().items():
        inside = {name for node in ast.walk(tree) for name in targets(node)}
        parts = module.split(".")
        for start in range(len(parts)):
            found[".".join(parts[start:])] |= inside
        for end in range(1, len(parts)):  # a package has its modules
            for start in range(end):
                found[".".join(parts[start:end])].add(parts[end])
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name] |= {name for each in ast.walk(node) for name in targets(each)}
                bases[node.name] |= {base.id for base in node.bases if isinstance(base, ast.Name)}
    for _ in range(4):  # no class inherits further
        for name, parents in bases.items():
            for parent in parents & found.keys():
                found[name] |= found[parent]
    return {name: frozenset(names) for name, names in found.items()}


def texts() -> Iterator[tuple[str, str]]:
    """Each docstring and comment, with the module that it is in."""
    for module, tree in modules().items():
        for node in ast.walk(tree):
            match node:
                case ast.Expr(value=ast.Constant(value=str() as text)):
                    yield module, text
        path = ROOT / Path(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        reading = io.StringIO(file.read_text(encoding="utf-8")).readline
        for token in tokenize.generate_tokens(reading):
            if token.type == tokenize.COMMENT:
                yield module, token.string


def exists(reference: str) -> bool:
    owner, _, name = reference.rpartition(".")
    return name in members().get(owner, ())


def test_what_docstrings_and_comments_refer_to_exists() -> None:
    found = [
        f"{module}: {match[1]}"
        for module, text in texts()
        for match in REFERENCE.finditer(text)
        if match[1].partition(".")[0] not in NOT_OURS and not exists(match[1])
    ]
    assert sorted(found) == []


def test_a_reference_to_nothing_is_found() -> None:
    assert exists("Recorder.update")
    assert exists("queries.reader")
    assert exists("slices.RULES")
    assert exists("Store.flush")  # of the class that it inherits from
    assert not exists("Store.write_held")
    assert not exists("sql.uris")
