"""Who is looking."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EVERYTHING", "Viewer"]


@dataclass(frozen=True, slots=True)
class Viewer:
    """The principals (Globus identity and group URNs) on whose behalf something is read.

    With `everything` nothing is hidden: the owner of the store's file, or a member of the
    store-wide reader group.
    """

    principals: frozenset[str] = frozenset()
    everything: bool = False


EVERYTHING = Viewer(everything=True)
"""Sees all: whoever can open the store itself."""
