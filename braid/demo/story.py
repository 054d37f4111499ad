"""A lineage as a short story: what each thing was made from, its step named beside it.

Folded from the lineage document: a step has no line of its own but stands at what it made, what
it used is told where the thing made does not say itself what it derives from, and what was told
before is named again but not told again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rich.text import Text
from rich.tree import Tree

from braid.output import printable

__all__ = ["tell"]

Document = Mapping[str, Any]

WORDS = {
    "trained_on": "trained on",
    "derived_from": "from",
    "has_member": "holds",
    "revision_of": "continues",
    "used": "used",
    "deployed": "deployed",
}
"""The roles that are told, most telling first: of two things that link the same, the first wins."""
STYLES = {"model": "bold magenta", "fact": "bold cyan", "dataset": "bold yellow"}


class _Link(NamedTuple):
    role: str
    to: str


def tell(lineage: Document, *, place_of: Callable[[str], str]) -> Tree:
    """The root and, below each thing, what it was made from; `place_of` an id says where it is."""
    nodes = {node["id"]: node for node in lineage["nodes"]}
    links: defaultdict[str, list[_Link]] = defaultdict(list)
    for link in lineage["links"]:
        links[link["from"]].append(_Link(link["role"], link["to"]))
    return _Teller(nodes, links, place_of).told(lineage["root"])


class _Teller:
    def __init__(
        self,
        nodes: Mapping[str, Document],
        links: Mapping[str, list[_Link]],
        place_of: Callable[[str], str],
    ) -> None:
        self._nodes = nodes
        self._links = links
        self._place_of = place_of
        self._seen: set[str] = set()

    def told(self, root: str) -> Tree:
        tree = Tree(self._line("", root, again=False), guide_style="dim")
        self._seen.add(root)
        waiting = [(tree, link) for link in reversed(self._made_from(root))]
        while waiting:
            branch, link = waiting.pop()
            below = self._made_from(link.to)
            again = link.to in self._seen and bool(below)
            twig = branch.add(self._line(WORDS[link.role], link.to, again=again))
            if not again:
                self._seen.add(link.to)
                waiting += [(twig, inner) for inner in reversed(below)]
        return tree

    def _made_from(self, node_id: str) -> list[_Link]:
        """What a thing was made from, each once: as its own links say; else what its step used."""
        own = self._links.get(node_id, [])
        told = [link for link in own if link.role in WORDS]
        if not told:
            steps = (link.to for link in own if link.role == "generated_by")
            told = [k for step in steps for k in self._links.get(step, []) if k.role in WORDS]
        order = list(WORDS)
        first: dict[str, _Link] = {}
        for link in sorted(told, key=lambda k: order.index(k.role)):
            first.setdefault(link.to, link)
        return list(first.values())

    def _line(self, word: str, node_id: str, *, again: bool) -> Text:
        node = self._nodes[node_id]
        version = f" v{node['version']}" if "version" in node else ""
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{word} " if word else "", style="dim")
        line.append(printable(f"{node['name']}{version}"), style=STYLES.get(node["kind"], "bold"))
        line.append("  ")
        return line.append(self._remark(node, again=again), style="dim")

    def _remark(self, node: Document, *, again: bool) -> str:
        if again:
            return "(see above)"
        place, step = self._place_of(node["id"]), self._step(node["id"])
        said = [
            node["kind"] if node["kind"] in STYLES else "",
            f"at the {place}" if place else "",
            f"by the step {step}" if step else "",
        ]
        return ", ".join(filter(None, said))

    def _step(self, node_id: str) -> str:
        made_by = (k.to for k in self._links.get(node_id, []) if k.role == "generated_by")
        return ", ".join(str(self._nodes[step]["name"]) for step in made_by)
