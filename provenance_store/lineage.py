"""Walks over the graph: reachability with a visited set, never an enumeration of paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from provenance_store.errors import InvalidInput
from provenance_store.sql import read

__all__ = ["Direction", "Walk", "walk"]

Direction = Literal["up", "down"]
CHUNK = 500
MAX_NODES = 1_000_000


@dataclass(frozen=True, slots=True)
class Walk:
    """What was reached: nodes with their distance in hops, links between them, nearest first."""

    nodes: dict[int, int]
    links: list[tuple[int, int, int]]
    truncated: bool


def walk(
    connection: sa.Connection,
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
        for from_id, to_id, role in _level(connection, frontier, down):
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


def _level(
    connection: sa.Connection, frontier: list[int], down: bool
) -> list[tuple[int, int, int]]:
    rows: list[tuple[int, int, int]] = []
    for place in range(0, len(frontier), CHUNK):
        chunk = frontier[place : place + CHUNK]
        found = connection.execute(read.dependencies(chunk, down=down))
        rows.extend((row.from_id, row.to_id, row.role) for row in found)
    return rows


def _check(direction: str, depth: int | None, limit: int) -> None:
    if direction not in ("up", "down"):
        raise InvalidInput("A lineage goes up (what it depends on) or down (what depends on it).")
    if depth is not None and not 1 <= depth <= MAX_NODES:
        raise InvalidInput("The depth of a lineage is a whole number of hops, 1 or more.")
    if not 1 <= limit <= MAX_NODES:
        raise InvalidInput(f"The node limit of a lineage is 1 to {MAX_NODES}.")
