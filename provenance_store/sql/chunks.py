"""Long lists in pieces: a statement holds so many values, and a plan for them is made once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["chunks"]

CHUNK = 500
T = TypeVar("T")


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in their order, CHUNK at a time."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
