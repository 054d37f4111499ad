"""How much one step may write: a small body must not become millions of rows."""

from __future__ import annotations

from provenance_store.errors import TooLarge

__all__ = ["MAX_LINKS", "MAX_RECEIPTS", "Allowance"]

MAX_LINKS = 200_000
"""Links of one step, its outputs and its models together."""
MAX_RECEIPTS = 1_000
"""Different steps whose receipts one body may pass."""


class Allowance:
    """Counts what a step is about to write, before it is made."""

    def __init__(self) -> None:
        self._links = 0
        self._mentions = 0
        self._receipts: set[str] = set()

    def links(self, count: int, path: str) -> None:
        """So many links are about to be made; raises TooLarge when they are too many."""
        self._links += count
        _check(self._links, path)

    def mentions(self, count: int, path: str) -> None:
        """A reference stands for so many records; raises TooLarge when they are too many."""
        self._mentions += count
        _check(self._mentions, path)

    def receipt(self, step: str, path: str) -> None:
        """The receipt of a step is about to be read; raises TooLarge when they are too many."""
        self._receipts.add(step)
        if len(self._receipts) > MAX_RECEIPTS:
            raise TooLarge(
                f"The receipts of more than {MAX_RECEIPTS} steps are passed; record a dataset of "
                "what they made and refer to that.",
                path=path,
            )


def _check(count: int, path: str) -> None:
    if count > MAX_LINKS:
        raise TooLarge(
            f"The step would have more than {MAX_LINKS} links; use a dataset for common inputs.",
            path=path,
        )
