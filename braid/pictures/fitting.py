"""The drawing of a lineage that can be shown largest in a shape, such as that of a slide.

To fit a shape, a drawing that is too wide goes on in rows below, where a pale copy stands for what
is in another row; in one that is too high, long columns become several.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from braid.cli.output import Document
from braid.pictures.appearance import texts_of, width_of
from braid.pictures.layout import columns_of
from braid.pictures.placing import Placement, ends_of, place_rows, room_needed
from provenance_store.errors import InvalidInput

__all__ = ["Shape", "needs", "place"]

MOST_ROWS = 40
"""Nodes of a column, and of a large lineage the square root of how many there are; more than that
fill several columns."""
MOST_PARTS = 12
"""How many ways to divide a drawing into rows, or its columns, are looked at to fit a shape."""
WORTH_WHILE = 0.97
"""How much narrower a shape must do for another way to divide a drawing, to be tried."""
MOST_WORK = 8_000
"""Nodes and links of all drawings that are tried, and of ten times as many ways that are looked
at."""
MOST_OBLONG = 100.0

SLIDE_HEIGHT = 540.0
"""Points: 19 cm, which presentation programs take for a slide."""
SLIDE_LEAST, PAPER_LEAST = 10.0, 7.0
"""Points that the names of nodes have at the least to be read in a room, or on paper."""


@dataclass(frozen=True)
class Shape:
    """What a picture is to fit: the ratio of its sides, and how large it is in units of SVG; how
    wide it is in points where it is read, and the smallest text that is legible there."""

    ratio: float
    unit: str = ""
    width: float = 1600.0
    points: float = 0.0
    least: float = SLIDE_LEAST

    @classmethod
    def named(cls, text: str) -> Shape:
        """``16:9``, ``4:3`` and the like, or ``A4``, which lies. Raises InvalidInput."""
        if text.upper() == "A4":
            return cls(297 / 210, "mm", 297.0, 297 / 25.4 * 72, PAPER_LEAST)
        found = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]+)?):([0-9]{1,4}(?:\.[0-9]+)?)", text)
        sides = [float(side) for side in found.groups()] if found else [0.0, 1.0]
        if not sides[1] or not MOST_OBLONG**-1 <= sides[0] / sides[1] <= MOST_OBLONG:
            raise InvalidInput(f"{text!r} is not a shape; write 16:9, 4:3 or A4.")
        ratio = sides[0] / sides[1]
        return cls(ratio, points=SLIDE_HEIGHT * max(ratio, 1.0))


def needs(width: float, height: float, shape: Shape) -> float:
    """How wide the shape must be so that what is so large fits in."""
    return max(width, height * shape.ratio)


def place(lineage: Document, shape: Shape | None = None) -> Placement:
    """Coordinates for the nodes and links of a lineage, the document of the query API: what
    pictures are drawn from, and pages may be.

    As large as it comes, or divided so that it can be shown largest in a shape. Between two nodes
    the first link is shown, and none from a node to itself; `PlacedLink`s keep that order within a
    row. The time grows with E log E for E nodes and links: about 0.1 s for 1,000 nodes and 1 s for
    10,000 on one core, and a few times as much for a shape. Nothing is refused for its size.
    """
    nodes, links = lineage["nodes"], _single(lineage["links"])
    columns = columns_of(len(nodes), ends_of(nodes, links))
    draw = partial(place_rows, nodes, links, columns, root=lineage["root"])
    usual = max(MOST_ROWS, math.isqrt(len(nodes)))
    found = draw(rows=1, most=usual)
    if shape is None:
        return found
    ways = set(_ways(found, columns, usual, shape, len(nodes) + len(links)))
    widths = {node["id"]: width_of(texts_of(node), bold=False) for node in nodes}
    look = partial(room_needed, nodes, links, columns, widths)
    best = sorted((needs(*look(rows=rows, most=most), shape), rows, most) for rows, most in ways)
    for needed, rows, most in best[: max(1, MOST_WORK // (len(nodes) + len(links)))]:
        if needed > WORTH_WHILE * needs(found.width, found.height, shape):
            break
        other = draw(rows=rows, most=most)
        if needs(other.width, other.height, shape) < needs(found.width, found.height, shape):
            found = other
    return found


def _ways(
    drawn: Placement, columns: Sequence[int], usual: int, shape: Shape, size: int
) -> Iterator[tuple[int, int]]:
    """Into how many rows a drawing may be divided, and how many nodes its columns may have: about
    what would bring the area that it takes into the shape, if nothing else changed."""
    lengths = Counter(columns)
    longest = max(lengths.values(), default=1)
    many = max(3, min(MOST_PARTS + 1, 10 * MOST_WORK // max(size, 1)))
    stretch = drawn.width / (drawn.height * shape.ratio)
    if stretch > 1:
        first = max(2, round(math.sqrt(stretch)) - many // 2)
        for rows in range(first, min(first + many, len(lengths) + 1)):
            yield rows, usual
        if longest > usual:  # it was its columns that made it wide
            for part in range(1, many):
                yield 1, usual + (longest - usual) * part // many
            yield 1, min(longest, round(usual * math.sqrt(stretch)))
    else:
        first = max(2, longest // usual + 1)
        first = max(first, round(longest / usual * math.sqrt(1 / stretch)) - many // 2)
        for parts in range(first, min(first + many, longest + 1)):
            yield 1, -(-longest // parts)


def _single(links: Sequence[Document]) -> list[Document]:
    """The links that a picture shows: between two nodes the first, and none to itself."""
    found: dict[tuple[str, str], Document] = {}
    for link in links:
        if link["from"] != link["to"]:
            found.setdefault((link["from"], link["to"]), link)
    return list(found.values())
