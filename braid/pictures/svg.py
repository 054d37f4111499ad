"""A lineage drawn as SVG: each node is right of what it depends on, to which the arrows point.

Plain SVG without scripts, fonts or links, so that it can be put into a page or a paper. To fit a
shape, a drawing that is too wide goes on in rows below, where a pale copy stands for what is in
another row; in one that is too high, long columns become several.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import wrap
from xml.sax.saxutils import escape

from braid.cli.output import Document, bad_end, brief_cause, printable
from braid.pictures.graph import label, role_label, version
from braid.pictures.layout import Point, arrange, columns_of, least
from provenance_store.errors import InvalidInput
from provenance_store.relations import words_of

__all__ = ["MOST_LINKS", "MOST_NODES", "Picture", "Shape", "as_svg"]

MOST_NODES, MOST_LINKS = 600, 3000
"""What is larger than that cannot be read as a picture."""

MOST_ROWS = 40
"""Nodes of a column; more than that fill several."""
MOST_PARTS = 12
"""Into how many rows, or a column into how many, a drawing is divided to fit a shape."""
WORTH_WHILE = 0.97
"""How much narrower a shape must do for another way to divide a drawing, to be tried."""
MOST_WORK = 8_000
"""Nodes and links of all drawings that are tried: each takes long when there are many."""
MOST_OBLONG = 100.0

SLIDE_HEIGHT = 540.0
"""Points: 19 cm, which presentation programs take for a slide."""
SLIDE_LEAST, PAPER_LEAST = 10.0, 7.0
"""Points that the names of nodes have at the least to be read in a room, or on paper."""
FONT = 12.0

LONGEST = 26
"""Characters of a name that are shown; the whole name is in the tooltip."""
CHARACTER, PADDING = 6.6, 15.0
HEIGHT, GAP, MARGIN = 38.0, 74.0, 24.0
LEGEND_ROW, NARROWEST = 18.0, 480.0
NAMED, MOST_LINES = 8, 40
"""So many invalid nodes are named with a cause, in so many lines for all causes."""

FILLS = {
    "fact": "#ececec",
    "data": "#fdf3c7",
    "dataset": "#fbe3a1",
    "model": "#cfeccd",
    "step": "#cfe0f7",
    "restricted": "#ffffff",
}
EDGES = {
    "fact": "#777777",
    "data": "#b08b00",
    "dataset": "#b08b00",
    "model": "#2f7d2b",
    "step": "#2f5fa8",
    "restricted": "#999999",
}
"""Inside and border of a node by kind."""

KIND_WORDS = {"restricted": "not yours to see"}
INVALID, BAD_END = "#c00000", "#b85c00"
STROKES = {
    "used": "#2f5fa8",
    "deployed": "#2f5fa8",
    "generated_by": "#555555",
    "derived_from": "#b08b00",
    "trained_on": "#2f7d2b",
    "revision_of": "#8a2fa8",
    "has_member": "#b0643c",
    "informed_by": "#999999",
    "chosen": "#2f5fa8",
    "considered": "#999999",
    "influenced_by": "#999999",
    "same_as": "#555555",
}
"""Colours of links by role."""
DASHED = {"deployed", "informed_by", "considered", "influenced_by", "same_as"}


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


def as_svg(lineage: Document, shape: Shape | None = None) -> Iterator[str]:
    """The lines of an SVG image, as large as it comes or laid out for a shape.

    Raises InvalidInput for more than can be read as a picture.
    """
    return Picture(lineage, shape).lines()


class Picture:
    """A lineage that is laid out. Raises InvalidInput for more than can be read as a picture."""

    def __init__(self, lineage: Document, shape: Shape | None = None) -> None:
        nodes, links = lineage["nodes"], _single(lineage["links"])
        if len(nodes) > MOST_NODES or len(links) > MOST_LINKS:
            raise InvalidInput(
                f"{len(nodes)} nodes and {len(links)} links cannot be read as a picture, "
                f"{MOST_NODES} and {MOST_LINKS} can: give --depth, --kind, --role, --fold or "
                "--limit."
            )
        number = {node["id"]: place for place, node in enumerate(nodes)}
        root = number[lineage["root"]]
        self._title = label(nodes[root])
        self._roles = sorted({link["role"] for link in links})
        self._shape = shape
        self._drawing = _fitting(nodes, links, root, shape)
        self._legend = _Legend(nodes, links, self._drawing.width, self._drawing.height)
        self._width, self._height = (
            max(self._legend.width, self._drawing.width),
            self._legend.height,
        )

    def points(self, shape: Shape) -> float:
        """How large the names of nodes are where the picture is read in this shape."""
        return FONT * shape.points / max(self._width, self._height * shape.ratio)

    def lines(self) -> Iterator[str]:
        """The lines of the SVG image."""
        yield from _opening(self._width, self._height, self._shape)
        yield f"<title>Lineage of {_text(self._title)}</title>"
        for role in self._roles:
            yield (
                f'<marker id="{role}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
                f'markerHeight="7" orient="auto"><path d="M0 1L9 5L0 9z" fill="{STROKES[role]}"/>'
                "</marker>"
            )
        yield from self._drawing.lines()
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


def _fitting(
    nodes: Sequence[Document], links: Sequence[Document], root: int, shape: Shape | None
) -> _Drawing:
    """The drawing that can be shown largest in the shape; without one, as it comes."""
    columns = columns_of(len(nodes), _ends(nodes, links))
    draw = partial(_Drawing, nodes, links, root, columns)
    found = draw(1, MOST_ROWS)
    if shape is None:
        return found
    lengths = Counter(columns)
    longest = max(lengths.values(), default=1)
    too_wide = found.width > found.height * shape.ratio
    first = 2 if too_wide else max(2, longest // MOST_ROWS + 1)
    last = min(first + MOST_PARTS, len(lengths) if too_wide else longest)
    ways = {
        (parts, MOST_ROWS) if too_wide else (1, -(-longest // parts))
        for parts in range(first, last + 1)
    }
    best = sorted((_needed(nodes, links, columns, *way, shape), way) for way in ways)
    for needed, way in best[: max(1, MOST_WORK // (len(nodes) + len(links)))]:
        if needed > WORTH_WHILE * found.needs(shape):
            break
        other = draw(*way)
        if other.needs(shape) < found.needs(shape):
            found = other
    return found


def _needed(
    nodes: Sequence[Document],
    links: Sequence[Document],
    columns: Sequence[int],
    rows: int,
    most: int,
    shape: Shape,
) -> float:
    """How wide the shape must be at the least for a drawing, without drawing it."""
    width = height = 0.0
    row_of = _rows(nodes, columns, rows)
    for row in range(rows):
        here, theirs = _row(nodes, links, row_of, row)
        roles = [link["role"] for link in theirs]
        placed, high = least(len(here), _ends(here, theirs), kinds=roles, most=most)
        widths = [0.0] * (1 + max(placed, default=0))
        for node, column in zip(here, placed, strict=True):
            widths[column] = max(widths[column], _width_of(node, bold=False))
        width = max(width, _across(widths))
        height += _down(high)
    return max(width, height * shape.ratio)


def _rows(nodes: Sequence[Document], columns: Sequence[int], rows: int) -> dict[str, int]:
    """The row of each node, for as many columns in each."""
    last = max(columns, default=0) + 1
    return {node["id"]: column * rows // last for node, column in zip(nodes, columns, strict=True)}


def _across(widths: Sequence[float]) -> float:
    """How wide columns of these widths are together."""
    return sum(widths) + GAP * (len(widths) - 1) + 2 * MARGIN


def _down(y: float) -> float:
    """How high what is drawn is, where the lowest node is so far down."""
    return y + HEIGHT + 2 * MARGIN


def _ends(nodes: Sequence[Document], links: Sequence[Document]) -> list[tuple[int, int]]:
    number = {node["id"]: place for place, node in enumerate(nodes)}
    return [(number[link["from"]], number[link["to"]]) for link in links]


def _single(links: Sequence[Document]) -> list[Document]:
    """The links that a picture shows: between two nodes the first, and none to itself."""
    found: dict[tuple[str, str], Document] = {}
    for link in links:
        if link["from"] != link["to"]:
            found.setdefault((link["from"], link["to"]), link)
    return list(found.values())


class _Drawing:
    """Nodes and links in one row of columns or several, the first things at the top."""

    def __init__(
        self,
        nodes: Sequence[Document],
        links: Sequence[Document],
        root: int,
        columns: Sequence[int],
        rows: int,
        most: int,
    ) -> None:
        self._canvases: list[_Canvas] = []
        self.width = self.height = 0.0
        row_of = _rows(nodes, columns, rows)
        for row in range(rows):
            canvas = _Canvas(*_row(nodes, links, row_of, row), nodes[root]["id"], self.height, most)
            self._canvases.append(canvas)
            self.width = max(self.width, canvas.width)
            self.height += canvas.height

    def needs(self, shape: Shape) -> float:
        """How wide the shape must be so that all fits in."""
        return max(self.width, self.height * shape.ratio)

    def lines(self) -> Iterator[str]:
        """All rows."""
        for canvas in self._canvases:
            yield from canvas.lines()


def _row(
    nodes: Sequence[Document], links: Sequence[Document], row_of: Mapping[str, int], row: int
) -> tuple[list[Document], list[Document]]:
    """The nodes of a row, and copies of those in other rows that they depend on; their links."""
    here = [node for node in nodes if row_of[node["id"]] == row]
    theirs = [link for link in links if row_of[link["from"]] == row]
    others = {link["to"] for link in theirs if row_of[link["to"]] != row}
    copies = [
        {**node, "elsewhere": "above" if row_of[node["id"]] < row else "below"}
        for node in nodes
        if node["id"] in others
    ]
    return here + copies, theirs


class _Canvas:
    """Columns as wide as their widest node, and what is drawn in them, so far down."""

    def __init__(
        self,
        nodes: Sequence[Document],
        links: Sequence[Document],
        root: str,
        top: float,
        most: int | None,
    ) -> None:
        self._nodes, self._links, self._root, self._top = nodes, links, root, top
        self._ends = _ends(nodes, links)
        roles = [link["role"] for link in links]
        layout = arrange(len(nodes), self._ends, kinds=roles, most=most)
        self._layout = layout
        self._widths = [_width_of(node, bold=self._is_root(node)) for node in nodes]
        points = [*layout.places, *(point for route in layout.routes for point in route)]
        columns = [0.0] * (1 + max((point.column for point in points), default=0))
        self._columns = columns
        for point, width in zip(layout.places, self._widths, strict=True):
            columns[point.column] = max(columns[point.column], width)
        self._middles = []
        right = MARGIN
        for width in columns:
            self._middles.append(right + width / 2)
            right += width + GAP
        self.width = _across(columns)
        self.height = _down(max((p.y for p in points), default=0.0))

    def _is_root(self, node: Document) -> bool:
        return bool(node["id"] == self._root) and "elsewhere" not in node

    def lines(self) -> Iterator[str]:
        """The links, and over them the nodes."""
        for place, link in enumerate(self._links):
            yield self.link(link, place, self._ends[place])
        for place, node in enumerate(self._nodes):
            yield from self.node(node, place)

    def _xy(self, point: Point) -> tuple[float, float]:
        return self._middles[point.column], self._top + point.y + MARGIN + HEIGHT / 2

    def link(self, link: Document, place: int, ends: tuple[int, int]) -> str:
        """A curve from column to column, level within each so that it meets no other node."""
        (x, y), *rest = self._stops(self._layout.routes[place], ends)
        path = [f"M{x:.1f} {y:.1f}"]
        for number, (to_x, to_y) in enumerate(rest):
            half = (x + to_x) / 2
            if number % 2:
                path.append(f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
            elif abs(to_x - x) >= 1:  # an arrow at the end of nothing points nowhere
                path.append(f"H{to_x:.1f}")
            x, y = to_x, to_y
        role = link["role"]
        return (
            f'<path d="{"".join(path)}" fill="none" {_stroke(role)} '
            f'marker-end="url(#{role})"><title>{_text(role_label(link))}</title></path>'
        )

    def _stops(self, route: Sequence[Point], ends: tuple[int, int]) -> list[tuple[float, float]]:
        """Where a link enters and leaves each column; those that go back to the right, lower."""
        back = route[0].column < route[-1].column
        way, lower = (1, 6.0) if back else (-1, 0.0)
        stops = []
        for point in route:
            x, y = self._xy(point)
            reach = way * self._columns[point.column] / 2
            stops += [(x - reach, y + lower), (x + reach, y + lower)]
        for place, node, side in ((0, ends[0], way), (-1, ends[1], -way)):
            stops[place] = (
                self._xy(route[place])[0] + side * self._widths[node] / 2,
                stops[place][1],
            )
        return stops

    def node(self, node: Document, place: int) -> Iterator[str]:
        """A shape with two lines of text, the whole label as its tooltip; pale where it stands for
        what is in another row."""
        x, y = self._xy(self._layout.places[place])
        mark = _mark(node)
        first, second = _lines(node)
        is_root = self._is_root(node)
        pale = ' opacity="0.55"' if "elsewhere" in node else ""
        yield f"<g{pale}><title>{_text(label(node))}</title>"
        yield _shape(node["kind"], x, y, self._widths[place], mark=mark, bold=is_root)
        weight = ' font-weight="bold"' if is_root else ""
        yield (
            f'<text x="{x:.1f}" y="{y - 3:.1f}" text-anchor="middle"{weight}>{_text(first)}</text>'
        )
        colour = mark or "#555555"
        yield (
            f'<text x="{x:.1f}" y="{y + 11:.1f}" text-anchor="middle" font-size="10" '
            f'fill="{colour}">{_text(second)}</text></g>'
        )


class _Legend:
    """What the shapes and colours in the picture mean, in rows below it."""

    def __init__(
        self, nodes: Sequence[Document], links: Sequence[Document], width: float, top: float
    ) -> None:
        self.width = max(width, NARROWEST)
        self._top = top
        self._items: list[tuple[float, float, str]] = []
        self._x, self._y = MARGIN, top
        for kind in FILLS:
            if any(node["kind"] == kind for node in nodes):
                self._add(24, KIND_WORDS.get(kind, kind), _shape(kind, 10, -4, 20, height=12))
        if any("invalidated" in node for node in nodes):
            self._add(24, "invalid", _shape("data", 10, -4, 20, height=12, mark=INVALID))
        if any(_mark(node) == BAD_END for node in nodes):
            self._add(24, "did not succeed", _shape("step", 10, -4, 20, height=12, mark=BAD_END))
        self._x, self._y = MARGIN, self._y + LEGEND_ROW
        for role in STROKES:
            if any(link["role"] == role for link in links):
                line = f'<path d="M0 -4H20" fill="none" {_stroke(role)} marker-end="url(#{role})"/>'
                self._add(24, words_of(role), line)
        for line in self._causes(nodes):
            self._x, self._y = MARGIN, self._y + LEGEND_ROW
            self._items.append((self._x, self._y, _small(line, INVALID)))
        self.height = self._y + MARGIN

    def _causes(self, nodes: Sequence[Document]) -> list[str]:
        """Each cause with the first that it makes invalid, in lines no wider than the picture."""
        ids: dict[str, list[str]] = defaultdict(list)
        for node in nodes:
            if "invalidated" in node:
                why = brief_cause(node).removeprefix("INVALID")
                ids[printable(why)].append(node.get("short_id") or "?")
        room = int((self.width - 2 * MARGIN) / CHARACTER)
        lines = []
        for cause, those in ids.items():
            more = f" and {len(those) - NAMED} more" if len(those) > NAMED else ""
            lines += wrap(f"INVALID {', '.join(those[:NAMED])}{more}{cause}", room)
        return lines[:MOST_LINES] + (["..."] if len(lines) > MOST_LINES else [])

    def _add(self, indent: float, words: str, drawing: str) -> None:
        wide = indent + CHARACTER * len(words) + 18
        if self._x + wide > self.width - MARGIN and self._x > MARGIN:
            self._x, self._y = MARGIN, self._y + LEGEND_ROW
        self._items.append((self._x, self._y, drawing + _small(words, "#333333", indent)))
        self._x += wide

    def lines(self) -> Iterator[str]:
        """The items, each in its place."""
        for x, y, drawing in self._items:
            yield f'<g transform="translate({x:.1f} {y:.1f})">{drawing}</g>'


def _small(words: str, colour: str, x: float = 0) -> str:
    return f'<text x="{x}" y="0" font-size="11" fill="{colour}">{_text(words)}</text>'


def _shape(
    kind: str,
    x: float,
    y: float,
    width: float,
    *,
    height: float = HEIGHT,
    mark: str = "",
    bold: bool = False,
) -> str:
    """The outline of a node of this kind about its middle; `mark` is the colour of its border where
    something is said against it."""
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    border = mark or EDGES[kind]
    style = f'fill="{FILLS[kind]}" stroke="{border}" stroke-width="{2.5 if mark or bold else 1}"'
    if kind == "restricted":
        style += ' stroke-dasharray="4 3"'
    cut = height / 4
    if kind == "model":
        points = f"M{left} {y}L{left + cut} {top}H{right - cut}L{right} {y}"
        return f'<path d="{points}L{right - cut} {bottom}H{left + cut}z" {style}/>'
    if kind == "fact":
        points = f"M{left} {top}H{right - cut}L{right} {top + cut}V{bottom}H{left}z"
        return f'<path d="{points}" {style}/>'
    round_by = {"data": height / 2, "dataset": height / 2, "step": 2.0}.get(kind, 6.0)
    box = (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height}" '
        f'rx="{round_by}" {style}/>'
    )
    if kind != "dataset":
        return box
    inner = f'x="{left + 3:.1f}" y="{top + 3:.1f}" width="{width - 6:.1f}" height="{height - 6}"'
    return f'{box}<rect {inner} rx="{round_by - 3}" fill="none" stroke="{border}"/>'


def _stroke(role: str) -> str:
    dashes = ' stroke-dasharray="5 3"' if role in DASHED else ""
    return f'stroke="{STROKES[role]}" stroke-width="1.3"{dashes}'


def _lines(node: Document) -> tuple[str, str]:
    if node.get("restricted"):
        return "?", "not yours to see"
    name = printable(str(node["name"] or "(no name)"))
    first = _cut(name, LONGEST) + version(node)
    second = f"{node['kind']} {'left out' if node.get('stub') else node['short_id']}"
    said = "INVALID" if "invalidated" in node else bad_end(node)
    second = f"{said} {second}" if said else second
    return first, f"{second}, {node['elsewhere']}" if "elsewhere" in node else second


def _mark(node: Document) -> str:
    """The colour of what is said against a node; empty where nothing is."""
    return INVALID if "invalidated" in node else BAD_END if bad_end(node) else ""


def _cut(text: str, longest: int) -> str:
    """The text without its middle when it is too long: names often differ at the end."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]}\u2026{text[-(longest - longest // 2 - 1) :]}"


def _width_of(node: Document, *, bold: bool) -> float:
    first, second = _lines(node)
    wider = 1.15 if bold else 1.0
    return 2 * PADDING + max(_wide(first) * CHARACTER * wider, _wide(second) * CHARACTER * 0.85)


def _wide(text: str) -> int:
    """How wide a text is, in characters of the usual width."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _text(text: str) -> str:
    return escape(printable(text))
