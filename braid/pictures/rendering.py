"""A picture in other formats than SVG, by a library that only an extra brings."""

from __future__ import annotations

import re
import warnings

from provenance_store.errors import ConfigurationError
from provenance_store.extras import extra

__all__ = ["rendered"]

SCALE = 2.0
"""Pixels of a PNG for each unit of a picture."""
MOST_PIXELS = 30_000
"""Along a side; cairo draws nothing that is larger."""


def rendered(svg: str, format_: str) -> bytes:
    """The SVG as ``png`` or ``pdf``. Raises MissingExtra or ConfigurationError where what draws it
    is not installed."""
    kind = format_.upper()
    with extra("pictures", f"A {kind} of a lineage"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            import cairosvg
        except OSError:  # its Python part is there, and the library of the system is not
            raise ConfigurationError(
                f"A {kind} needs the cairo library of the system, which is not installed: install "
                "it (libcairo2 on Debian, cairo elsewhere), or write .svg."
            ) from None
        if format_ == "pdf":
            return bytes(cairosvg.svg2pdf(bytestring=svg.encode()))
        return bytes(cairosvg.svg2png(bytestring=svg.encode(), scale=_scale(svg)))


def _scale(svg: str) -> float:
    """So that no side has more than MOST_PIXELS; what has a unit of length is a sheet of paper."""
    sides = re.findall(r'(?:width|height)="([0-9.]+)(mm)?"', svg.partition(">")[0])
    longest = max((float(size) for size, unit in sides if not unit), default=1.0)
    return min(SCALE, MOST_PIXELS / longest)
