"""Where the nodes of a picture go: in columns, what is depended on left of what depends on it.

The usual steps: links that would close a circle are turned round, nodes get columns by the longest
way, long links get bends in the columns between, columns are put in an order with few crossings,
and every node is drawn towards its neighbours as far as its column has room. Long links of one kind
that begin or end at one node share their bends, so that many of them take the room of one.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Layout", "Point", "arrange", "columns_of", "least"]

SWEEPS = 12
BOTH_WAYS = 2
"""Sweeps that are made of any order, since they also put bends between what they are shared by."""
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


def columns_of(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """The column of each node, as `arrange` has it where columns may be of any length."""
    return _columns(count, _forward(count, links)[0])


def arrange(
    count: int,
    links: Sequence[tuple[int, int]],
    *,
    kinds: Sequence[Hashable] = (),
    most: int | None = None,
) -> Layout:
    """Places for nodes 0 to `count` - 1; a link (a, b) says that a depends on b.

    `kinds` are those of the links, by default each its own, and `most` is how many nodes a column
    has at most: what is more than that fills several. Routes are in the order of the links and
    begin at the dependent. A link of a node to itself has no route.
    """
    forward, turned = _forward(count, links)
    grid = _Grid(_placed(count, forward, most))
    sorts = list(zip(kinds or range(len(links)), turned, strict=True))
    hubs = _hubs(forward, sorts)
    chains = [
        [] if link[0] == link[1] else grid.chain(*link, (hub, sort))
        for link, hub, sort in zip(forward, hubs, sorts, strict=True)
    ]
    order = _ordered(grid)
    y = _lowered(grid, order)
    points = [Point(column, y[node]) for node, column in enumerate(grid.columns)]
    routes = [
        [points[node] for node in (reversed(chain) if back else chain)]
        for chain, back in zip(chains, turned, strict=True)
    ]
    return Layout(points[:count], routes)


def least(
    count: int,
    links: Sequence[tuple[int, int]],
    *,
    kinds: Sequence[Hashable] = (),
    most: int | None = None,
) -> tuple[list[int], float]:
    """The columns of the nodes as `arrange` has them, and how high the layout is at the least:
    found at once, for the order of what is in a column is what takes long."""
    forward, turned = _forward(count, links)
    columns = _placed(count, forward, most)
    sorts = list(zip(kinds or range(len(links)), turned, strict=True))
    ends: dict[Hashable, tuple[int, int]] = {}  # of the bends that links of one sort share
    for (a, b), hub, sort in zip(forward, _hubs(forward, sorts), sorts, strict=True):
        if a != b:
            key = (hub, sort, hub == a)
            low, high = ends.get(key, (columns[b], columns[a]))
            ends[key] = min(low, columns[b]), max(high, columns[a])
    changes: Counter[int] = Counter()
    for low, high in ends.values():
        changes[low + 1] += 1
        changes[high] -= 1
    nodes = Counter(columns)
    bends = itertools.accumulate(changes[column] for column in range(max(columns, default=-1) + 1))
    heights = (nodes[column] * ROW + many * BEND - ROW for column, many in enumerate(bends))
    return columns, max(0.0, max(heights, default=0.0))


def _placed(count: int, forward: Sequence[tuple[int, int]], most: int | None) -> list[int]:
    columns = _columns(count, forward)
    return columns if most is None else _divided(columns, most)


def _forward(
    count: int, links: Sequence[tuple[int, int]]
) -> tuple[list[tuple[int, int]], list[bool]]:
    """The links without circles, and which of them were turned round for that."""
    turned = _turned(count, links)
    forward = [(b, a) if back else (a, b) for (a, b), back in zip(links, turned, strict=True)]
    return forward, turned


def _hubs(links: Sequence[tuple[int, int]], sorts: Sequence[Hashable]) -> Iterator[int]:
    """For each link which of its ends has more of its sort: it shares its bends with those."""
    begun = Counter((a, sort) for (a, _), sort in zip(links, sorts, strict=True))
    ended = Counter((b, sort) for (_, b), sort in zip(links, sorts, strict=True))
    for (a, b), sort in zip(links, sorts, strict=True):
        yield a if begun[a, sort] > ended[b, sort] else b


def _divided(columns: Sequence[int], most: int) -> list[int]:
    """The columns with each that is longer than that in several, filled in the order of nodes."""
    sizes = Counter(columns)
    parts = {column: -(-size // most) for column, size in sizes.items()}
    first, begin = 0, {}
    for column in sorted(sizes):
        begin[column] = first
        first += parts[column]
    placed: Counter[int] = Counter()
    found = []
    for column in columns:
        found.append(begin[column] + placed[column] * parts[column] // sizes[column])
        placed[column] += 1
    return found


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
    bends: dict[Hashable, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = len(self.columns)

    def chain(self, a: int, b: int, bundle: Hashable) -> list[int]:
        """From the dependent to the other, with a bend in every column between; links of one
        bundle share them."""
        between = range(self.columns[a] - 1, self.columns[b], -1)
        chain = [a, *(self._bend((bundle, column), column) for column in between), b]
        for one, other in itertools.pairwise(chain):
            if other not in self.older[one]:
                self.older[one].append(other)
                self.newer[other].append(one)
        return chain

    def _bend(self, key: Hashable, column: int) -> int:
        if key not in self.bends:
            self.bends[key] = len(self.columns)
            self.columns.append(column)
        return self.bends[key]

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
        if not fewest and sweep >= BOTH_WAYS:
            break
        rightwards = sweep % 2 == 0
        beside = grid.older if rightwards else grid.newer
        columns = range(1, len(order)) if rightwards else range(len(order) - 2, -1, -1)
        for column in columns:
            fixed = order[column - 1 if rightwards else column + 1]
            place = {node: number for number, node in enumerate(fixed)}
            order[column] = _by_middle(order[column], beside, place, grid.nodes)
        crossings = _crossings(grid, order)
        if crossings < fewest or (crossings == fewest and sweep < BOTH_WAYS):
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
    column: Sequence[int], beside: Mapping[int, list[int]], place: Mapping[int, int], nodes: int
) -> list[int]:
    """The column by the mean place of each one's neighbours; without any, one stays. Of those with
    the same neighbours bends are in the middle."""
    wanted: defaultdict[float, list[int]] = defaultdict(list)
    for number, node in enumerate(column):
        places = [place[other] for other in beside.get(node, ())]
        wanted[sum(places) / len(places) if places else float(number)].append(node)
    found = []
    for _, alike in sorted(wanted.items()):
        half = [node for node in alike if node < nodes]
        bends = [node for node in alike if node >= nodes]
        found += [*half[: len(half) // 2], *bends, *half[len(half) // 2 :]]
    return found


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
