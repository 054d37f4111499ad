"""Names that collide with nothing: of injected states, and of places in the run's state."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["STATE_NAME_LIMIT", "Names", "slug_of"]

STATE_NAME_LIMIT = 128


class Names:
    """Hands out names, each once; the same calls in the same order give the same names."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._numbers: dict[tuple[str, str, int], int] = {}
        """The last number that each wanted name got: all before it are taken."""

    def unique(self, wanted: str, *, limit: int = STATE_NAME_LIMIT, mark: str = " ") -> str:
        """The wanted name, cut to the limit and numbered when it is taken."""
        name, key = wanted[:limit], (wanted, mark, limit)
        number = self._numbers.get(key, 1)
        while name in self._taken:
            number += 1
            suffix = f"{mark}{number}"
            name = wanted[: limit - len(suffix)] + suffix
        self._taken.add(name)
        self._numbers[key] = number
        return name


def slug_of(state_name: str) -> str:
    """A state's name as a member name that paths and expressions can spell."""
    slug = re.sub(r"[^A-Za-z0-9]+", "_", state_name).strip("_") or "step"
    return slug if slug[0].isalpha() else f"s_{slug}"
