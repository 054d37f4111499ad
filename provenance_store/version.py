"""The version of Braid, in this one place."""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"
"""Of the distribution braid-provenance; each of its packages has it as `__version__`."""
