"""What a visit was given and what it made of it.

The log shows a state's input with its references resolved and its expressions as they were written;
these are evaluated here, against the state of the run before the visit.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from flows.definition.parameter_capture import NOT_RECORDED
from flows.harvest.state_visits import MISSING, Visit
from flows.language import evaluate
from flows.language.branches import compared, is_private
from flows.language.errors import LanguageError
from flows.language.paths import CONTEXT_KEY, resolve, result_steps
from flows.language.templates import (
    EXPRESSION_SUFFIX,
    PRIVATE_LIST,
    REFERENCE_SUFFIX,
    bare_key,
)
from provenance_store.redaction import REDACTED

__all__ = ["error_of", "looked_at", "parameters_of", "result_of"]

LONGEST_LITERAL = 200_000
"""Characters of a cause that are read as a Python literal."""
LONGEST_FORMATTED = 20_000
"""The same where something in it looks like a formatted string: Python reads each place inside one
as a program of its own, and holds up all threads meanwhile."""
_FORMATTED = re.compile(r"""\b(?:f|rf|fr)['"]""", re.IGNORECASE)


def parameters_of(visit: Visit, state: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    """The input of a visit with its expressions evaluated, None where there is none to tell.

    What cannot be evaluated any more is `NOT_RECORDED`, what the log hides `REDACTED`.
    """
    if visit.given is MISSING:
        return None
    template = state.get("Parameters")
    if template is None:
        return visit.given if "InputPath" in state or not state else None
    before = {} if visit.before is MISSING else visit.before
    view = {**before, CONTEXT_KEY: context} if isinstance(before, dict) else before
    try:
        return _filled(visit.given, template, view)
    except RecursionError:
        return visit.given


def _filled(logged: Any, template: Any, view: Any) -> Any:
    """Only where the definition has an expression is one taken for it, however a value looks."""
    if isinstance(logged, dict) and isinstance(template, dict):
        shown = dict(_member(key, value, template, view) for key, value in logged.items())
        private = {bare_key(key) for key in template if key != PRIVATE_LIST} - shown.keys()
        return shown | dict.fromkeys(sorted(private), REDACTED)
    if isinstance(logged, list) and isinstance(template, list) and len(logged) == len(template):
        return [_filled(*pair, view) for pair in zip(logged, template, strict=True)]
    return logged


def _member(key: str, value: Any, template: Mapping[str, Any], view: Any) -> tuple[str, Any]:
    written = template.get(key)
    if not key.endswith((EXPRESSION_SUFFIX, REFERENCE_SUFFIX)) or not isinstance(written, str):
        return key, _filled(value, written, view)
    if key.endswith(REFERENCE_SUFFIX):
        return bare_key(key), NOT_RECORDED if value == written else value
    try:
        return bare_key(key), evaluate(written, view)
    except (LanguageError, RecursionError):
        return bare_key(key), NOT_RECORDED


def result_of(visit: Visit, state: Mapping[str, Any]) -> Any:
    """What landed at the state's ResultPath; None where nothing did, or it is not told.

    The log shows the whole state of the run. A result there that says it is another state's is
    not this one's.
    """
    path = state.get("ResultPath", "$")
    if visit.after is MISSING or not isinstance(path, str):
        return None
    found = visit.after
    try:
        for step in result_steps(path):
            found = found[step]
    except (LanguageError, TypeError, LookupError):
        return None
    writer = found.get("state_name") if isinstance(found, dict) else None
    return None if isinstance(writer, str) and writer != visit.name else found


def error_of(failure: Mapping[str, Any]) -> dict[str, Any]:
    """What a Catch would have received: the name of the error, and its cause as a document.

    The log has the cause as text that holds a Python literal, or JSON.
    """
    named = {"Error": failure.get("error", failure.get("Error"))}
    cause = failure.get("cause", failure.get("Cause"))
    named["Cause"] = _read(cause) if isinstance(cause, str) else cause
    found = {name: value for name, value in named.items() if value is not None}
    return found or {"Cause": {k: v for k, v in failure.items() if not k.startswith("state_")}}


def _read(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "[", "'", '"', "(", "N"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    longest = LONGEST_FORMATTED if _FORMATTED.search(text) else LONGEST_LITERAL
    if len(text) > longest:
        return text
    try:
        return _plain(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text


def _plain(value: Any) -> Any:
    """A literal as JSON has it; raises ValueError for what JSON has not."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError("not JSON")


def looked_at(visit: Visit, state: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    """What the rules of a Choice compared, by the paths in the rules, as it was then; None where
    the log does not tell."""
    if not isinstance(visit.before, dict):  # a log may not tell
        return None
    view = {**visit.before, CONTEXT_KEY: context}
    found: dict[str, Any] = {}
    for path in compared(state):
        if is_private(path):
            found[path] = REDACTED
            continue
        try:
            found[path] = resolve(path, view)
        except (LanguageError, RecursionError):
            continue
    return found or None
