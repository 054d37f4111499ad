"""Expressions: what stands under a key ending in ``.=``.

Python-like, with two ways to refer to the state: bare dotted names (``source.path``) and JSONPaths
in back quotes (```$.Ls.details.results[0].task_id```). See `flows.language.functions` for what
may be called.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from dataclasses import dataclass
from typing import Any

import simpleeval

from flows.language.errors import ExpressionError, LanguageError
from flows.language.evaluator import Evaluator, measure
from flows.language.paths import plain_steps

__all__ = ["MAX_LENGTH", "Expression", "evaluate", "parse_expression", "references"]

MAX_LENGTH = 10_000
"""Most characters an expression may have."""

_PLACEHOLDER = "__path_{}__"
_TOKEN = re.compile(
    r"`(?P<path>[^`]*)`|(?P<text>'(?:[^'\\]|\\.)*+'?|\"(?:[^\"\\]|\\.)*+\"?)", re.DOTALL
)
"""Paths and texts; one that does not end is taken to the end, once, not from each quote in it."""


@dataclass(frozen=True)
class Expression:
    """A parsed expression: its syntax tree, and the JSONPath behind each placeholder name."""

    source: str
    tree: ast.Expression
    paths: dict[str, str]


@functools.lru_cache(maxsize=1024)
def parse_expression(source: str) -> Expression:
    """Parses an expression. Raises ExpressionError when it is not one."""
    if not isinstance(source, str) or not source.strip():
        raise ExpressionError("An expression must be a text that is not empty.")
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"The expression is longer than {MAX_LENGTH} characters.")
    paths: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        if match["text"] is not None:
            return match["text"].replace("\n", "\\n").replace("\r", "\\r")
        name = _PLACEHOLDER.format(len(paths))
        paths[name] = match["path"].strip()
        return f" {name} "

    try:
        with warnings.catch_warnings():
            # An unknown escape such as '\d' is no reason to warn whoever runs the flow.
            warnings.simplefilter("ignore")
            tree = ast.parse(f"({_TOKEN.sub(replace, source).strip()}\n)", mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it cannot be parsed"
        raise ExpressionError(f"{_short(source)} is not an expression: {reason}.") from None
    return Expression(source, tree, paths)


def evaluate(source: str, state: Any) -> Any:
    """The JSON value of an expression over a state (with ``_context`` in it, if it has one).

    Raises ExpressionError for everything that can go wrong inside, and LanguageError for a
    reference that is not valid.
    """
    expression = parse_expression(source)
    try:
        value = Evaluator(state, expression.paths).eval(source, expression.tree)
    except LanguageError as error:
        raise ExpressionError(f"{_short(source)} failed: {error.message}") from None
    except (simpleeval.InvalidExpression, RecursionError) as error:
        raise ExpressionError(f"{_short(source)} failed: {str(error) or 'too deep'}") from None
    except Exception as error:
        # Whatever Python's own operators raise (TypeError, KeyError, ZeroDivisionError, ...)
        # is the expression's fault, and becomes the one error callers know.
        raise ExpressionError(f"{_short(source)} failed: {type(error).__name__}: {error}") from None
    return _as_json(value, source)


def _as_json(value: Any, source: str) -> Any:
    measure(value)
    if isinstance(value, list | tuple):
        return [_as_json(item, source) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ExpressionError(f"{_short(source)} makes an object whose names are not texts.")
        return {key: _as_json(item, source) for key, item in value.items()}
    if (isinstance(value, float) and value != value) or value in (float("inf"), float("-inf")):
        raise ExpressionError(f"{_short(source)} does not give a finite number.")
    if value is None or isinstance(value, str | int | float):
        return value
    raise ExpressionError(f"{_short(source)} does not give a JSON value.")


def references(source: str) -> frozenset[str]:
    """The paths an expression may read, as plain JSONPaths where that can be told.

    Bare names are followed through members and constant indexes (``a.b[0].c`` is ``$.a.b[0].c``);
    references in is_present and getattr count when they are constant. Raises ExpressionError.
    """
    expression = parse_expression(source)
    found: set[str] = set()
    _collect(expression.tree.body, expression.paths, frozenset(), found)
    return frozenset(found)


def _collect(node: ast.AST, paths: dict[str, str], local: frozenset[str], found: set[str]) -> None:
    chain = _chain(node)
    if chain is not None:
        root, rest = chain
        if root not in local:
            found.add(paths.get(root, f"$.{root}") + rest)
        return
    if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
        targets = [name for part in node.generators for name in ast.walk(part.target)]
        local = local | {name.id for name in targets if isinstance(name, ast.Name)}
    if isinstance(node, ast.Call):
        _collect_call(node, paths, local, found)
        return
    for child in ast.iter_child_nodes(node):
        _collect(child, paths, local, found)


def _collect_call(
    node: ast.Call, paths: dict[str, str], local: frozenset[str], found: set[str]
) -> None:
    if isinstance(node.func, ast.Attribute):
        _collect(node.func.value, paths, local, found)
    elif isinstance(node.func, ast.Name) and node.func.id in ("is_present", "getattr"):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            text = first.value
            found.add(text if text.startswith("$") else f"$.{text}")
    for child in [*node.args, *(keyword.value for keyword in node.keywords)]:
        _collect(child, paths, local, found)


def _chain(node: ast.AST) -> tuple[str, str] | None:
    """The root name and the rest of a chain like ``a.b[0]``, or None for anything else."""
    if isinstance(node, ast.Name):
        return node.id, ""
    if isinstance(node, ast.Attribute):
        inner = _chain(node.value)
        return inner and (inner[0], f"{inner[1]}.{node.attr}")
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        inner = _chain(node.value)
        step = f"[{node.slice.value!r}]"
        return (
            inner
            if inner is None or plain_steps(f"${step}") is None
            else (
                inner[0],
                inner[1] + step,
            )
        )
    return None


def _short(source: str) -> str:
    return repr(source if len(source) <= 60 else f"{source[:57]}...")
