"""Texts in conventions that stand for values of a step: paths, and texts with paths in them.

``$.returned.mae`` is the value at that place of the step, ``braggnn-{$.arguments.sample}`` a text
with the value in it; every other text stands as it is. Paths begin with one of `ROOTS`:

==============  ================================================================================
``name``        the name of the state
``run``         of the run its ``run_id`` and ``label``
``parameters``  what the action was given
``result``      the action status that it gave
``arguments``   of a Compute step: the keyword arguments of its task, or the positional ones
``returned``    of a Compute step: what the function returned
``tasks``       of a Compute step: ``function``, ``arguments`` and ``returned`` of each task
``item``        with ``each``: the one of the list that the model is made of
==============  ================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any
from urllib.parse import quote

from flows.language import resolve
from flows.language.errors import LanguageError
from flows.language.paths import is_present, plain_steps
from flows.steps.adapters.base import LEFT_OUT
from flows.steps.adapters.compute import calls_of, functions_of, results_of
from flows.steps.body import Body
from flows.steps.uris import is_uri

__all__ = ["ITEM", "MISSING", "ROOTS", "View", "fill", "functions_called", "problem_of", "view_of"]

View = Mapping[str, Any]
"""What the paths of a rule look into."""

MISSING: Any = object()
"""Stands for a value that is not there."""

ITEM = "item"
ROOTS = ("name", "run", "parameters", "result", "arguments", "returned", "tasks", ITEM)
_INSIDE = re.compile(r"\{(\$[^{}]*)\}")
_SAFE_IN_URI = "/~!$&'()*+,;=:@"


# ---- what paths look into ----------------------------------------------------------------


def view_of(body: Body, functions: Sequence[str] = ()) -> dict[str, Any]:
    """What a step tells; of its tasks only those that call one of the functions, if any are
    named."""
    view = {
        "name": body.step.name,
        "run": {"run_id": body.run.run_id, "label": body.run.label},
        "parameters": body.parameters,
        "result": body.result,
    }
    tasks = [t for t in _tasks(body) if not functions or t["function"] in functions]
    if tasks:
        view["tasks"] = tasks
        view |= {name: tasks[0][name] for name in ("arguments", "returned") if name in tasks[0]}
    return view


def functions_called(body: Body) -> list[str]:
    """The Compute functions that a step's parameters name."""
    given = body.parameters if isinstance(body.parameters, dict) else {}
    return [function for call in calls_of(given) for function in functions_of(call)]


def _tasks(body: Body) -> Iterator[dict[str, Any]]:
    """The tasks of a Compute step with what each returned; none for any other step."""
    given = body.parameters if isinstance(body.parameters, dict) else {}
    calls = [call for call in calls_of(given) if any(functions_of(call))]
    if len(calls) > 1 and calls[0] is given:
        calls = calls[1:]  # what tasks leave out is said once for all of them
    details = body.result.get("details") if isinstance(body.result, dict) else None
    returned = [value for _, value in results_of(details if isinstance(details, dict) else {})]
    for call, value in zip_longest(calls, returned[: len(calls)], fillvalue=MISSING):
        arguments = call.get("kwargs") or call.get("payload") or call.get("args") or {}
        task = {"function": next(functions_of(call)), "arguments": arguments}
        yield task if value is MISSING else {**task, "returned": value}


# ---- values ------------------------------------------------------------------------------


def fill(value: Any, view: View, *, in_uri: bool = False) -> Any:
    """The value with its paths replaced by what they find, MISSING where one finds nothing;
    of objects and lists, the members that are there.

    In a URI the values inside a text are percent-quoted, unless they are URIs themselves.
    """
    if isinstance(value, dict):
        found = {key: fill(item, view, in_uri=in_uri) for key, item in value.items()}
        return {key: item for key, item in found.items() if item is not MISSING}
    if isinstance(value, list):
        return [f for item in value if (f := fill(item, view, in_uri=in_uri)) is not MISSING]
    if not isinstance(value, str):
        return value
    if value.startswith("$."):
        return _at(value, view)
    parts = [_text(_at(m[1], view), in_uri) for m in _INSIDE.finditer(value)]
    if None in parts:
        return MISSING
    left = iter(parts)
    return _INSIDE.sub(lambda _: str(next(left)), value)


def _at(path: str, view: View) -> Any:
    """What a path finds; what was hidden from the log, and null, is not there."""
    try:
        found = resolve(path, view)
    except (LanguageError, RecursionError):
        return MISSING
    left_out = found is None or (isinstance(found, str) and found in LEFT_OUT)
    return MISSING if left_out else found


def _text(value: Any, in_uri: bool) -> str | None:
    """A value inside a text; None for what is none."""
    if value is MISSING or not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    text = str(value)
    return quote(text, safe=_SAFE_IN_URI, errors="replace") if in_uri and not is_uri(text) else text


# ---- checks ------------------------------------------------------------------------------


def problem_of(text: str, *, lists: bool = False, each: bool = True) -> str | None:
    """What is wrong with the paths in a text, in words; None when nothing is.

    `lists` says that a path may find several values (``[*]``), `each` that there are items.
    """
    if text.startswith("$"):
        return _problem_of_path(text, lists, each)
    found = (_problem_of_path(match[1], False, each) for match in _INSIDE.finditer(text))
    return next((problem for problem in found if problem is not None), None)


def _problem_of_path(path: str, lists: bool, each: bool) -> str | None:
    steps = plain_steps(path)
    if steps is None and path.count("..") > 1:
        return f"{path!r:.80} looks at all depths more than once; name more of the way."
    if not path.startswith("$.") or (steps is not None and len(steps) == 0):
        return (
            f"{path!r:.80} is not a path: it must begin with $. and a name, such as $.returned.mae."
        )
    if steps is None:
        try:
            is_present(path, {})
        except LanguageError as error:
            return error.message.split("\n", 1)[0]
        if not lists:
            return f"{path!r:.80} may find several values; use names and indexes only."
    root = re.split(r"[.\[]", path[2:], maxsplit=1)[0] if steps is None else steps[0]
    if root not in ROOTS:
        return f"{path!r:.80} begins with none of {', '.join(f'$.{name}' for name in ROOTS)}."
    if root == ITEM and not each:
        return f"{path!r:.80} is one of a list; say which with each, a path to the list."
    return None
