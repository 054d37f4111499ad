"""A lineage as a tree to read, or as a graph for Graphviz or Mermaid, from the document of the
query API. `braid.pictures.svg` draws it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from braid.cli.output import Document, bad_end, brief_cause, printable
from provenance_store.relations import words_of

if TYPE_CHECKING:
    from rich.tree import Tree

__all__ = [
    "ROLES",
    "SAME",
    "as_dot",
    "as_mermaid",
    "as_tree",
    "label",
    "role_label",
    "version",
]

SHAPES = {
    "fact": "note",
    "data": "ellipse",
    "dataset": "folder",
    "model": "hexagon",
    "step": "box",
    "restricted": "octagon",
}
"""Node shapes of Graphviz by kind."""

MERMAID = {
    "fact": ('>"', '"]'),
    "data": ('(["', '"])'),
    "dataset": ('[["', '"]]'),
    "model": ('{{"', '"}}'),
    "step": ('["', '"]'),
    "restricted": ('("', '")'),
}
"""What is put around a label by kind: node shapes of Mermaid."""

MERMAID_ENTITIES = str.maketrans(
    {"#": "#35;", '"': "#quot;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\\": "#92;"}
)
"""What Mermaid would read as markup, as it writes it inside of quotes."""

ROLES = (
    "used",
    "deployed",
    "generated_by",
    "derived_from",
    "trained_on",
    "revision_of",
    "has_member",
    "informed_by",
    "chosen",
    "considered",
)
"""The roles that are recorded; a test holds that they are all."""

SAME = "same_as"
MAX_LEVELS = 50
"""How deep a tree is drawn."""


def as_tree(lineage: Document) -> Tree:
    """The root and below it, role by role, what it depends on (or, going down, what depends on
    it). What was shown before is named again, but not unfolded again, and neither is what is more
    than MAX_LEVELS deep. A lineage both ways has a branch for each."""
    from rich.text import Text
    from rich.tree import Tree

    root = Tree(Text(label(_nodes(lineage)[lineage["root"]])))
    if lineage["direction"] == "both":
        for title, up in (("came from", True), ("gave rise to", False)):
            _grow(root.add(Text(title)), lineage, up)
    else:
        _grow(root, lineage, lineage["direction"] == "up")
    return root


def _grow(root: Tree, lineage: Document, up: bool) -> None:
    from rich.text import Text

    nodes = _nodes(lineage)
    children = _children(lineage, up)
    seen: set[str] = set()
    waiting = [(root, "", lineage["root"], 0)]
    while waiting:  # in the order in which the tree is read
        branch, role, node_id, level = waiting.pop()
        again = node_id in seen and bool(children[node_id])
        if again and role == words_of(SAME):
            continue  # the other end of what was just shown
        if level:
            line = f"{role}: {label(nodes[node_id])}{' (see above)' if again else ''}"
            branch = branch.add(Text(line))
        if again:
            continue
        if level >= MAX_LEVELS and children[node_id]:
            branch.add(Text("... and so on: --format csv lists all"))
            continue
        seen.add(node_id)
        waiting += [(branch, role, child, level + 1) for role, child in reversed(children[node_id])]


def as_dot(lineage: Document) -> Iterator[str]:
    """The lines of a Graphviz graph; arrows point from the dependent to what it depends on."""
    yield "digraph lineage {"
    yield "  rankdir=BT;"
    for node in lineage["nodes"]:
        shape = SHAPES.get(node["kind"], "ellipse")
        marked = ', color="#b85c00", penwidth=2' if bad_end(node) else ""
        marked = ", color=red, penwidth=2" if "invalidated" in node else marked
        yield f"  {_quoted(node['id'])} [label={_quoted(label(node))}, shape={shape}{marked}];"
    for link in lineage["links"]:
        ends = f"{_quoted(link['from'])} -> {_quoted(link['to'])}"
        yield f"  {ends} [label={_quoted(role_label(link))}];"
    yield "}"


def as_mermaid(lineage: Document) -> Iterator[str]:
    """The lines of a Mermaid flowchart, as GitHub and many wikis draw it inside of Markdown.

    Arrows point from the dependent to what it depends on; what is invalid has a red border.
    """
    names = {node["id"]: f"n{number}" for number, node in enumerate(lineage["nodes"])}
    yield "flowchart RL"
    for node in lineage["nodes"]:
        before, after = MERMAID.get(node["kind"], MERMAID["data"])
        text = label(node).translate(MERMAID_ENTITIES)
        yield f"  {names[node['id']]}{before}{text}{after}"
    for link in lineage["links"]:
        yield f'  {names[link["from"]]} -->|"{role_label(link)}"| {names[link["to"]]}'
    invalid = [names[node["id"]] for node in lineage["nodes"] if "invalidated" in node]
    if invalid:
        yield "  classDef invalid stroke:#c00,stroke-width:3px"
        yield f"  class {','.join(invalid)} invalid"
    bad = [names[node["id"]] for node in lineage["nodes"] if bad_end(node)]
    if bad := [name for name in bad if name not in invalid]:
        yield "  classDef bad stroke:#b85c00,stroke-width:3px"
        yield f"  class {','.join(bad)} bad"


def _nodes(lineage: Document) -> dict[str, Document]:
    return {node["id"]: node for node in lineage["nodes"]}


def _children(lineage: Document, up: bool) -> defaultdict[str, list[tuple[str, str]]]:
    here, there = ("from", "to") if up else ("to", "from")
    children: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for link in lineage["links"]:
        words = words_of(link["role"], down=not up, through=link.get("through", ()))
        children[link[here]].append((words, link[there]))
        if link["role"] == SAME:
            children[link[there]].append((words, link[here]))
    return children


def role_label(link: Document) -> str:
    """The role of a link, in words."""
    return words_of(link["role"], through=link.get("through", ()))


def label(node: Document) -> str:
    """A node in one line: name, version, kind and short id, and whether it may be relied on."""
    if node.get("restricted"):
        return "(not yours to see)"
    if node.get("stub"):
        about = f"{node['name'] or '(no name)'}  [{node['kind']}, left out of this slice]"
    else:
        about = f"{node['name']}{version(node)}  [{node['kind']} {node['short_id']}]"
    ended = bad_end(node)
    return printable(f"{about}{f'  {ended}' if ended else ''}{_invalid(node)}")


def version(node: Document) -> str:
    """The number of a model version, or the range that a folded node stands for, after a space."""
    if "versions" in node:
        first, last, count = (node["versions"][name] for name in ("first", "last", "count"))
        return f" v{first}" if first == last else f" v{first}-v{last} ({count} versions)"
    return f" v{node['version']}" if "version" in node else ""


def _invalid(node: Document) -> str:
    cause = brief_cause(node)
    return f"  {cause}" if cause else ""


def _quoted(text: Any) -> str:
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
