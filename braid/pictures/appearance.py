"""How nodes and links of a picture look: colours, outlines, and the texts in nodes.

Light fills with dark borders and black text. Kinds differ in their outline too and roles in dashes,
so that a picture can be read in grey.
"""

from __future__ import annotations

import unicodedata
from xml.sax.saxutils import escape

from braid.cli.output import Document, bad_end, printable
from braid.pictures.graph import version

__all__ = [
    "BAD_END",
    "CHARACTER",
    "EDGES",
    "FILLS",
    "FONT",
    "HEIGHT",
    "INVALID",
    "KIND_WORDS",
    "SMALL",
    "STROKES",
    "escaped",
    "mark_of",
    "outline",
    "stroke",
    "text_width",
    "texts_of",
    "width_of",
]

FONT = 12.0
LONGEST = 26
"""Characters of a name that are shown; the whole name is in the tooltip."""
CHARACTER, PADDING, HEIGHT = 6.6, 12.0, 38.0
"""How wide a character of the legend is, the room beside the text in a node, and its height."""
SMALL, BOLD = 10.0, 1.12
"""The size of the second line, and how much wider bold text is."""

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
    "informed_by": "#777777",
    "chosen": "#2f5fa8",
    "considered": "#777777",
    "influenced_by": "#777777",
    "same_as": "#333333",
}
"""Colours of links by role."""
DASHES = {
    "deployed": "7 3",
    "informed_by": "3 3",
    "considered": "1 3",
    "influenced_by": "5 3",
    "same_as": "9 3 1 3",
}
BROAD = {"revision_of"}
"""What tells links apart in grey: dashes, and the line from version to version that is broader."""


def outline(
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


def stroke(role: str) -> str:
    """The colour, width and dashes of a link, as attributes of SVG."""
    dashes = f' stroke-dasharray="{DASHES[role]}"' if role in DASHES else ""
    return f'stroke="{STROKES[role]}" stroke-width="{2 if role in BROAD else 1.3}"{dashes}'


def texts_of(node: Document) -> tuple[str, str]:
    """The two lines in a node: its name, and its kind and id with what is said against it."""
    if node.get("restricted"):
        return "?", "not yours to see"
    name = printable(str(node["name"] or "(no name)"))
    first = _cut(name, LONGEST) + version(node)
    second = f"{node['kind']} {'left out' if node.get('stub') else node['short_id']}"
    said = "INVALID" if "invalidated" in node else bad_end(node)
    second = f"{said} {second}" if said else second
    return first, f"{second}, {node['elsewhere']}" if "elsewhere" in node else second


def mark_of(node: Document) -> str:
    """The colour of what is said against a node; empty where nothing is."""
    return INVALID if "invalidated" in node else BAD_END if bad_end(node) else ""


def _cut(text: str, longest: int) -> str:
    """The text without its middle when it is too long: names often differ at the end."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]}\u2026{text[-(longest - longest // 2 - 1) :]}"


def width_of(texts: tuple[str, str], *, bold: bool) -> float:
    """How wide a node with these two lines of text is, so that both are inside of it."""
    first, second = texts
    wider = BOLD if bold else 1.0
    return 2 * PADDING + max(text_width(first) * wider, text_width(second) * SMALL / FONT)


def text_width(text: str) -> float:
    """How wide a text is at the most, in the widest of the usual fonts."""
    return FONT * sum(map(_WIDTHS.__getitem__, text))


class _Widths(dict[str, float]):
    """How wide each character is, in ems: of DejaVu Sans, which is wider than Arial, Helvetica and
    Verdana's narrower kin; by class, rounded up."""

    CLASSES = (
        ("fijlrtI.,:;|!'()[]/\\- \u2026", 0.42),
        ("abcdeghknopqsuvxyz0123456789_*#+=?$JLFEST", 0.645),
        ("ABCDGHKNOPQRUVXYZ&~<>^", 0.79),
        ("mwMW@%", 1.0),
    )

    def __missing__(self, character: str) -> float:
        found = next((width for those, width in self.CLASSES if character in those), 0.0)
        if not found:
            found = 1.0 if unicodedata.east_asian_width(character) in "WFA" else 0.8
        self[character] = found
        return found


_WIDTHS = _Widths()


def escaped(text: str) -> str:
    """The text as it stands in SVG, without characters that cannot be shown."""
    return escape(printable(text))
