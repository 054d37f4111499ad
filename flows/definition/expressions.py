"""What a ``.=`` expression refers to, and how to redirect some of its references.

Expressions are "similar to Python": bare dotted names (``source.path``), back-quoted JSON paths
(`` `$.Ls.details` ``), and the functions ``getattr('a.b', default)`` and ``is_present('a.b')``
that name a place in a string. Expressions are parsed, never evaluated, here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flows.definition.paths import Path, PathSyntaxError, Segment, parse_path
from flows.language.expressions import MAX_LENGTH
from flows.language.functions import FUNCTION_NAMES

__all__ = [
    "Expression",
    "ExpressionSyntaxError",
    "Reference",
    "parse_expression",
]

_BY_NAME = frozenset({"getattr", "is_present"})
_TOKEN = re.compile(r"`([^`]*)`|'(?:[^'\\]|\\.)*+'?|\"(?:[^\"\\]|\\.)*+\"?", re.DOTALL)
"""Paths and texts; one that does not end is taken to the end, once, not from each quote in it."""
_REFUSED = (
    ast.Lambda,
    ast.NamedExpr,
    ast.Await,
    ast.Yield,
    ast.YieldFrom,
    ast.Starred,
    ast.JoinedStr,
    ast.Set,
    ast.SetComp,
)


class ExpressionSyntaxError(ValueError):
    """The text is not an expression of the flow language."""


@dataclass(frozen=True)
class Reference:
    """One reference into the run's state and where it stands in the text.

    ``call`` is the function's name for a reference named in a string; ``total`` says whether
    reading it can never fail (``is_present``, or ``getattr`` with a constant default).
    """

    start: int
    end: int
    segments: tuple[Segment, ...]
    path: Path | None = None
    call: str = ""
    total: bool = False


@dataclass(frozen=True)
class Expression:
    """A parsed expression: its references in order, and the unknown functions it calls.

    ``opaque`` is true when it calls ``getattr`` or ``is_present`` with a computed name, so
    that what it reads cannot be told.
    """

    text: str
    references: tuple[Reference, ...]
    unknown_functions: tuple[str, ...]
    opaque: bool

    def rewritten(self, replacement: Callable[[Reference], str | None]) -> str:
        """The text with each reference replaced where ``replacement`` gives another text."""
        text = self.text
        for reference in sorted(self.references, key=lambda found: found.start, reverse=True):
            new = replacement(reference)
            if new is not None:
                text = text[: reference.start] + new + text[reference.end :]
        return text


def parse_expression(text: str) -> Expression:
    """The parsed expression; raises ExpressionSyntaxError with what is wrong in a few words."""
    if len(text) > MAX_LENGTH:
        raise ExpressionSyntaxError(f"it is longer than {MAX_LENGTH} characters")
    paths: dict[int, tuple[int, Path]] = {}

    def placeholder(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        try:
            paths[match.start()] = (match.end(), parse_path(match[1].strip()))
        except PathSyntaxError as error:
            raise ExpressionSyntaxError(f"the path `{match[1]}` {error}") from None
        return "_" * len(match[0])

    # A line break is as good as a blank, also in a quoted string; equal lengths keep the places.
    source = re.sub(r"[\r\n\t]", " ", _TOKEN.sub(placeholder, text))
    lead = len(source) - len(source.lstrip())
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or "it is not an expression"
        raise ExpressionSyntaxError(f"it does not parse: {reason}") from None
    for node in ast.walk(tree):
        if isinstance(node, _REFUSED):
            raise ExpressionSyntaxError(f"{type(node).__name__} is not part of the language")
        if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
            raise ExpressionSyntaxError(f"{node.attr} cannot be read")
    walker = _Walker(source, lead, paths, _bound_names(tree))
    references = tuple(walker.walk(tree.body))
    unknown = tuple(dict.fromkeys(walker.unknown))
    return Expression(text, references, unknown, walker.opaque)


def _bound_names(tree: ast.AST) -> frozenset[str]:
    """Names that list comprehensions bind, which are no references into the state."""
    targets = (node.target for node in ast.walk(tree) if isinstance(node, ast.comprehension))
    names = (node for target in targets for node in ast.walk(target))
    return frozenset(node.id for node in names if isinstance(node, ast.Name))


class _Walker:
    def __init__(
        self, source: str, lead: int, paths: dict[int, tuple[int, Path]], bound: frozenset[str]
    ) -> None:
        self._bytes = source.strip().encode()
        self._lead = lead
        self._paths = paths
        self._bound = bound
        self.unknown: list[str] = []
        self.opaque = False

    def walk(self, node: ast.AST) -> Iterator[Reference]:
        """The references below a node, each as long as its constant part goes."""
        chain = self._chain(node)
        if chain is not None:
            yield from self._reference(node, chain)
        elif isinstance(node, ast.Call):
            yield from self._call(node)
        else:
            for child in ast.iter_child_nodes(node):
                yield from self.walk(child)

    def _chain(self, node: ast.AST) -> tuple[Segment, ...] | None:
        """The segments of ``name.member[0].member``, or None for anything else."""
        if isinstance(node, ast.Name):
            return (node.id,)
        if isinstance(node, ast.Attribute):
            before = self._chain(node.value)
            return None if before is None else (*before, node.attr)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            before = self._chain(node.value)
            key = node.slice.value
            if before is not None and isinstance(key, int | str) and not isinstance(key, bool):
                return (*before, key)
        return None

    def _reference(self, node: ast.AST, chain: tuple[Segment, ...]) -> Iterator[Reference]:
        root: ast.AST = node
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        start, _ = self._span(root)
        if start in self._paths:
            end, path = self._paths[start]
            yield Reference(start, end, path.segments, path)
        elif chain[0] not in self._bound:
            yield Reference(*self._span(node), chain)

    def _call(self, node: ast.Call) -> Iterator[Reference]:
        if isinstance(node.func, ast.Name):
            if node.func.id not in FUNCTION_NAMES:
                self.unknown.append(node.func.id)
            if node.func.id in _BY_NAME and node.args:
                yield from self._named(node, node.func.id)
                return
        elif isinstance(node.func, ast.Attribute):
            yield from self.walk(node.func.value)
        else:
            yield from self.walk(node.func)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield from self.walk(argument)

    def _named(self, node: ast.Call, function: str) -> Iterator[Reference]:
        name = node.args[0]
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            self.opaque = True
            return
        try:
            segments = parse_path(f"$.{name.value}").segments
        except PathSyntaxError:
            self.opaque = True
            return
        rest = node.args[1:]
        total = function == "is_present" or (
            bool(rest) and all(isinstance(argument, ast.Constant) for argument in rest)
        )
        yield Reference(*self._span(node), segments, call=function, total=total)
        for argument in rest:
            yield from self.walk(argument)

    def _span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node stands, in characters of the whole text (Python counts in bytes)."""
        start, end = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", 0)
        return (
            self._lead + len(self._bytes[:start].decode()),
            self._lead + len(self._bytes[:end].decode()),
        )
