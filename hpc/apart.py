"""Taking a batch apart that was refused, so that one record does not cost its neighbours."""

from __future__ import annotations

from collections.abc import Collection

from provenance_store.batch import Batch, decode_batch, encode_batch

__all__ = ["DIVISIONS", "halves", "only"]

BATCH_BYTES = 1 << 32
DIVISIONS = 48
"""How often one batch that a server refuses is divided: enough to find four bad records among a
thousand, and the end of a batch of which everything is bad."""


def halves(data: bytes) -> list[bytes]:
    """Two batches with half of the parts each; none for one that has only one part.

    What was recorded together stays together, and the order is kept.
    """
    parts = decode_batch(data, limit=BATCH_BYTES).parted()
    if len(parts) < 2:
        return []
    middle = len(parts) // 2
    return [encode_batch(Batch.joined(some)) for some in (parts[:middle], parts[middle:])]


def only(data: bytes, places: Collection[int]) -> bytes:
    """A batch with only those of the parts that have these places."""
    parts = decode_batch(data, limit=BATCH_BYTES).parted()
    return encode_batch(Batch.joined([parts[place] for place in sorted(places)]))
