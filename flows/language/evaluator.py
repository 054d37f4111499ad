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
from collections.abc import Mapping, Sequence
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
_LARGEST = 1 << MAX_BITS
MAX_WORK = 5 * MAX_SIZE
"""Most values and characters that an expression may make and compare altogether."""
_SCAN_SHARE = 8  # looking through a list or text is that much cheaper than making one
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
    ast.Subscript,
)


def measure(value: Any, limit: int = MAX_SIZE) -> int:
    """How many values and characters a value holds. Raises ExpressionError past the limit.

    Shared parts count each time they appear, as they would when written out.
    """
    total = 1
    pending = [value]
    parts: Sequence[Any]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            total += len(item)
            parts = [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            parts = item[: limit + 1]
        else:
            parts = (item,)
        total += len(parts)
        for part in parts:
            if isinstance(part, str):
                total += len(part)
            elif isinstance(part, int):
                if not -_LARGEST < part < _LARGEST:
                    raise ExpressionError("The number is too large.")
            elif isinstance(part, list | tuple | dict):
                pending.append(part)
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
        operators = _OPERATORS | {
            ast.Eq: self._equal,
            ast.NotEq: lambda left, right: not self._equal(left, right),
            ast.In: self._contained,
            ast.NotIn: lambda item, container: not self._contained(item, container),
        }
        super().__init__(operators=operators, functions=functions_for(state), names=names)
        for name in ("list", "tuple", "dict", "set"):
            self.functions.pop(name, None)
        for node in _REMOVED_NODES:
            self.nodes.pop(node, None)
        self.nodes[ast.Expression] = self._eval_body
        self._state = state
        self._paths = paths
        self._steps = 0
        self._work = 0

    def _eval(self, node: ast.AST) -> Any:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise ExpressionError("The expression takes too many steps.")
        value = super()._eval(node)
        if isinstance(node, _BUILDERS):
            self._spend(measure(value))
        return value

    def _spend(self, work: int) -> None:
        self._work += work
        if self._work > MAX_WORK:
            raise ExpressionError("The expression handles too much data.")

    def _equal(self, left: Any, right: Any) -> bool:
        if isinstance(left, str | list | dict):
            self._spend(measure(left))
        return bool(left == right)

    def _contained(self, item: Any, container: Any) -> bool:
        if isinstance(item, list | dict | tuple):
            self._spend(measure(item) * len(container))
        else:
            self._spend(len(container) // _SCAN_SHARE)
        return item in container

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
            text = self._eval(node.func.value)
            if isinstance(text, str):
                self._spend(len(text) // _SCAN_SHARE)
            return call_method(text, node.func.attr, args, keywords)
        if not isinstance(node.func, ast.Name) or node.func.id not in self.functions:
            name = getattr(node.func, "id", "that")
            raise ExpressionError(f"There is no function {name!r}.")
        return self.functions[node.func.id](*args, **keywords)
