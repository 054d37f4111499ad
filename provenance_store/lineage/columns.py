"""Links as columns: hundreds of thousands of them without an object for each."""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence
from typing import NamedTuple, Self

__all__ = ["Links", "Numbered", "Numbers"]

Numbered = tuple[int, int, int]
"""from_id, to_id, and the number of the role."""


Numbers = MutableSequence[int]
"""A list, or an array as the database sent it."""


class Links(NamedTuple):
    """Three columns of the same length."""

    from_id: Numbers
    to_id: Numbers
    role: Numbers

    @classmethod
    def of(cls, links: Iterable[Numbered]) -> Self:
        """Columns of these."""
        found = list(zip(*links, strict=True))
        return cls(*(list(column) for column in found)) if found else cls([], [], [])

    def extend(self, more: Links) -> None:
        """Add others at the end."""
        for column, rest in zip(self, more, strict=True):
            column.extend(rest)
