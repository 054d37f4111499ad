"""Where the nodes of a picture go: in columns, what is depended on left of what depends on it.

The usual steps: links that would close a circle are turned round, nodes get columns by the longest
way, long links get bends in the columns between, columns are put in an order with few crossings,
and every node is drawn towards its neighbours as far as its column has room.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Layout", "Point", "arrange"]

SWEEPS = 12
ROW, BEND = 58.0, 18.0
"""Room from middle to middle that nodes and bends take in a column."""


class Point(NamedTuple):
    """A column, counted from the left, and how far down."""

    column: int
    y: float


@dataclass(frozen=True)
class Layout:
    """The place of every node, and for every link the places that it goes through."""

    places: list[Point]
    routes: list[list[Point]]


def arrange(count: int, links: Sequence[tuple[int, int]]) -> Layout:
    """Places for nodes 0 to `count` - 1; a link (a, b) says that a depends on b.

    Routes are in the order of the links and begin at the dependent. A link of a node to itself
    has no route.
    """
    turned = _turned(count, links)
    forward = [(b, a) if back else (a, b) for (a, b), back in zip(links, turned, strict=True)]
    columns = _columns(count, forward)
    grid = _Grid(columns)
    chains = [[] if a == b else grid.chain(a, b) for a, b in forward]
    order = _ordered(grid)
    y = _lowered(grid, order)
    points = [Point(column, y[node]) for node, column in enumerate(grid.columns)]
    routes = [
        [points[node] for node in (reversed(chain) if back else chain)]
        for chain, back in zip(chains, turned, strict=True)
    ]
    return Layout(points[:count], routes)


def _turned(count: int, links: Sequence[tuple[int, int]]) -> list[bool]:
    """Which links to turn round so that no circle is left: those that lead back in a search."""
    onward: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, (a, b) in enumerate(links):
        onward[a].append((number, b))
    turned = [False] * len(links)
    state = [0] * count
    for begin in range(count):
        if state[begin]:
            continue
        state[begin] = 1
        waiting = [(begin, iter(onward[begin]))]
        while waiting:
            node, rest = waiting[-1]
            number, other = next(rest, (-1, -1))
            if number < 0:
                state[node] = 2
                waiting.pop()
            elif state[other] == 1:
                turned[number] = True
            elif state[other] == 0:
                state[other] = 1
                waiting.append((other, iter(onward[other])))
    return turned


def _columns(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """The column of each node: behind all that it depends on, and no further left than need be."""
    onward: dict[int, set[int]] = defaultdict(set)
    back: dict[int, set[int]] = defaultdict(set)
    for a, b in links:
        if a != b:
            onward[a].add(b)
            back[b].add(a)
    left = {node: len(onward[node]) for node in range(count)}
    columns = [0] * count
    ready = [node for node in range(count) if not left[node]]
    order = []
    while ready:
        node = ready.pop()
        order.append(node)
        for other in back[node]:
            columns[other] = max(columns[other], columns[node] + 1)
            left[other] -= 1
            if not left[other]:
                ready.append(other)
    for node in reversed(order):
        if back[node] and len(back[node]) >= len(onward[node]):
            columns[node] = min(columns[other] for other in back[node]) - 1
    return columns


@dataclass
class _Grid:
    """Nodes and bends in columns, and which of them are next to each other on a link."""

    columns: list[int]
    nodes: int = field(init=False)
    older: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    newer: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.nodes = len(self.columns)

    def chain(self, a: int, b: int) -> list[int]:
        """From the dependent to the other, with a bend in every column between."""
        chain = [a]
        for column in range(self.columns[a] - 1, self.columns[b], -1):
            chain.append(len(self.columns))
            self.columns.append(column)
        chain.append(b)
        for one, other in itertools.pairwise(chain):
            self.older[one].append(other)
            self.newer[other].append(one)
        return chain

    def room(self, one: int, other: int) -> float:
        """How far apart two are at the least, one below the other."""
        return sum(ROW if node < self.nodes else BEND for node in (one, other)) / 2


def _ordered(grid: _Grid) -> list[list[int]]:
    """The columns, each in an order that makes few links cross: the best of some sweeps."""
    order: list[list[int]] = [[] for _ in range(max(grid.columns, default=-1) + 1)]
    for node in _near_each_other(grid):
        order[grid.columns[node]].append(node)
    best, fewest = [list(column) for column in order], _crossings(grid, order)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        rightwards = sweep % 2 == 0
        beside = grid.older if rightwards else grid.newer
        columns = range(1, len(order)) if rightwards else range(len(order) - 2, -1, -1)
        for column in columns:
            fixed = order[column - 1 if rightwards else column + 1]
            place = {node: number for number, node in enumerate(fixed)}
            order[column] = _by_middle(order[column], beside, place)
        crossings = _crossings(grid, order)
        if crossings < fewest:
            best, fewest = [list(column) for column in order], crossings
    return best


def _near_each_other(grid: _Grid) -> Iterator[int]:
    """Every node and bend once, those that are linked close together."""
    seen: set[int] = set()
    for begin in sorted(range(len(grid.columns)), key=lambda node: -grid.columns[node]):
        waiting = [begin]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                yield node
                waiting += reversed(grid.older[node])


def _by_middle(
    column: Sequence[int], beside: Mapping[int, list[int]], place: Mapping[int, int]
) -> list[int]:
    """The column by the mean place of each one's neighbours; without any, one stays."""
    wanted = {}
    for number, node in enumerate(column):
        places = [place[other] for other in beside.get(node, ())]
        wanted[node] = sum(places) / len(places) if places else float(number)
    return sorted(column, key=wanted.__getitem__)


