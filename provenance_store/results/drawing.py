"""How a lineage is drawn for notebooks: `braid` says how, for a store does not draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from provenance_store.errors import InvalidInput

__all__ = ["Draw", "draw_with", "drawn"]

Draw = Callable[[Mapping[str, Any]], str]
"""Makes an SVG image of the document of a lineage; raises InvalidInput for what is too large."""

_ways: list[Draw] = []


def draw_with(draw: Draw) -> None:
    """Draw lineages so from now on."""
    _ways[:] = [draw]


def drawn(document: Mapping[str, Any]) -> str | None:
    """The SVG image of a lineage; None where nobody draws, or it is too large to be read."""
    try:
        return _ways[0](document) if _ways else None
    except InvalidInput:
        return None
