"""Where the nodes of a picture go: in columns, what is depended on left of what depends on it.

The steps of the layered method, each in a module of its own: columns (`layering`), bends of long
links (`bends`), the order in each column (`ordering`), and how far down everything is
(`coordinates`). All of it grows with E log E, where E is the number of nodes and links.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from braid.pictures.bends import Grid, bundles_of, in_lanes
from braid.pictures.coordinates import BEND, ROW, lowered
from braid.pictures.layering import Link, divided, forward_links, longest_way
from braid.pictures.ordering import ordered

__all__ = ["BEND", "ROW", "Layout", "Point", "arrange", "columns_of", "least"]


class Point(NamedTuple):
    """A column, counted from the left, and how far down."""

    column: int
    y: float


@dataclass(frozen=True)
class Layout:
    """The place of every node, and for every link the places that it goes through.

    A route begins at the dependent. Where links share their way (`joins` has the number of the one
    that is drawn whole, else -1), the route is the part that the link has for itself: from the
    dependent to where it joins, or from where it leaves to the other end.
    """

    places: list[Point]
    routes: list[list[Point]]
    joins: list[int]


def columns_of(count: int, links: Sequence[Link]) -> list[int]:
    """The column of each node, as `arrange` has it where columns may be of any length."""
    return longest_way(count, forward_links(count, links)[0])


def arrange(
    count: int,
    links: Sequence[Link],
    *,
    kinds: Sequence[Hashable] = (),
    most: int | None = None,
) -> Layout:
    """Places for nodes 0 to `count` - 1; a link (a, b) says that a depends on b.

    `kinds` are those of the links, by default each its own: links of one kind that begin or end at
    one node share their way. `most` is how many nodes a column has at most: what is more than that
    fills several. Routes are in the order of the links. A link of a node to itself has no route.
    """
    forward, turned = forward_links(count, links)
    columns = _placed(count, forward, most)
    sorts = list(zip(kinds or range(len(links)), turned, strict=True))
    bundles, bundle_of = bundles_of(columns, forward, sorts)
    lanes = in_lanes(bundles, count, len(links))
    grid = Grid(columns, forward, bundles, bundle_of, lanes)
    y = lowered(grid, ordered(grid))
    above = BEND * (1 + max(lanes.values(), default=-1)) + (ROW / 2 if lanes else 0.0)
    points = [Point(column, place + above) for column, place in zip(grid.columns, y, strict=True)]
    routes, joins = [], []
    for number, (bundle, back) in enumerate(zip(bundle_of, turned, strict=True)):
        if bundle < 0:
            route = []
        elif bundle in lanes:
            a, b = forward[number]
            lane = lanes[bundle] * BEND
            through = _through_lane(columns[a], columns[b], lane)
            if number == bundles[bundle].trunk:
                route = [points[a], *through, points[b]]
            elif columns[a] - columns[b] == 1:
                route = [points[a], points[b]]
            elif bundles[bundle].from_dependent:
                route = [through[-1], points[b]]
            else:
                route = [points[a], through[0]]
        else:
            route = [points[node] for node in grid.way(number)]
        routes.append(route[::-1] if back else route)
        trunk = bundles[bundle].trunk if bundle >= 0 else number
        joins.append(-1 if trunk == number else trunk)
    return Layout(points[:count], routes, joins)


def _through_lane(right: int, left: int, y: float) -> list[Point]:
    """Where a link from one column to another enters its lane and leaves it."""
    return [Point(right - 1, y), Point(left + 1, y)]


def least(
    count: int,
    links: Sequence[Link],
    *,
    kinds: Sequence[Hashable] = (),
    most: int | None = None,
) -> tuple[list[int], float]:
    """The columns of the nodes as `arrange` has them, and how high the layout is at the least:
    found at once, for the order of what is in a column is what takes long."""
    forward, turned = forward_links(count, links)
    columns = _placed(count, forward, most)
    sorts = list(zip(kinds or range(len(links)), turned, strict=True))
    bundles, _ = bundles_of(columns, forward, sorts)
    lanes = in_lanes(bundles, count, len(links))
    changes: Counter[int] = Counter()
    for number, bundle in enumerate(bundles):
        if number not in lanes:
            changes[bundle.low + 1] += 1
            changes[bundle.high] -= 1
    nodes = Counter(columns)
    bends = itertools.accumulate(changes[column] for column in range(max(columns, default=-1) + 1))
    heights = (nodes[column] * ROW + many * BEND - ROW for column, many in enumerate(bends))
    return columns, max(0.0, max(heights, default=0.0))


def _placed(count: int, forward: Sequence[Link], most: int | None) -> list[int]:
    columns = longest_way(count, forward)
    return columns if most is None else divided(columns, most)
