"""Links as columns: hundreds of thousands of them without an object for each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

__all__ = ["Links", "Numbered"]

Numbered = tuple[int, int, int]
"""from_id, to_id, and the number of the role."""


class Links(NamedTuple):
    """Three lists of the same length."""

    from_id: list[int]
    to_id: list[int]
    role: list[int]

    @classmethod
    def of(cls, links: Iterable[Numbered]) -> Self:
        """Columns of these."""
        found = list(zip(*links, strict=True))
        return cls(*map(list, found)) if found else cls([], [], [])

    def extend(self, more: Links) -> None:
        """Add others at the end."""
        for column, rest in zip(self, more, strict=True):
            column += rest
