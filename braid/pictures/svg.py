"""A lineage drawn as SVG: each node is right of what it depends on, to which the arrows point.

Plain SVG without scripts, fonts or links, so that it can be put into a page or a paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from braid.cli.output import Document
from braid.pictures.appearance import (
    FONT,
    SMALL,
    STROKES,
    escaped,
    mark_of,
    outline,
    stroke,
)
from braid.pictures.fitting import Shape, place
from braid.pictures.graph import label, role_label
from braid.pictures.legend import Legend
from braid.pictures.placing import PlacedLink, PlacedNode
from provenance_store.errors import InvalidInput

__all__ = ["MOST_LINKS", "MOST_NODES", "Picture", "as_svg"]

MOST_NODES, MOST_LINKS = 50_000, 200_000
"""What is larger than that is too large a file for the programs that show it."""


def as_svg(lineage: Document, shape: Shape | None = None) -> Iterator[str]:
    """The lines of an SVG image, as large as it comes or laid out for a shape.

    Raises InvalidInput for more than can be drawn.
    """
    return Picture(lineage, shape).lines()


class Picture:
    """A lineage that is laid out. Raises InvalidInput for more than can be drawn."""

    def __init__(self, lineage: Document, shape: Shape | None = None) -> None:
        nodes, links = lineage["nodes"], lineage["links"]
        if len(nodes) > MOST_NODES or len(links) > MOST_LINKS:
            raise InvalidInput(
                f"{len(nodes):,} nodes and {len(links):,} links are too many for a picture, which "
                f"has at most {MOST_NODES:,} and {MOST_LINKS:,}: give --depth, --kind, --role, "
                "--fold or --limit."
            )
        self._root = lineage["root"]
        self._title = next(label(node) for node in nodes if node["id"] == self._root)
        self._shape = shape
        self._placed = place(lineage, shape)
        documents = [link.document for link in self._placed.links]
        self._legend = Legend(nodes, documents, self._placed.width, self._placed.height)
        self._width = max(self._legend.width, self._placed.width)
        self._height = self._legend.height

    def points(self, shape: Shape) -> float:
        """How large the names of nodes are where the picture is read in this shape."""
        return FONT * shape.points / max(self._width, self._height * shape.ratio)

    def lines(self) -> Iterator[str]:
        """The lines of the SVG image."""
        yield from _opening(self._width, self._height, self._shape)
        yield f"<title>Lineage of {escaped(self._title)}</title>"
        for role in sorted({link.document["role"] for link in self._placed.links}):
            yield (
                f'<marker id="{role}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
                'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
                f'<path d="M0 1L9 5L0 9z" fill="{STROKES[role]}"/></marker>'
            )
        yield from _links(self._placed.links)
        for node in self._placed.nodes:
            yield from _node(node, bold=node.document["id"] == self._root and not node.elsewhere)
        yield from self._legend.lines()
        yield "</svg>"


def _opening(width: float, height: float, shape: Shape | None) -> Iterator[str]:
    """The element around all, and the paper; of a shape the drawing is in its middle."""
    left = top = 0.0
    size = f'width="{width:.0f}" height="{height:.0f}"'
    if shape is not None:
        wide, high = max(width, height * shape.ratio), max(height, width / shape.ratio)
        left, top, width, height = (width - wide) / 2, (height - high) / 2, wide, high
        unit, side = shape.unit, shape.width
        size = f'width="{side:g}{unit}" height="{side / shape.ratio:g}{unit}"'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.0f} {top:.0f} {width:.0f} '
        f'{height:.0f}" {size} font-family="sans-serif" font-size="{FONT:.0f}">'
    )
    yield (
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" '
        'fill="#ffffff"/>'
    )


def _links(links: Sequence[PlacedLink]) -> Iterator[str]:
    """The links, those of a role together: what they have in common is written once."""
    alike: dict[tuple[str, str], list[PlacedLink]] = {}
    for link in links:
        key = link.document["role"], role_label(link.document)
        alike.setdefault(key, []).append(link)
    yield '<g fill="none">'
    for (role, words), those in alike.items():
        yield f"<g {stroke(role)}><title>{escaped(words)}</title>"
        for link in those:
            arrow = f' marker-end="url(#{role})"' if link.has_arrow else ""
            yield f'<path d="{_path(link)}"{arrow}/>'
        yield "</g>"
    yield "</g>"


def _path(link: PlacedLink) -> str:
    """From column to column in curves, level within each so that the link meets no other node."""
    stops = link.stops
    x, y = stops[0]
    path = [f"M{x:.1f} {y:.1f}"]
    drawn = x
    for number in range(1, len(stops)):
        to_x, to_y = stops[number]
        if to_y == y:
            x = to_x
            continue
        if abs(x - drawn) >= 0.1:
            path.append(f"H{x:.1f}")
        half = (x + to_x) / 2
        path.append(f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
        drawn = x
    # An arrow at the end of nothing would point nowhere.
    if abs(x - drawn) >= 1 or len(path) == 1:
        path.append(f"H{x:.1f}")
    return "".join(path)


def _node(node: PlacedNode, *, bold: bool) -> Iterator[str]:
    """A shape with two lines of text, the whole label as its tooltip; pale where it stands for what
    is in another row."""
    document, x, y = node.document, node.x, node.y
    mark = mark_of(document)
    pale = ' opacity="0.55"' if node.elsewhere else ""
    weight = ' font-weight="bold"' if bold else ""
    first, second = node.texts
    yield f'<g{pale} text-anchor="middle"><title>{escaped(label(document))}</title>'
    yield outline(document["kind"], x, y, node.width, mark=mark, bold=bold)
    yield f'<text x="{x:.1f}" y="{y - 3:.1f}"{weight}>{escaped(first)}</text>'
    yield (
        f'<text x="{x:.1f}" y="{y + 11:.1f}" font-size="{SMALL:.0f}" '
        f'fill="{mark or "#444444"}">{escaped(second)}</text></g>'
    )
