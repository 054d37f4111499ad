"""A lineage as a small graph: nodes, links, what was left out; JSON-ready, or for networkx."""

from provenance_store.lineage.graph import Lineage, Link, Node, Versions

__all__ = ["Lineage", "Link", "Node", "Versions"]
