"""On whose behalf a batch is written that was made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from provenance_store.batch import Batch
from provenance_store.ids import SEQUENCE_BITS

__all__ = ["Author", "making_origins"]

MAKING = {"record": 0, "tag": 2, "mark": 0, "run_event": 1}
"""The tables whose rows have an id of their own, and its place."""


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who shares the store with others, by his or her principals.

    What is new in a batch is made by origins whose `who` is one of the `identities`. In the runs
    of `alone_in` nobody may have recorded anything whose things these do not manage.
    """

    identities: frozenset[str]
    alone_in: frozenset[str] = frozenset()


def making_origins(batch: Batch) -> set[int]:
    """The numbers of the origins that made something of a batch: gave it an id."""
    return {
        row[place] >> SEQUENCE_BITS
        for name, place in MAKING.items()
        for row in getattr(batch, name)
    }
