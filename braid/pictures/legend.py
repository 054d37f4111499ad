"""What the shapes and colours of a picture mean, in rows below it, and why nodes are invalid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from textwrap import wrap

from braid.cli.output import Document, brief_cause, printable
from braid.pictures.appearance import (
    BAD_END,
    CHARACTER,
    FILLS,
    INVALID,
    KIND_WORDS,
    STROKES,
    escaped,
    mark_of,
    outline,
    stroke,
)
from braid.pictures.placing import MARGIN
from provenance_store.relations import words_of

__all__ = ["Legend"]

LEGEND_ROW, NARROWEST = 18.0, 480.0
NAMED, MOST_LINES = 8, 40
"""So many invalid nodes are named with a cause, in so many lines for all causes."""


class Legend:
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
                self._add(24, KIND_WORDS.get(kind, kind), outline(kind, 10, -4, 20, height=12))
        if any("invalidated" in node for node in nodes):
            self._add(24, "invalid", outline("data", 10, -4, 20, height=12, mark=INVALID))
        if any(mark_of(node) == BAD_END for node in nodes):
            self._add(24, "did not succeed", outline("step", 10, -4, 20, height=12, mark=BAD_END))
        self._x, self._y = MARGIN, self._y + LEGEND_ROW
        for role in STROKES:
            if any(link["role"] == role for link in links):
                line = f'<path d="M0 -4H20" fill="none" {stroke(role)} marker-end="url(#{role})"/>'
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
    return f'<text x="{x}" y="0" font-size="11" fill="{colour}">{escaped(words)}</text>'
