"""The rules of Parameters: references, expressions and private keys, at any depth; those of Web
Input states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flows.definition.expressions import ExpressionSyntaxError, parse_expression
from flows.definition.parameter_capture import PRIVATE_PARAMETERS, plain_key
from flows.definition.paths import PathSyntaxError, join, parse_path
from flows.definition.problems import Problems
from flows.definition.rules import COMPARISONS
from flows.definition.value_rules import check_context, check_path, check_text

__all__ = ["check_parameters", "check_static_result", "check_web_input"]

_OF_RULES = frozenset({"Variable", *(f"{name}Path" for name in COMPARISONS)})
"""Of the rules of a Choice, which a record of it repeats: a path in them is what they say."""
_PATH = re.compile(r"\$[.\[]")


def check_parameters(problems: Problems, path: str, value: Any) -> None:
    """Report everything wrong in the Parameters of a state."""
    if not isinstance(value, dict):
        problems.error(path, "Parameters is not an object", "give an object, or use InputPath")
        return
    _check_object(problems, path, value)


def _check_object(problems: Problems, path: str, value: Mapping[str, Any]) -> None:
    plain: dict[str, str] = {}
    for key, item in value.items():
        place = join(path, key)
        if key == PRIVATE_PARAMETERS:
            _check_private(problems, place, item, value)
            continue
        name = plain_key(key)
        if not name and key:
            problems.error(place, "the parameter has no name", f"put a name before {key}")
        if name in plain:
            advice = "keep one of them"
            problems.error(place, f"{plain[name]!r} and {key!r} are one parameter", advice)
        plain.setdefault(name, key)
        _check_entry(problems, place, key, item)


def _check_entry(problems: Problems, path: str, key: str, item: Any) -> None:
    if key.endswith(".$"):
        parsed = check_path(problems, path, item)
        if parsed is not None and not parsed.segments:
            advice = "name the members you need, as in $.input"
            problems.warn(path, "$ is the whole state, which not every service accepts", advice)
    elif key.endswith(".="):
        _check_expression(problems, path, item)
    elif key not in _OF_RULES:
        _check_value(problems, path, item)


def _check_value(problems: Problems, path: str, item: Any) -> None:
    if isinstance(item, dict):
        _check_object(problems, path, item)
    elif isinstance(item, list):
        for number, member in enumerate(item):
            _check_value(problems, join(path, number), member)
    elif isinstance(item, str) and _PATH.match(item):
        _warn_of_text(problems, path, item)


def _warn_of_text(problems: Problems, path: str, text: str) -> None:
    """A path whose key does not say that it is one is sent as it is written."""
    try:
        parse_path(text)
    except PathSyntaxError:
        return
    advice = 'end the key in .$ to send the value at that path, as in "source.$": "$.input.source"'
    problems.warn(path, f"the text {text[:100]!r} is sent as it stands", advice)


def _check_expression(problems: Problems, path: str, value: Any) -> None:
    if not check_text(problems, path, value, "an expression"):
        return
    try:
        expression = parse_expression(value)
    except ExpressionSyntaxError as error:
        advice = "write a Python-like expression; texts stand in quotes, paths in back-quotes"
        problems.error(path, str(error), advice)
        return
    for name in expression.unknown_functions:
        advice = "use pathsplit, is_present, getattr, len, str, int or float"
        problems.error(path, f"there is no function {name!r}", advice)
    for reference in expression.references:
        check_context(problems, path, reference.segments)


def _check_private(problems: Problems, path: str, value: Any, siblings: Mapping[str, Any]) -> None:
    if not isinstance(value, list):
        problems.error(path, f"{PRIVATE_PARAMETERS} is not a list", "list the names of parameters")
        return
    names = {plain_key(key) for key in siblings}
    for number, name in enumerate(value):
        place = join(path, number)
        if (
            check_text(problems, place, name, "the name of a parameter")
            and plain_key(name) not in names
        ):
            advice = "name a parameter beside this list; this name hides nothing"
            problems.warn(place, f"there is no parameter {name!r} here", advice)


def check_static_result(problems: Problems, path: str, value: Any) -> None:
    """Warn of references in a Pass state's Result, which is taken as it stands."""
    if isinstance(value, dict):
        for key, item in value.items():
            place = join(path, key)
            if key.endswith((".$", ".=")):
                advice = "use Parameters instead of Result"
                problems.warn(place, "Result is not evaluated: the key keeps its suffix", advice)
            else:
                check_static_result(problems, place, item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            check_static_result(problems, join(path, number), item)
    elif isinstance(value, str) and "$." in value:
        advice = "use Parameters with a key ending in .$ to take the value at a path"
        problems.warn(path, "Result is not evaluated: the path stays a text", advice)


_STYLES = ("Table", "Text")


def check_web_input(problems: Problems, path: str, state: Mapping[str, Any]) -> None:
    """Report what is wrong or missing in the Parameters of a Web Input state."""
    parameters = state.get("Parameters")
    if not isinstance(parameters, dict):
        return
    place = join(path, "Parameters")
    names = {plain_key(key) for key in parameters}
    create = state["Type"] == "CreateWebInput"
    for needed in ("InputType", "Options") if create else ("web_input_id",):
        if needed not in names:
            problems.error(place, f"{needed} is missing", f"{state['Type']} states need it: add it")
    if create:
        _check_create(problems, place, parameters)


def _check_create(problems: Problems, path: str, parameters: Mapping[str, Any]) -> None:
    if parameters.get("InputType", "Selection") != "Selection":
        advice = 'the only input type is "Selection"'
        problems.error(join(path, "InputType"), f"it is {parameters['InputType']!r}", advice)
    context = parameters.get("Context")
    if isinstance(context, dict) and context.get("PresentationStyle", "Text") not in _STYLES:
        advice = "use Table or Text"
        style = context["PresentationStyle"]
        problems.error(join(join(path, "Context"), "PresentationStyle"), f"it is {style!r}", advice)
    options = parameters.get("Options", [{}])
    if not isinstance(options, list) or not options:
        problems.error(join(path, "Options"), "it is not a list of options", "give at least one")
        return
    for number, option in enumerate(options):
        if not isinstance(option, dict):
            place = join(join(path, "Options"), number)
            problems.error(place, "the option is not an object", "give Value, Label, Description")
