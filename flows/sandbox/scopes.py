"""Globus Auth scope strings."""

from __future__ import annotations

from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

__all__ = [
    "AUTH",
    "CLIENT_ID_OF",
    "FLOWS_ALL",
    "FLOWS_CLIENT_ID",
    "FLOWS_MANAGE",
    "FLOWS_READING_RUNS",
    "FLOWS_RUN",
    "FLOWS_RUN_MANAGE",
    "FLOWS_RUN_STATUS",
    "FLOWS_VIEW",
    "GROUPS_ALL",
    "TRANSFER_ALL",
    "VIEW_IDENTITY_SET",
    "VIEW_MY_GROUPS",
    "ScopeTree",
    "auth_scope",
    "bare_scopes",
    "dependent_scopes",
    "flow_scope",
    "owner_id",
    "resource_server",
    "scope_id",
    "scope_trees",
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
FLOWS_READING_RUNS = (FLOWS_RUN_STATUS, FLOWS_RUN_MANAGE, FLOWS_ALL)
"""Each of these is enough to read runs."""
VIEW_MY_GROUPS = f"{_URN}groups.api.globus.org:view_my_groups_and_memberships"
GROUPS_ALL = f"{_URN}groups.api.globus.org:all"
TRANSFER_ALL = f"{_URN}transfer.api.globus.org:all"
AUTH = "auth.globus.org"
"""The resource server of Globus Auth itself, whom scopes without an owner belong to."""
VIEW_IDENTITY_SET = f"{_URN}{AUTH}:view_identity_set"

CLIENT_ID_OF = {
    "flows.globus.org": FLOWS_CLIENT_ID,
    "funcx_service": "facd7ccc-c5f4-42aa-916b-a0e270e2c2a9",
}
"""The client ids of resource servers that go by a name, in whose scopes the id stands."""
_NAMES = {client_id: name for name, client_id in CLIENT_ID_OF.items()}


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
    return AUTH


class ScopeTree(NamedTuple):
    """One scope of a scope string with the scopes in its brackets; optional ones have a ``*``."""

    scope: str
    optional: bool
    children: tuple[ScopeTree, ...]


def scope_trees(text: str) -> list[ScopeTree]:
    """The scopes of a scope string with what depends on them, in its order.

    Brackets that do not match are taken as if they did, for nothing is refused here.
    """
    roots: list[ScopeTree] = []
    open_lists = [roots]
    spaced = text.replace("[", " [ ").replace("]", " ] ")
    for word in spaced.split():
        if word == "[":
            open_lists.append([])
        elif word == "]":
            _close(open_lists)
        else:
            open_lists[-1].append(ScopeTree(word.lstrip("*"), word.startswith("*"), ()))
    while len(open_lists) > 1:
        _close(open_lists)
    return roots


def _close(open_lists: list[list[ScopeTree]]) -> None:
    if len(open_lists) > 1:
        children = open_lists.pop()
        if open_lists[-1]:
            parent = open_lists[-1][-1]
            open_lists[-1][-1] = parent._replace(children=(*parent.children, *children))


def bare_scopes(text: str) -> list[str]:
    """The top-level scopes of a scope string, without dependencies and optional marks."""
    return [tree.scope for tree in scope_trees(text)]


def dependent_scopes(text: str) -> frozenset[str]:
    """The scopes inside the brackets of a scope string, at any depth: what was consented to."""
    found: set[str] = set()
    waiting = [child for tree in scope_trees(text) for child in tree.children]
    while waiting:
        tree = waiting.pop()
        found.add(tree.scope)
        waiting += tree.children
    return frozenset(found)


def scope_id(scope: str) -> str:
    """The id of a scope, always the same one in every sandbox."""
    return str(uuid5(NAMESPACE_URL, scope))


def owner_id(scope: str) -> str:
    """The client id of whom a scope belongs to."""
    server = resource_server(scope)
    if scope.startswith(_SCOPES):
        return CLIENT_ID_OF.get(server, server)
    return CLIENT_ID_OF.get(server) or str(uuid5(NAMESPACE_URL, f"https://{server}"))