def _crossings(grid: _Grid, order: Sequence[Sequence[int]]) -> int:
    """How many pairs of links cross."""
    total = 0
    for left, right in itertools.pairwise(order):
        place = {node: number for number, node in enumerate(left)}
        passed: list[int] = []
        for node in right:
            ends = sorted(place[other] for other in grid.older.get(node, ()))
            total += sum(len(passed) - bisect_left(passed, end + 1) for end in ends)
            for end in ends:
                insort(passed, end)
    return total


def _lowered(grid: _Grid, order: Sequence[Sequence[int]]) -> list[float]:
    """How far down each one is: near its neighbours, with room between, from 0."""
    y = [0.0] * len(grid.columns)
    for column in order:
        _place(grid, column, [0.0] * len(column), y)
    for sweep in range(SWEEPS):
        rightwards = sweep % 2 == 0
        for column in order if rightwards else reversed(order):
            wanted = [_level(grid, node, y, sweep, rightwards) for node in column]
            _place(grid, column, wanted, y)
    top = min(y, default=0.0)
    return [place - top for place in y]


def _level(grid: _Grid, node: int, y: Sequence[float], sweep: int, rightwards: bool) -> float:
    one_side = grid.older if rightwards else grid.newer
    beside = (
        one_side[node]
        if sweep < SWEEPS - 2 and one_side[node]
        else (grid.older[node] + grid.newer[node])
    )
    return sum(y[other] for other in beside) / len(beside) if beside else y[node]


def _place(grid: _Grid, column: Sequence[int], wanted: Sequence[float], y: list[float]) -> None:
    """Put a column as near to where its nodes want to be as the room between them allows.

    The least sum of squares: neighbours that would come too close are joined into a block, which
    goes to the mean of what its nodes want.
    """
    offsets = [0.0]
    for one, other in itertools.pairwise(column):
        offsets.append(offsets[-1] + grid.room(one, other))
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        blocks.append((want - offset, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (high, many), (low, few) = blocks[-2], blocks[-1]
            blocks[-2:] = [((high * many + low * few) / (many + few), many + few)]
    bases = [base for base, size in blocks for _ in range(size)]
    for node, base, offset in zip(column, bases, offsets, strict=True):
        y[node] = base + offset
