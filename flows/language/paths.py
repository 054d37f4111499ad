"""References into the state of a run: JSONPath for reading, plain paths for writing.

A *plain* path is ``$`` followed by names and indexes only (``$.input.items[0].name``). Nearly
all paths in real flows are plain and are walked directly; everything else (slices, wildcards,
filters) goes through python-jsonpath.

States are treated as immutable: `put` returns a new state that shares what did not change.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import jsonpath

from flows.language.errors import LanguageError, PathNotFound

__all__ = ["CONTEXT_KEY", "Step", "is_present", "plain_steps", "put", "resolve", "result_steps"]

Step = str | int

CONTEXT_KEY = "_context"
"""The virtual, read-only member of every state: who runs what."""

MAX_PATH_LENGTH = 2048
_STEP = re.compile(
    r"\.(?P<name>[^\s.\[\]*?()'\"`:,@$]+)"
    r"|\[(?P<index>-?\d{1,9})\]"
    r"|\['(?P<single>[^'\\]*)'\]"
    r"|\[\"(?P<double>[^\"\\]*)\"\]"
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_MISSING: Any = object()


def _environment() -> Any:
    """RFC 9535 without the functions that take regular expressions, which may run for ever."""
    environment = jsonpath.JSONPathEnvironment(strict=True)
    for name in ("match", "search"):
        environment.function_extensions.pop(name, None)
    return environment


_ENVIRONMENT = _environment()


@functools.lru_cache(maxsize=4096)
def plain_steps(path: str) -> tuple[Step, ...] | None:
    """The names and indexes of a plain path in order, or None when the path is not plain."""
    if not path.startswith("$") or len(path) > MAX_PATH_LENGTH:
        return None
    steps: list[Step] = []
    position = 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            return None
        position = match.end()
        steps.append(_step(match))
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    kind = match.lastgroup or "name"
    return int(match[kind]) if kind == "index" else match[kind]


def resolve(path: str, state: Any) -> Any:
    """The value that a JSONPath selects in a state.

    A path that can select one value at most gives that value, and raises PathNotFound when
    there is none. Any other path (slice, wildcard, filter) gives the list of what it selects,
    possibly empty. Raises LanguageError when the path is not valid.
    """
    steps = plain_steps(path)
    if steps is None:
        return _resolve_general(path, state)
    value = _walk(steps, state)
    if value is _MISSING:
        raise PathNotFound(f"{path} is not in the state of the run.")
    return value


def is_present(path: str, state: Any) -> bool:
    """Whether a path selects anything in a state. Raises LanguageError for an invalid path."""
    steps = plain_steps(path)
    if steps is not None:
        return _walk(steps, state) is not _MISSING
    return bool(_query(path).findall(state))


def _walk(steps: tuple[Step, ...], value: Any) -> Any:
    for step in steps:
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return _MISSING
        elif not isinstance(value, list) or not -len(value) <= step < len(value):
            return _MISSING
        value = value[step]
    return value


@functools.lru_cache(maxsize=1024)
def _query(path: str) -> Any:
    if not path.startswith("$") or len(path) > MAX_PATH_LENGTH:
        raise LanguageError(f"{path[:80]!r} is not a path: it must start with '$'.")
    if _QUOTED.sub("", path).count("..") > 1:
        # Each such step visits all that is below all that the one before has found.
        raise LanguageError(f"{path[:80]!r} looks at all depths more than once; name more names.")
    try:
        return _ENVIRONMENT.compile(path)
    except jsonpath.JSONPathError as error:
        raise LanguageError(f"{path!r} is not a valid JSONPath: {error}") from None
    except RecursionError:
        raise LanguageError("The JSONPath is nested too deeply.") from None


def _resolve_general(path: str, state: Any) -> Any:
    query = _query(path)
    try:
        found = query.findall(state)
    except jsonpath.JSONPathError as error:
        raise LanguageError(f"{path!r} cannot be evaluated: {error}") from None
    if not query.singular_query():
        return found
    if not found:
        raise PathNotFound(f"{path} is not in the state of the run.")
    return found[0]


def result_steps(path: str) -> tuple[Step, ...]:
    """The steps of a ResultPath. Raises LanguageError unless it is plain and may be written."""
    steps = plain_steps(path)
    if steps is None:
        raise LanguageError(f"{path!r} cannot be written to: use names and indexes only.")
    if steps[:1] == (CONTEXT_KEY,):
        raise LanguageError(f"{path!r} cannot be written to: $.{CONTEXT_KEY} is read-only.")
    return steps


def put(path: str, state: Any, value: Any) -> Any:
    """A state with `value` at a ResultPath; ``$`` replaces the whole state.

    Missing parents are created as objects. Raises LanguageError when the path would pass
    through something that is not an object, or through an index that does not exist.
    """
    return _put(result_steps(path), state, value, path)


def _put(steps: tuple[Step, ...], node: Any, value: Any, path: str) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        if node is not _MISSING and node is not None and not isinstance(node, dict):
            raise LanguageError(f"{path} cannot be written: {step!r} has a parent without names.")
        members = dict(node) if isinstance(node, dict) else {}
        members[step] = _put(rest, members.get(step, _MISSING), value, path)
        return members
    if not isinstance(node, list) or not -len(node) <= step < len(node):
        raise LanguageError(f"{path} cannot be written: there is no item [{step}].")
    items = list(node)
    items[step] = _put(rest, items[step], value, path)
    return items
