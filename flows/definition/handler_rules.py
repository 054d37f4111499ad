"""The rules of who carries out an Action: its URL and scope, or its Handler."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from flows.definition.paths import join
from flows.definition.problems import Problems, Severity
from flows.definition.urls import url_problem
from flows.definition.value_rules import check_text, check_unknown_key

__all__ = ["check_handler", "check_scope", "check_url"]

_HANDLE = re.compile(r"urn:globus:flows:handle:globus:[\w-]+\.[\w.-]+", re.ASCII)


def check_url(problems: Problems, path: str, value: Any) -> None:
    """An https URL; http on this machine is a warning."""
    if not check_text(problems, path, value, "the URL of an action"):
        return
    problem = url_problem(value)
    if problem is not None:
        report = problems.error if problem.severity is Severity.ERROR else problems.warn
        report(path, problem.message, problem.advice)


def check_scope(problems: Problems, path: str, value: Any) -> None:
    """A scope string."""
    check_text(problems, path, value, "a scope string")


def check_handler(problems: Problems, path: str, value: Any) -> None:
    """A handle, or an object of one of the two handler types."""
    if isinstance(value, str):
        if not _HANDLE.fullmatch(value):
            advice = "write urn:globus:flows:handle:globus:SERVICE.ROUTE, or an object"
            problems.error(path, f"{value[:100]!r} is not a handle", advice)
        return
    if not isinstance(value, dict):
        problems.error(path, "the Handler is not an object", 'give {"Type": …} or a handle')
        return
    if value.get("Type") == "ActionProvider":
        _check_handler_keys(problems, path, value, "Url", ("Type", "Url", "Scope"))
        if "Url" in value:
            check_url(problems, join(path, "Url"), value["Url"])
        if "Scope" in value:
            check_scope(problems, join(path, "Scope"), value["Scope"])
    elif value.get("Type") == "RegisteredAPI":
        _check_handler_keys(problems, path, value, "Id", ("Type", "Id"))
        if "Id" in value and not _is_uuid(value["Id"]):
            advice = "give the id that the registration returned"
            problems.error(join(path, "Id"), "the Id is not a UUID", advice)
    else:
        advice = 'use "ActionProvider" or "RegisteredAPI"'
        problems.error(path, f"the Handler's Type is {value.get('Type')!r}", advice)


def _check_handler_keys(
    problems: Problems, path: str, value: Mapping[str, Any], needed: str, keys: tuple[str, ...]
) -> None:
    if needed not in value:
        problems.error(path, f"{needed} is missing", f"add {needed}")
    for key in value:
        if key not in keys:
            check_unknown_key(problems, join(path, key), key, keys, f"{value['Type']} handlers")


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(uuid.UUID(value))
    except ValueError:
        return False
