"""Parameters: JSON in which keys ending in ``.$`` are references and in ``.=`` expressions.

At any depth, also in objects inside lists. ``__Private_Parameters`` names siblings that people
who look at a definition or at a run must not see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flows.language.errors import LanguageError
from flows.language.expressions import evaluate
from flows.language.paths import resolve

__all__ = [
    "EXPRESSION_SUFFIX",
    "PRIVATE_LIST",
    "PRIVATE_PREFIX",
    "REFERENCE_SUFFIX",
    "bare_key",
    "hide_private_parameters",
    "private_keys",
    "render",
    "render_for_log",
    "strip_private",
]

REFERENCE_SUFFIX = ".$"
EXPRESSION_SUFFIX = ".="
PRIVATE_LIST = "__Private_Parameters"
PRIVATE_PREFIX = "_private"


def bare_key(key: str) -> str:
    """A key without its ``.$`` or ``.=``."""
    return key[:-2] if key.endswith((REFERENCE_SUFFIX, EXPRESSION_SUFFIX)) else key


def private_keys(members: dict[str, Any]) -> frozenset[str]:
    """The sibling keys that an object declares private, without suffixes."""
    listed = members.get(PRIVATE_LIST)
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(bare_key(key) for key in listed if isinstance(key, str))


def render(template: Any, state: Any, *, where: str = "Parameters") -> Any:
    """The value of a template over a state (with ``_context`` in it).

    Raises LanguageError naming the place in the template when a reference or an expression
    fails.
    """
    return _render(template, where, lambda key, value, at: _value(key, value, state, at))


def render_for_log(template: Any, state: Any, *, where: str = "Parameters") -> Any:
    """A template as a run's log shows it: references resolved, expressions left as they are,
    private parameters left out."""

    def value_for_log(key: str, value: Any, at: str) -> tuple[str, Any]:
        if key.endswith(EXPRESSION_SUFFIX):
            return key, value
        return _value(key, value, state, at)

    return strip_private(_render(hide_private_parameters(template), where, value_for_log))


def _value(key: str, value: Any, state: Any, where: str) -> tuple[str, Any]:
    if not isinstance(value, str):
        raise LanguageError("a reference or an expression must be a text.", path=where)
    try:
        found = resolve(value, state) if key.endswith(REFERENCE_SUFFIX) else evaluate(value, state)
    except LanguageError as error:
        raise type(error)(error.message, path=where) from None
    return bare_key(key), found


def _render(template: Any, where: str, value_of: Callable[[str, Any, str], tuple[str, Any]]) -> Any:
    if isinstance(template, list):
        return [_render(item, f"{where}[{i}]", value_of) for i, item in enumerate(template)]
    if not isinstance(template, dict):
        return template
    rendered: dict[str, Any] = {}
    for key, item in template.items():
        if key == PRIVATE_LIST:
            continue
        at = f"{where}.{key}"
        if key.endswith((REFERENCE_SUFFIX, EXPRESSION_SUFFIX)):
            name, value = value_of(key, item, at)
        else:
            name, value = key, _render(item, at, value_of)
        rendered[name] = value
    return rendered


def hide_private_parameters(template: Any) -> Any:
    """A template without the keys it declares private and without the declaration."""
    if isinstance(template, list):
        return [hide_private_parameters(item) for item in template]
    if not isinstance(template, dict):
        return template
    hidden = private_keys(template)
    return {
        key: hide_private_parameters(item)
        for key, item in template.items()
        if key != PRIVATE_LIST and bare_key(key) not in hidden
    }


def strip_private(value: Any) -> Any:
    """A value without members whose name starts with ``_private``, at any depth."""
    if isinstance(value, list):
        return [strip_private(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: strip_private(item)
        for key, item in value.items()
        if not key.startswith(PRIVATE_PREFIX) and key != PRIVATE_LIST
    }
