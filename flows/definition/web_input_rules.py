"""The rules of the Parameters of Web Input states, as far as they are constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.definition.paths import join
from flows.definition.problems import Problems
from flows.definition.secrets import plain_key

__all__ = ["check_web_input"]

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
