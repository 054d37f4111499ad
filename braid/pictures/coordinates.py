"""How far down each node and bend of a layout is, in the order that its column has.

Sweeps draw each towards the mean of its neighbours as far as its column has room. Links between
bends weigh more than those of nodes (as with Gansner and others, 1993), and a column is placed by
the least sum of squares, with "pool adjacent violators": neighbours that would come too close are
joined into a block, which goes to the mean of what its members want. At last the bends of each
trunk are put on one level where there is room for that, as long links are by Brandes and Koepf
("Fast and simple horizontal coordinate assignment", Graph Drawing 2001). The number of sweeps is
fixed, and each takes time linear in nodes, bends and links.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from braid.pictures.bends import Grid

__all__ = ["BEND", "ROW", "lowered"]

ROW, BEND = 58.0, 18.0
"""Room from middle to middle that nodes and bends take in a column."""
SWEEPS, FEW_SWEEPS, LARGE = 12, 6, 4_000
"""How many sweeps there are; in layouts with more nodes and bends than LARGE."""
LAST = 2
"""Sweeps, the last ones, that look at the neighbours on both sides."""
BETWEEN_BENDS = 8.0
"""The weight of a link between two bends; that of others is 1."""


def lowered(grid: Grid, order: Sequence[Sequence[int]]) -> list[float]:
    """How far down each one is: near its neighbours, with room between, from 0."""
    y = [0.0] * len(grid.columns)
    offsets = [_offsets(column, grid.nodes) for column in order]
    for column, below in zip(order, offsets, strict=True):
        for node, offset in zip(column, below, strict=True):
            y[node] = offset
    columns = list(zip(order, offsets, strict=True))
    sweeps = SWEEPS if len(y) <= LARGE else FEW_SWEEPS
    for sweep in range(sweeps):
        sides = [grid.older, grid.newer] if sweep % 2 == 0 else [grid.newer, grid.older]
        both = sweep >= sweeps - LAST
        for column, below in columns if sweep % 2 == 0 else reversed(columns):
            wanted = [_level(node, sides, y, grid.nodes, both=both) for node in column]
            _place(column, below, wanted, y)
    _straighten(grid, order, y)
    top = min(y, default=0.0)
    return [place - top for place in y]


def _offsets(column: Sequence[int], nodes: int) -> list[float]:
    """How far each one of a column is below the first when they are as close as they may be."""
    found = [0.0] if column else []
    for one, other in itertools.pairwise(column):
        found.append(found[-1] + _room(one, other, nodes))
    return found


def _room(one: int, other: int, nodes: int) -> float:
    """How far apart two are at the least, one below the other."""
    return ((ROW if one < nodes else BEND) + (ROW if other < nodes else BEND)) / 2


def _level(
    node: int, sides: Sequence[list[list[int]]], y: Sequence[float], nodes: int, *, both: bool
) -> tuple[float, float]:
    """Where one wants to be, and how much that weighs: by the neighbours of the first side, or of
    the other one where it has none there."""
    first, second = sides[0][node], sides[1][node]
    beside = first + second if both else first or second
    if not beside:
        return y[node], 1.0
    weight = 1.0
    if node >= nodes and (bends := [other for other in beside if other >= nodes]):
        beside, weight = bends, BETWEEN_BENDS  # what joins a trunk does not draw it away
    return sum([y[other] for other in beside]) / len(beside), weight * len(beside)


def _place(
    column: Sequence[int],
    offsets: Sequence[float],
    wanted: Sequence[tuple[float, float]],
    y: list[float],
) -> None:
    """Put a column as near to where its nodes want to be as the room between them allows."""
    bases: list[float] = []
    weights: list[float] = []
    sizes: list[int] = []
    for (want, weight), offset in zip(wanted, offsets, strict=True):
        base, size = want - offset, 1
        while bases and bases[-1] >= base:
            before, more = bases.pop(), weights.pop()
            base = (before * more + base * weight) / (more + weight)
            weight += more
            size += sizes.pop()
        bases.append(base)
        weights.append(weight)
        sizes.append(size)
    at = 0
    for base, size in zip(bases, sizes, strict=True):
        for place in range(at, at + size):
            y[column[place]] = base + offsets[place]
        at += size


def _straighten(grid: Grid, order: Sequence[Sequence[int]], y: list[float]) -> None:
    """Puts the bends of each trunk on as few levels as the room beside them allows."""
    place = [0] * len(y)
    for column in order:
        for number, node in enumerate(column):
            place[node] = number
    for run in grid.runs():
        begin, low, high = run[0], float("-inf"), float("inf")
        for bend in run:
            column, at = order[grid.columns[bend]], place[bend]
            least, most = float("-inf"), float("inf")
            if at:  # never beyond where it is, whatever was rounded
                above = column[at - 1]
                least = min(y[bend], y[above] + _room(above, bend, grid.nodes))
            if at + 1 < len(column):
                below = column[at + 1]
                most = max(y[bend], y[below] - _room(bend, below, grid.nodes))
            if max(low, least) > min(high, most):
                _level_out(range(begin, bend), low, high, y)
                begin, low, high = bend, least, most
            else:
                low, high = max(low, least), min(high, most)
        _level_out(range(begin, run[-1] + 1), low, high, y)


def _level_out(bends: range, low: float, high: float, y: list[float]) -> None:
    level = sum([y[bend] for bend in bends]) / len(bends)
    level = min(max(level, low), high)
    for bend in bends:
        y[bend] = level
