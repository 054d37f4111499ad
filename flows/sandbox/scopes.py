"""Globus Auth scope strings."""

from __future__ import annotations

import re

__all__ = [
    "FLOWS_ALL",
    "FLOWS_CLIENT_ID",
    "FLOWS_MANAGE",
    "FLOWS_RUN",
    "FLOWS_RUN_MANAGE",
    "FLOWS_RUN_STATUS",
    "FLOWS_VIEW",
    "GROUPS_ALL",
    "VIEW_MY_GROUPS",
    "auth_scope",
    "bare_scopes",
    "dependent_scopes",
    "flow_scope",
    "resource_server",
]

_SCOPES = "https://auth.globus.org/scopes/"
_URN = "urn:globus:auth:scope:"

FLOWS_CLIENT_ID = "eec9b274-0c81-4334-bdc2-54e90e689b9a"
FLOWS_ALL = f"{_SCOPES}{FLOWS_CLIENT_ID}/all"
FLOWS_MANAGE = f"{_SCOPES}{FLOWS_CLIENT_ID}/manage_flows"
FLOWS_VIEW = f"{_SCOPES}{FLOWS_CLIENT_ID}/view_flows"
FLOWS_RUN = f"{_SCOPES}{FLOWS_CLIENT_ID}/run"
FLOWS_RUN_STATUS = f"{_SCOPES}{FLOWS_CLIENT_ID}/run_status"
FLOWS_RUN_MANAGE = f"{_SCOPES}{FLOWS_CLIENT_ID}/run_manage"
VIEW_MY_GROUPS = f"{_URN}groups.api.globus.org:view_my_groups_and_memberships"
GROUPS_ALL = f"{_URN}groups.api.globus.org:all"

_NAMES = {FLOWS_CLIENT_ID: "flows.globus.org"}
"""Resource servers that go by a name instead of their client id."""


def auth_scope(owner: str, suffix: str) -> str:
    """The string of a client's scope."""
    return f"{_SCOPES}{owner}/{suffix}"


def flow_scope(flow_id: str) -> str:
    """The scope that starting a flow takes."""
    return auth_scope(flow_id, f"flow_{flow_id.replace('-', '_')}_user")


def resource_server(scope: str) -> str:
    """Whom a scope belongs to, named as in token responses."""
    if scope.startswith(_SCOPES):
        owner = scope.removeprefix(_SCOPES).partition("/")[0]
        return _NAMES.get(owner, owner)
    if scope.startswith(_URN):
        return scope.removeprefix(_URN).partition(":")[0]
    return "auth.globus.org"


def bare_scopes(text: str) -> list[str]:
    """The top-level scopes of a scope string, without dependencies and optional marks."""
    flat, depth = "", 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if depth == 0:
            flat += " " if character == "]" else character
    return [scope.lstrip("*") for scope in flat.split()]


def dependent_scopes(text: str) -> frozenset[str]:
    """The scopes inside the brackets of a scope string, at any depth: what was consented to."""
    inner, depth = "", 0
    for character in text:
        depth += (character == "[") - (character == "]")
        inner += " " if character in "[]" else character if depth else ""
    return frozenset(scope.lstrip("*") for scope in re.split(r"\s+", inner) if scope)
