"""A lineage with the coordinates of everything in its picture, as data.

Units are those of SVG: x to the right, y downwards, from the left upper corner. `place_rows` lays
out one drawing; `braid.pictures.fitting.place` chooses the one that fits a shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from braid.cli.output import Document
from braid.pictures.appearance import HEIGHT, texts_of, width_of
from braid.pictures.layout import Point, arrange, least

__all__ = [
    "MARGIN",
    "PlacedLink",
    "PlacedNode",
    "Placement",
    "ends_of",
    "place_rows",
    "room_needed",
]

GAP, MARGIN = 74.0, 24.0
"""Between columns, and around everything."""
LOWER = 6.0
"""How much lower than their nodes links run that go back to the right."""

Stop = tuple[float, float]


class PlacedNode(NamedTuple):
    """A node: its document, the middle of its box, its width (all are 38 high), its two lines of
    text, and whether it is a pale copy for what is in another row (``above``, ``below``, or empty).
    """

    document: Document
    x: float
    y: float
    width: float
    texts: tuple[str, str]
    elsewhere: str


class PlacedLink(NamedTuple):
    """A link: its document, and its way from the dependent in pairs of points. From the first of a
    pair to the second it runs level, and in a curve from there to the next pair.

    Of links that share their way one is drawn whole; the others end, or begin, where they join it.
    `has_arrow` is whether the way ends at a node. `whole` is the number of the link that is drawn
    whole where this one is not, else -1.
    """

    document: Document
    stops: list[Stop]
    has_arrow: bool
    whole: int


@dataclass(frozen=True)
class Placement:
    """Nodes and links in one row of columns or several, and how large all of it is."""

    width: float
    height: float
    nodes: list[PlacedNode]
    links: list[PlacedLink]


def ends_of(nodes: Sequence[Document], links: Sequence[Document]) -> list[tuple[int, int]]:
    """The links as the places of their nodes: of the dependent, and of what it depends on."""
    number = {node["id"]: place for place, node in enumerate(nodes)}
    return [(number[link["from"]], number[link["to"]]) for link in links]


def place_rows(
    nodes: Sequence[Document],
    links: Sequence[Document],
    columns: Sequence[int],
    *,
    root: str,
    rows: int,
    most: int,
) -> Placement:
    """The lineage in as many rows, the first things at the top, with at most so many nodes in a
    column. `columns` are those of `columns_of`, and `root` is the id of the node with a bold text.
    """
    found = Placement(0.0, 0.0, [], [])
    width = height = 0.0
    for row in _rows(nodes, links, columns, rows):
        canvas = _Canvas(row, root, most)
        before = len(found.links)
        found.nodes.extend(canvas.nodes(height))
        found.links.extend(canvas.links(height, before))
        width, height = max(width, canvas.width), height + canvas.height
    return Placement(width, height, found.nodes, found.links)


def room_needed(
    nodes: Sequence[Document],
    links: Sequence[Document],
    columns: Sequence[int],
    widths: Mapping[str, float],
    *,
    rows: int,
    most: int,
) -> tuple[float, float]:
    """How wide and high what `place_rows` makes is at the least, without making it; `widths` are
    those of the nodes by id."""
    width = height = 0.0
    for row in _rows(nodes, links, columns, rows):
        roles = [link["role"] for link in row.links]
        placed, high = least(len(row.nodes), row.ends, kinds=roles, most=most)
        across = [0.0] * (1 + max(placed, default=0))
        for node, column in zip(row.nodes, placed, strict=True):
            across[column] = max(across[column], widths[node["id"]])
        width = max(width, _across(across))
        height += _down(high)
    return width, height


class _Row(NamedTuple):
    """What is drawn in a row: its nodes and copies of those in other rows that they depend on, its
    links, and the places of their ends."""

    nodes: list[Document]
    links: list[Document]
    ends: list[tuple[int, int]]


def _rows(
    nodes: Sequence[Document], links: Sequence[Document], columns: Sequence[int], rows: int
) -> list[_Row]:
    """The rows, each of which has as many columns as the others; nodes in the order given."""
    if rows == 1:
        return [_Row(list(nodes), list(links), ends_of(nodes, links))]
    last = max(columns, default=0) + 1
    row_of = {
        node["id"]: column * rows // last for node, column in zip(nodes, columns, strict=True)
    }
    place = {node["id"]: number for number, node in enumerate(nodes)}
    here: list[list[Document]] = [[] for _ in range(rows)]
    theirs: list[list[Document]] = [[] for _ in range(rows)]
    others: list[set[int]] = [set() for _ in range(rows)]
    for node in nodes:
        here[row_of[node["id"]]].append(node)
    for link in links:
        row = row_of[link["from"]]
        theirs[row].append(link)
        if row_of[link["to"]] != row:
            others[row].add(place[link["to"]])
    found = []
    for row in range(rows):
        for number in sorted(others[row]):
            elsewhere = "above" if row_of[nodes[number]["id"]] < row else "below"
            here[row].append({**nodes[number], "elsewhere": elsewhere})
        found.append(_Row(here[row], theirs[row], ends_of(here[row], theirs[row])))
    return found


def _across(widths: Sequence[float]) -> float:
    """How wide columns of these widths are together."""
    return sum(widths) + GAP * (len(widths) - 1) + 2 * MARGIN


def _down(y: float) -> float:
    """How high what is drawn is, where the lowest node is so far down."""
    return y + HEIGHT + 2 * MARGIN


class _Canvas:
    """A row that is laid out: its columns are as wide as their widest node."""

    def __init__(self, row: _Row, root: str, most: int) -> None:
        self._row = row
        roles = [link["role"] for link in row.links]
        self._layout = arrange(len(row.nodes), row.ends, kinds=roles, most=most)
        self._texts = [texts_of(node) for node in row.nodes]
        self._widths = [
            width_of(texts, bold=node["id"] == root and "elsewhere" not in node)
            for node, texts in zip(row.nodes, self._texts, strict=True)
        ]
        places = self._layout.places
        columns = [0.0] * (1 + max((point.column for point in places), default=0))
        for point, width in zip(places, self._widths, strict=True):
            columns[point.column] = max(columns[point.column], width)
        self._columns = columns
        self._middles = []
        right = MARGIN
        for width in columns:
            self._middles.append(right + width / 2)
            right += width + GAP
        self.width = _across(columns)
        lowest = max((point.y for point in places), default=0.0)
        bends = (point.y for route in self._layout.routes for point in route)
        self.height = _down(max(lowest, max(bends, default=0.0)))

    def nodes(self, top: float) -> list[PlacedNode]:
        """The nodes, so far down."""
        down = top + MARGIN + HEIGHT / 2
        return [
            PlacedNode(
                node, self._middles[column], y + down, width, texts, node.get("elsewhere", "")
            )
            for node, (column, y), width, texts in zip(
                self._row.nodes, self._layout.places, self._widths, self._texts, strict=True
            )
        ]

    def links(self, top: float, before: int) -> list[PlacedLink]:
        """The links, so far down; `before` of them are in other rows."""
        down = top + MARGIN + HEIGHT / 2
        places = self._layout.places
        found = []
        for link, ends, route, joins in zip(
            self._row.links, self._row.ends, self._layout.routes, self._layout.joins, strict=True
        ):
            begins, arrives = route[0] == places[ends[0]], route[-1] == places[ends[1]]
            stops = self._stops(route, down)
            way = 1 if route[0].column < route[-1].column else -1
            for place, is_node, node, side in (
                (0, begins, ends[0], way),
                (-1, arrives, ends[1], -way),
            ):
                beside = stops[1] if place == 0 else stops[-2]
                edge = self._middles[route[place].column] + side * self._widths[node] / 2
                stops[place] = (edge, stops[place][1]) if is_node else beside
            whole = joins + before if joins >= 0 else -1
            found.append(PlacedLink(link, stops, arrives, whole))
        return found

    def _stops(self, route: Sequence[Point], down: float) -> list[Stop]:
        """Where a link enters and leaves each column; those that go back to the right, lower."""
        is_back = route[0].column < route[-1].column
        half, lower = (0.5, LOWER) if is_back else (-0.5, 0.0)
        stops = []
        for column, y in route:
            x, reach = self._middles[column], half * self._columns[column]
            level = y + down + lower
            stops += [(x - reach, level), (x + reach, level)]
        return stops
