"""The reference and expression language of Globus Flows, as pure functions.

`resolve` and `put` read and write a run's state, `evaluate` computes an expression, `render`
fills in Parameters, `choose` decides a Choice state, and `with_context` adds ``$._context``.
"""

from __future__ import annotations

from flows.language.choice import choose, matches
from flows.language.context import RunContext, with_context
from flows.language.errors import ExpressionError, LanguageError, PathNotFound
from flows.language.expressions import evaluate, references
from flows.language.paths import is_present, put, resolve
from flows.language.templates import (
    hide_private_parameters,
    render,
    render_for_log,
    strip_private,
)

__all__ = [
    "ExpressionError",
    "LanguageError",
    "PathNotFound",
    "RunContext",
    "choose",
    "evaluate",
    "hide_private_parameters",
    "is_present",
    "matches",
    "put",
    "references",
    "render",
    "render_for_log",
    "resolve",
    "strip_private",
    "with_context",
]
