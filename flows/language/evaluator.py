"""The evaluator behind expressions: simpleeval, narrowed to what Globus Flows documents.

Only JSON values ever exist inside an evaluation. A dot after an object is a member look-up and
never an attribute, a dot after a string is a method only when it is called, and neither functions
nor methods can become values: so there is nothing to escape through. Steps, sizes and powers
are bounded.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Mapping
from typing import Any

import simpleeval

from flows.language.errors import ExpressionError
from flows.language.functions import MAX_TEXT, call_method, functions_for
from flows.language.paths import resolve

__all__ = ["MAX_SIZE", "Evaluator", "measure"]

MAX_SIZE = MAX_TEXT
"""Most values and characters that any value inside an expression may hold."""
MAX_STEPS = 200_000
MAX_BITS = 4096
_TOTAL_SIZE = 20 * MAX_SIZE
_REMOVED_NODES = (ast.JoinedStr, ast.FormattedValue, ast.Set, ast.Assign, ast.AugAssign)
_REMOVED_OPERATORS = (
    ast.LShift,
    ast.RShift,
    ast.BitXor,
    ast.BitOr,
    ast.BitAnd,
    ast.Invert,
)
_BUILDERS = (
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.ListComp,
    ast.GeneratorExp,
    ast.DictComp,
    ast.BinOp,
    ast.Call,
)


def measure(value: Any, limit: int = MAX_SIZE) -> int:
    """How many values and characters a value holds. Raises ExpressionError past the limit.

    Shared parts count each time they appear, as they would when written out.
    """
    total, pending = 0, [value]
    while pending:
        item = pending.pop()
        total += 1
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, list | tuple):
            pending.extend(item[: limit + 1])
        elif isinstance(item, dict):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, int) and item.bit_length() > MAX_BITS:
            raise ExpressionError("The number is too large.")
        if total + len(pending) > limit:
            raise ExpressionError("The expression makes a value that is too large.")
    return total


def _power(base: Any, exponent: Any) -> Any:
    if not isinstance(base, int | float) or not isinstance(exponent, int | float):
        raise ExpressionError("A power needs two numbers.")
    if abs(exponent) * math.log2(abs(base) + 2) > MAX_BITS:
        raise ExpressionError("The power is too large.")
    return base**exponent


def _modulo(left: Any, right: Any) -> Any:
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        raise ExpressionError("'%' needs two numbers; it does not format text.")
    return left % right


def _multiply(left: Any, right: Any) -> Any:
    for value, times in ((left, right), (right, left)):
        if isinstance(value, str | list | tuple):
            if not isinstance(times, int) or measure(value) * max(times, 0) > MAX_SIZE:
                raise ExpressionError("A text or list cannot be repeated that often.")
            return value * times
    return left * right


def _identical(left: Any, right: Any) -> bool:
    return left is right or (type(left) is type(right) and bool(left == right))


def _operators() -> dict[type[ast.AST], Any]:
    operators: dict[type[ast.AST], Any] = dict(simpleeval.DEFAULT_OPERATORS)
    for kind in _REMOVED_OPERATORS:
        operators.pop(kind, None)
    operators[ast.Add] = operator.add  # what it makes is measured
    operators[ast.Pow] = _power
    operators[ast.Mod] = _modulo
    operators[ast.Mult] = _multiply
    operators[ast.Is] = _identical
    operators[ast.IsNot] = lambda left, right: not _identical(left, right)
    return operators


_OPERATORS = _operators()


class Evaluator(simpleeval.EvalWithCompoundTypes):  # type: ignore[misc,unused-ignore]
    """Evaluates one parsed expression against one state."""

    def __init__(self, state: Any, paths: Mapping[str, str]) -> None:
        names = state if isinstance(state, dict) else {}
        super().__init__(operators=_OPERATORS, functions=functions_for(state), names=names)
        for name in ("list", "tuple", "dict", "set"):
            self.functions.pop(name, None)
        for node in _REMOVED_NODES:
            self.nodes.pop(node, None)
        self.nodes[ast.Expression] = self._eval_body
        self._state = state
        self._paths = paths
        self._steps = 0
        self._size = 0

    def _eval(self, node: ast.AST) -> Any:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise ExpressionError("The expression takes too many steps.")
        value = super()._eval(node)
        if isinstance(node, _BUILDERS):
            self._size += measure(value)
            if self._size > _TOTAL_SIZE:
                raise ExpressionError("The expression handles too much data.")
        return value

    def _check_disallowed_items(self, item: Any) -> None:
        """Nothing to look for: values are JSON by construction."""

    def _eval_body(self, node: ast.Expression) -> Any:
        return self._eval(node.body)

    def _eval_name(self, node: ast.Name) -> Any:
        if node.id in self._paths:
            return resolve(self._paths[node.id], self._state)
        if node.id not in self.names:
            raise ExpressionError(f"{node.id!r} is not in the state of the run.")
        return self.names[node.id]

    def _eval_attribute(self, node: ast.Attribute) -> Any:
        container = self._eval(node.value)
        if not isinstance(container, dict) or node.attr not in container:
            raise ExpressionError(f".{node.attr} is not in the state of the run.")
        return container[node.attr]

    def _eval_call(self, node: ast.Call) -> Any:
        args = [self._eval(argument) for argument in node.args]
        keywords = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise ExpressionError("'**' is not available in calls.")
            keywords[keyword.arg] = self._eval(keyword.value)
        if isinstance(node.func, ast.Attribute):
            return call_method(self._eval(node.func.value), node.func.attr, args, keywords)
        if not isinstance(node.func, ast.Name) or node.func.id not in self.functions:
            name = getattr(node.func, "id", "that")
            raise ExpressionError(f"There is no function {name!r}.")
        return self.functions[node.func.id](*args, **keywords)
