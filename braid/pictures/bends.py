"""The ways of links through the columns of a layout: where they bend, and which share their bends.

A link over several columns has a bend in each column between, so that it meets no node. Links of
one kind that begin or end at one node share their bends: the longest of them is the *trunk*, and
each of the others joins it in the column beside its own end. So many links take the room of one,
and all routes together have few more points than there are links and bends.

A trunk over many columns has many bends, and many such trunks would have more than can be put in
order in reasonable time. Beyond a limit that grows with nodes and links, the longest trunks run in
*lanes* above all nodes instead: two points each, however long they are.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from braid.pictures.layering import Link

__all__ = ["Bundle", "Grid", "bundles_of", "in_lanes"]

FEWEST_BENDS, BENDS_FOR_EACH = 2_000, 3
"""How many bends there may be: so many, and so many more for each node and each link."""


class Bundle(NamedTuple):
    """Links that share their bends: the columns of the two ends of the longest, its number, and
    whether what they have in common is the dependent."""

    low: int
    high: int
    trunk: int
    from_dependent: bool

    @property
    def bends(self) -> int:
        """How many columns lie between the ends."""
        return self.high - self.low - 1


def bundles_of(
    columns: Sequence[int], links: Sequence[Link], sorts: Sequence[Hashable]
) -> tuple[list[Bundle], list[int]]:
    """The bundles, and the number of the bundle of each link. Links have no circles; a link of a
    node to itself has the bundle -1."""
    keys: dict[Hashable, int] = {}
    found: list[Bundle] = []
    bundle_of = []
    for number, ((a, b), hub, sort) in enumerate(
        zip(links, _hubs(links, sorts), sorts, strict=True)
    ):
        if a == b:
            bundle_of.append(-1)
            continue
        key = keys.setdefault((hub, sort, hub == a), len(found))
        low, high = columns[b], columns[a]
        if key == len(found):
            found.append(Bundle(low, high, number, hub == a))
        elif high - low > found[key].high - found[key].low:
            found[key] = Bundle(low, high, number, hub == a)
        bundle_of.append(key)
    return found, bundle_of


def _hubs(links: Sequence[Link], sorts: Sequence[Hashable]) -> Iterator[int]:
    """For each link which of its ends has more of its sort: it shares its bends with those."""
    begun = Counter((a, sort) for (a, _), sort in zip(links, sorts, strict=True))
    ended = Counter((b, sort) for (_, b), sort in zip(links, sorts, strict=True))
    for (a, b), sort in zip(links, sorts, strict=True):
        yield a if begun[a, sort] > ended[b, sort] else b


def in_lanes(bundles: Sequence[Bundle], nodes: int, links: int) -> dict[int, int]:
    """The bundles that run above all nodes, with the number of the lane of each; in a lane no two
    overlap. Usually none: only where all bends would be too many, and then the longest."""
    bends = sum(bundle.bends for bundle in bundles)
    most = FEWEST_BENDS + BENDS_FOR_EACH * (nodes + links)
    if bends <= most:
        return {}
    chosen = []
    for number in sorted(range(len(bundles)), key=lambda number: -bundles[number].bends):
        if bends <= most:
            break
        chosen.append(number)
        bends -= bundles[number].bends
    # Intervals on the fewest lanes: the one that is free first, of the intervals in their order.
    lanes: dict[int, int] = {}
    free: list[tuple[int, int]] = []
    for number in sorted(chosen, key=lambda number: bundles[number].low):
        low, high = bundles[number].low, bundles[number].high
        lane = heapq.heappop(free)[1] if free and free[0][0] <= low else len(free)
        lanes[number] = lane
        heapq.heappush(free, (high, lane))
    return lanes


class Grid:
    """Nodes and bends, which have numbers from that of the last node on, in columns, and which of
    them are next to each other on a link."""

    def __init__(
        self,
        columns: Sequence[int],
        links: Sequence[Link],
        bundles: Sequence[Bundle],
        bundle_of: Sequence[int],
        lanes: dict[int, int],
    ) -> None:
        self.nodes = len(columns)
        self.columns = list(columns)
        self._bundles, self._bundle_of, self._links = bundles, bundle_of, links
        self._first: list[int] = []
        """Of each bundle the number of its bend that is furthest left; -1 for one in a lane."""
        for number, bundle in enumerate(bundles):
            self._first.append(-1 if number in lanes else len(self.columns))
            if number not in lanes:
                self.columns += range(bundle.low + 1, bundle.high)
        self.older: list[list[int]] = [[] for _ in self.columns]
        self.newer: list[list[int]] = [[] for _ in self.columns]
        self._connect()

    def _connect(self) -> None:
        beside: dict[tuple[int, int], None] = {}
        for number, bundle in enumerate(self._bundle_of):
            if bundle >= 0 and self._first[bundle] >= 0:
                way = self.way(number)
                beside.update(dict.fromkeys(itertools.pairwise(way)))
        for newer, older in beside:
            self.older[newer].append(older)
            self.newer[older].append(newer)

    def way(self, number: int) -> list[int]:
        """What a link runs through, from the dependent: all of a trunk, and of another link of its
        bundle its end and the bend where it joins. Not for one in a lane."""
        a, b = self._links[number]
        bundle_number = self._bundle_of[number]
        bundle, first = self._bundles[bundle_number], self._first[bundle_number]
        if bundle.trunk == number:
            return [a, *range(first + bundle.bends - 1, first - 1, -1), b]
        if self.columns[a] - self.columns[b] == 1:
            return [a, b]
        if bundle.from_dependent:
            return [first + self.columns[b] - bundle.low, b]
        return [a, first + self.columns[a] - bundle.low - 2]

    def in_columns(self) -> defaultdict[int, list[int]]:
        """What is in each column, in the order of numbers."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for number, column in enumerate(self.columns):
            found[column].append(number)
        return found

    def runs(self) -> Iterator[range]:
        """The bends of each trunk, from left to right."""
        for bundle, first in zip(self._bundles, self._first, strict=True):
            if first >= 0 and bundle.bends:
                yield range(first, first + bundle.bends)
