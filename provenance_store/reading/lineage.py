"""Walks over the graph: reachability with a visited set, never an enumeration of paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from provenance_store.errors import InvalidInput
from provenance_store.kinds import Role
from provenance_store.reading.view import View

__all__ = ["Direction", "Walk", "show_lineage", "walk"]

Direction = Literal["up", "down"]
MAX_NODES = 1_000_000


@dataclass(frozen=True, slots=True)
class Walk:
    """What was reached: nodes with their distance in hops, links between them, nearest first."""

    nodes: dict[int, int]
    links: list[tuple[int, int, int]]
    truncated: bool


def show_lineage(
    view: View, start: int, *, direction: Direction, depth: int | None, limit: int
) -> dict[str, Any]:
    """The document of a walk: nodes nearest first, placeholders for what is not seen."""
    found = walk(view, start, direction=direction, depth=depth, limit=limit)
    known = view.by_id(found.nodes)
    nodes = {
        record_id: view.brief(known.get(record_id), number) | {"distance": distance}
        for number, (record_id, distance) in enumerate(found.nodes.items())
    }
    links = [
        {"from": nodes[frm]["id"], "to": nodes[to]["id"], "role": Role(role).label}
        for frm, to, role in found.links
    ]
    return {
        "root": nodes[start]["id"],
        "direction": direction,
        "depth": depth,
        "nodes": list(nodes.values()),
        "links": links,
        "truncated": found.truncated,
    }


def walk(
    view: View,
    start: int,
    *,
    direction: Direction,
    depth: int | None,
    limit: int,
) -> Walk:
    """Visit everything reachable from `start`, level by level, each node once.

    At most `limit` nodes; cycles are harmless. Links are (from_id, to_id, role).
    """
    _check(direction, depth, limit)
    down = direction == "down"
    nodes = {start: 0}
    links: dict[tuple[int, int, int], None] = {}
    frontier = [start]
    truncated = False
    distance = 0
    while frontier and not truncated and (depth is None or distance < depth):
        distance += 1
        reached: list[int] = []
        for from_id, to_id, role in _level(view, frontier, down):
            other = from_id if down else to_id
            if other not in nodes:
                if len(nodes) >= limit:
                    truncated = True
                    continue
                nodes[other] = distance
                reached.append(other)
            links[from_id, to_id, role] = None
        frontier = sorted(reached)
    return Walk(nodes, list(links), truncated)


def _level(view: View, frontier: list[int], down: bool) -> list[tuple[int, int, int]]:
    links = view.links(frontier, down=down)
    return [
        (row.from_id, row.to_id, row.role) for record_id in frontier for row in links[record_id]
    ]


def _check(direction: str, depth: int | None, limit: int) -> None:
    if direction not in ("up", "down"):
        raise InvalidInput("A lineage goes up (what it depends on) or down (what depends on it).")
    if depth is not None and not 1 <= depth <= MAX_NODES:
        raise InvalidInput("The depth of a lineage is a whole number of hops, 1 or more.")
    if not 1 <= limit <= MAX_NODES:
        raise InvalidInput(f"The node limit of a lineage is 1 to {MAX_NODES}.")
