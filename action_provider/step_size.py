"""Which steps are large, and so are worked at in a lane of their own."""

from __future__ import annotations

from typing import NamedTuple, Self

from action_provider.settings import Options

__all__ = ["StepSize"]


class StepSize(NamedTuple):
    """Up to which size a step is a usual one: its body has at most `most_bytes`, and fewer than
    `items` items, of which each but the last is followed by a comma."""

    most_bytes: int
    items: int

    @classmethod
    def of(cls, options: Options) -> Self:
        """As the settings of a server say."""
        return cls(options.large_bytes, options.large_items)

    def is_long(self, length: int) -> bool:
        """Whether a body of so many bytes is large, whatever is in it."""
        return length > self.most_bytes

    def is_large(self, data: bytes) -> bool:
        """Whether a body is large. Items are counted without reading it as JSON: a comma within a
        text is one too."""
        return self.is_long(len(data)) or data.count(b",") >= self.items
