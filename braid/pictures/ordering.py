"""The order of what is in each column of a layout, so that few links cross.

Sweeps over the columns, forth and back, put each node at the mean place of its neighbours in the
column before (the barycentre heuristic of Sugiyama, Tagawa and Toda, 1981). After each sweep
crossings are counted with an accumulator tree (Barth, Juenger and Mutzel, "Simple and efficient
bilayer cross counting", Graph Drawing 2002), and the best order is kept. In layouts that are not
large, neighbours in a column are exchanged where that takes crossings away (Gansner, Koutsofios,
North and Vo, "A technique for drawing directed graphs", IEEE Trans. Software Eng. 19, 1993). The
number of sweeps is bounded, so the time grows with E log E for E links between neighbouring
columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from braid.pictures.bends import Grid

__all__ = ["crossings", "ordered"]

Order = list[list[int]]

SWEEPS, FEW_SWEEPS, LARGE = 24, 6, 4_000
"""Sweeps that are made at the most; in layouts with more nodes and bends than LARGE, and those that
are made after the last one that helped."""
BOTH_WAYS = 2
"""Sweeps that are made of any order, since they also put bends between what they are shared by."""
EXCHANGES = 8
"""How often columns are gone through for exchanges, at the most."""
FAN = 32
"""Children of each node of the accumulator tree: sums over so few run inside of the interpreter."""


def ordered(grid: Grid) -> Order:
    """The columns, each in an order that makes few links cross: the best that was found."""
    found = grid.in_columns()
    order = [found[column] for column in range(max(found, default=-1) + 1)]
    _near_each_other(grid, order)
    best, fewest = _swept(grid, order)
    if fewest and len(grid.columns) <= LARGE:
        best = _exchanged(grid, best)
        again, fewer = _swept(grid, [list(column) for column in best])
        if fewer < crossings(grid, best):
            best = _exchanged(grid, again)
    return best


def _swept(grid: Grid, order: Order) -> tuple[Order, int]:
    """The best order that sweeps lead to, and its crossings; `order` itself is changed."""
    best, fewest = [list(column) for column in order], crossings(grid, order)
    most = SWEEPS if len(grid.columns) <= LARGE else FEW_SWEEPS
    helped = 0
    for sweep in range(most):
        if sweep >= BOTH_WAYS and (not fewest or sweep - helped > FEW_SWEEPS):
            break
        _sweep(grid, order, rightwards=sweep % 2 == 0)
        count = crossings(grid, order)
        if count < fewest or (count == fewest and sweep < BOTH_WAYS):
            best, fewest, helped = [list(column) for column in order], count, sweep
    return best, fewest


def _near_each_other(grid: Grid, order: Order) -> None:
    """Puts what is linked close together close to each other in each column: in the order of a
    search that begins at what is furthest right."""
    rank = [-1] * len(grid.columns)
    next_rank = 0
    for column in reversed(order):
        for begin in column:
            waiting = [begin]
            while waiting:
                node = waiting.pop()
                if rank[node] < 0:
                    rank[node] = next_rank
                    next_rank += 1
                    waiting += reversed(grid.older[node])
    for column in order:
        column.sort(key=rank.__getitem__)


def _sweep(grid: Grid, order: Order, *, rightwards: bool) -> None:
    beside, beyond = (grid.older, grid.newer) if rightwards else (grid.newer, grid.older)
    place = [0] * len(grid.columns)
    columns = order if rightwards else order[::-1]
    for column in columns:
        if column is not columns[0]:
            column[:] = _by_middle(column, beside, beyond, place, grid.nodes)
        for number, node in enumerate(column):
            place[node] = number


def _by_middle(
    column: Sequence[int],
    beside: Sequence[Sequence[int]],
    beyond: Sequence[Sequence[int]],
    place: Sequence[int],
    nodes: int,
) -> list[int]:
    """The column by the mean place of each one's neighbours; without any, one stays. Of those that
    want the same place bends are in the middle, then what has links on the other side too, so that
    these run straight."""
    wanted: dict[float, list[int]] = {}
    for number, node in enumerate(column):
        others = beside[node]
        if len(others) == 1:
            middle = float(place[others[0]])
        elif others:
            middle = sum([place[other] for other in others]) / len(others)
        else:
            middle = float(number)
        wanted.setdefault(middle, []).append(node)
    found: list[int] = []
    for middle in sorted(wanted):
        alike = wanted[middle]
        if len(alike) > 2:
            bends = [node for node in alike if node >= nodes]
            through = [node for node in alike if node < nodes and beyond[node]]
            alike = [node for node in alike if node < nodes and not beyond[node]]
            alike = _around(_around(bends, through), alike)
        found += alike
    return found


def _around(inner: list[int], outer: list[int]) -> list[int]:
    half = len(outer) // 2
    return [*outer[:half], *inner, *outer[half:]]


def crossings(grid: Grid, order: Order) -> int:
    """How many pairs of links cross between neighbouring columns."""
    total = 0
    place = [0] * len(grid.columns)
    for column in order:
        for number, node in enumerate(column):
            place[node] = number
    for left, right in itertools.pairwise(order):
        ends: list[int] = []
        for node in right:
            ends += sorted([place[other] for other in grid.older[node]])
        total += _inversions(ends, len(left))
    return total


def _inversions(ends: Sequence[int], places: int) -> int:
    """How many pairs of ends, which lie below `places`, are not in rising order.

    By an accumulator tree: its leaves count the ends at each place, and each node above the sum of
    its children. Each end asks for what was passed right of it, then is added.
    """
    if len(ends) < 2 or all(a <= b for a, b in itertools.pairwise(ends)):
        return 0
    levels = [[0] * (places + 1)]
    while len(levels[-1]) > FAN:
        levels.append([0] * (-(-len(levels[-1]) // FAN) + 1))
    total = 0
    for end in ends:
        at = end
        for level in levels:
            parent = at // FAN
            total += sum(level[at + 1 : (parent + 1) * FAN])
            level[at] += 1
            at = parent
    return total


def _exchanged(grid: Grid, order: Order) -> Order:
    """The order after exchanges of neighbours that each take crossings away."""
    order = [list(column) for column in order]
    place = [0] * len(grid.columns)
    for column in order:
        for number, node in enumerate(column):
            place[node] = number
    for _ in range(EXCHANGES):
        changed = False
        for column in order:
            sides = _places_beside(grid, column, place)
            for at in range(len(column) - 1):
                upper, lower = column[at], column[at + 1]
                if _gain(sides[upper], sides[lower]) > 0:
                    column[at], column[at + 1] = lower, upper
                    place[lower], place[upper] = at, at + 1
                    changed = True
        if not changed:
            break
    return order


Sides = tuple[list[int], list[int]]


def _places_beside(grid: Grid, column: Sequence[int], place: Sequence[int]) -> dict[int, Sides]:
    return {
        node: (
            sorted([place[other] for other in grid.older[node]]),
            sorted([place[other] for other in grid.newer[node]]),
        )
        for node in column
    }


def _gain(upper: Sides, lower: Sides) -> int:
    """How many crossings fewer there are when two neighbours in a column are exchanged."""
    gain = 0
    for above, below in zip(upper, lower, strict=True):
        if above and below:
            gain += _greater(above, below) - _greater(below, above)
    return gain


def _greater(ones: Sequence[int], others: Sequence[int]) -> int:
    """How many pairs there are of one that is greater than another; both are in rising order."""
    total = at = 0
    for one in ones:
        while at < len(others) and others[at] < one:
            at += 1
        total += at
    return total
