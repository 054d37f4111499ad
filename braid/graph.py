"""A lineage as a tree to read or as a graph for Graphviz, from the document of the query API."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from braid.output import Document, printable

if TYPE_CHECKING:
    from rich.tree import Tree

__all__ = ["as_dot", "as_tree"]

SHAPES = {
    "fact": "note",
    "data": "ellipse",
    "dataset": "folder",
    "model": "hexagon",
    "step": "box",
    "restricted": "octagon",
}
"""Node shapes of Graphviz by kind."""

MAX_LEVELS = 50
"""How deep a tree is drawn."""

INVERSE = {
    "used": "used by",
    "deployed": "deployed by",
    "generated_by": "generated",
    "derived_from": "gave rise to",
    "trained_on": "trained",
    "revision_of": "revised by",
    "has_member": "member of",
    "informed_by": "informed",
}
"""What a role reads like from the other end; a test holds that every role is here."""


def as_tree(lineage: Document) -> Tree:
    """The root and below it, role by role, what it depends on (or, going down, what depends on
    it). What was shown before is named again, but not unfolded again, and neither is what is more
    than MAX_LEVELS deep."""
    from rich.text import Text
    from rich.tree import Tree

    nodes = {node["id"]: node for node in lineage["nodes"]}
    children = _children(lineage)
    root = Tree(Text(_label(nodes[lineage["root"]])))
    seen = {lineage["root"]}
    waiting = [(root, lineage["root"], 1)]
    while waiting:
        branch, node_id, level = waiting.pop()
        if level > MAX_LEVELS and children[node_id]:
            branch.add(Text("... and so on: --format csv lists all"))
            continue
        unfold = []
        for role, child in children[node_id]:
            again = child in seen and bool(children[child])
            label = f"{role}: {_label(nodes[child])}{' (see above)' if again else ''}"
            twig = branch.add(Text(label))
            if child not in seen:
                seen.add(child)
                unfold.append((twig, child, level + 1))
        waiting += reversed(unfold)
    return root


def as_dot(lineage: Document) -> Iterator[str]:
    """The lines of a Graphviz graph; arrows point from the dependent to what it depends on."""
    yield "digraph lineage {"
    yield "  rankdir=BT;"
    for node in lineage["nodes"]:
        shape = SHAPES.get(node["kind"], "ellipse")
        yield f"  {_quoted(node['id'])} [label={_quoted(_label(node))}, shape={shape}];"
    for link in lineage["links"]:
        ends = f"{_quoted(link['from'])} -> {_quoted(link['to'])}"
        yield f"  {ends} [label={_quoted(link['role'])}];"
    yield "}"


def _children(lineage: Document) -> defaultdict[str, list[tuple[str, str]]]:
    up = lineage["direction"] == "up"
    here, there = ("from", "to") if up else ("to", "from")
    children: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for link in lineage["links"]:
        role = link["role"] if up else INVERSE[link["role"]]
        children[link[here]].append((role.replace("_", " "), link[there]))
    return children


def _label(node: Document) -> str:
    if node.get("restricted"):
        return "(not yours to see)"
    version = f" v{node['version']}" if "version" in node else ""
    return printable(f"{node['name']}{version}  [{node['kind']} {node['short_id']}]")


def _quoted(text: Any) -> str:
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
