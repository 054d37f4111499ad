"""The functions an expression may call, and the string methods it may use.

The documented functions are pathsplit, is_present, getattr and len; str, int and float come
with the evaluator. The string methods are those whose result cannot be larger than their input,
and replace and join with a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flows.language.errors import ExpressionError, PathNotFound
from flows.language.paths import is_present, resolve

__all__ = ["FUNCTION_NAMES", "MAX_TEXT", "call_method", "functions_for", "pathsplit"]

MAX_TEXT = 1_000_000
"""Most characters a string in an expression may grow to: five times the largest run state."""

FUNCTION_NAMES = frozenset({"pathsplit", "is_present", "getattr", "len", "str", "int", "float"})

_CUTTING = frozenset(
    ("split", "rsplit", "splitlines", "partition", "rpartition", "strip", "lstrip", "rstrip")
)
_ASKING = frozenset(
    ("startswith", "endswith", "find", "rfind", "index", "rindex", "count", "isalnum", "isalpha")
)
_CASE = frozenset(("lower", "upper", "title", "capitalize", "casefold", "islower", "isupper"))
_KINDS = frozenset(("isascii", "isdecimal", "isdigit", "isnumeric", "isspace"))
_TRIMMING = frozenset(("removeprefix", "removesuffix"))
_PLAIN_METHODS = _CUTTING | _TRIMMING | _ASKING | _CASE | _KINDS


def pathsplit(path: str) -> list[str]:
    """The parent and the last part of a path: ``/foo/bar/x`` is ``["/foo/bar", "x"]``.

    A trailing slash does not count, and the home directory ``/~/`` is never split.
    """
    if not isinstance(path, str):
        raise ExpressionError("pathsplit needs a string.")
    trimmed = path.rstrip("/")
    if trimmed in ("", "/~", "~"):
        return [path, ""]
    parent, slash, last = trimmed.rpartition("/")
    if parent in ("/~", "~"):
        parent += "/"
    return [parent or slash, last]


def functions_for(state: Any) -> dict[str, Callable[..., Any]]:
    """The callable functions by name, bound to one state for is_present and getattr."""

    def present(name: str) -> bool:
        return is_present(_path(name), state)

    def get(name: str, *default: Any) -> Any:
        if len(default) > 1:
            raise ExpressionError("getattr takes a reference and at most one default.")
        try:
            return resolve(_path(name), state)
        except PathNotFound:
            if default:
                return default[0]
            raise

    return {
        "pathsplit": pathsplit,
        "is_present": present,
        "getattr": get,
        "len": len,
        "str": str,
        "int": int,
        "float": float,
    }


def _path(name: Any) -> str:
    if not isinstance(name, str):
        raise ExpressionError("is_present and getattr take the reference as a string.")
    return name if name.startswith("$") else f"$.{name}"


def call_method(text: Any, name: str, args: list[Any], keywords: Mapping[str, Any]) -> Any:
    """The result of a string method. Raises ExpressionError for any other type or method."""
    if not isinstance(text, str):
        raise ExpressionError(f"Only strings have methods; .{name}() was called on another value.")
    if name in _PLAIN_METHODS:
        return getattr(text, name)(*args, **keywords)
    if name == "replace":
        return _replace(text, *args, **keywords)
    if name == "join":
        return _join(text, *args, **keywords)
    raise ExpressionError(f"The string method .{name}() is not available.")


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    times = text.count(old) if count < 0 else min(count, text.count(old))
    if len(text) + times * len(new) > MAX_TEXT:
        raise ExpressionError("The replacement would make the text too long.")
    return text.replace(old, new, count)


def _join(text: str, parts: Iterable[str]) -> str:
    items = list(parts)
    if sum(map(len, items)) + len(text) * len(items) > MAX_TEXT:
        raise ExpressionError("The joined text would be too long.")
    return text.join(items)
