"""A large batch in pieces, each a transaction of its own, between which others can write.

A batch of a recorder elsewhere is written again until it is acknowledged, and what is there
already changes nothing; so it may be cut where a step of `/record` may not. A record is not parted
from what is said of it, nor from its links to what it depends on, for later nothing can be added
to it; only the metrics of models, of which there may be any number, come last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from provenance_store.batch import Batch
from provenance_store.errors import TooLarge
from provenance_store.ids import short_id

__all__ = ["ROWS_A_PIECE", "pieces"]

ROWS_A_PIECE = 2_000
"""What SQLite writes in some 10 ms, for which others wait."""
FIRST = ("environment", "audience", "audience_member", "run_event", "run_tag")
"""Tables whose rows belong to no record: they go before all others, for they say who may see what,
and to whom a run belongs."""
OF_RECORD = {
    **dict.fromkeys(("record", "step", "outcome", "version", "uri", "file_check"), 0),
    **dict.fromkeys(("tag", "payload"), 0),
    **dict.fromkeys(("mark", "link"), 1),
}
"""Where in a row of the table the record stands that it is said of."""


def pieces(batch: Batch, *, most: int, rows: int = ROWS_A_PIECE) -> Iterator[Batch]:
    """The same rows in batches of some `rows` each, older records first.

    A record of more rows is a piece of its own; raises TooLarge where it has more than `most`.
    """
    if len(batch) <= rows:
        yield batch
        return
    counts: Counter[int] = Counter()
    for name, place in OF_RECORD.items():
        counts.update(map(itemgetter(place), getattr(batch, name)))
    largest = max(counts, key=counts.__getitem__, default=0)
    if counts[largest] > most:
        raise TooLarge(
            f"Record {short_id(largest)} of the batch has {counts[largest]:,} URIs, links and "
            f"tags; one record may have {most:,}. Record several datasets, and one that holds them."
        )
    yield from _cut(batch, _numbered(counts, rows))
    for start in range(0, len(batch.metric), rows):
        yield Batch(origin=batch.origin, metric=batch.metric[start : start + rows])


def _numbered(counts: Counter[int], rows: int) -> dict[int, int]:
    """In which piece each record is."""
    numbers: dict[int, int] = {}
    number = together = 0
    for record in sorted(counts):
        if together and together + counts[record] > rows:
            number, together = number + 1, 0
        numbers[record] = number
        together += counts[record]
    return numbers


def _cut(batch: Batch, numbers: dict[int, int]) -> list[Batch]:
    made = [Batch(origin=batch.origin) for _ in range(max(numbers.values(), default=0) + 1)]
    for name in FIRST:
        setattr(made[0], name, getattr(batch, name))
    for name, place in OF_RECORD.items():
        rows: list[Any] = getattr(batch, name)
        for row in rows:
            getattr(made[numbers[row[place]]], name).append(row)
    return made
