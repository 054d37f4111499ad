"""A large batch in pieces, each a transaction of its own, between which others can write.

A batch of a recorder elsewhere is written again until it is acknowledged, and what is there
already changes nothing; so it may be cut where a step of `/record` may not. What was recorded
together stays together; only the metrics of models, of which there may be any number, come later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy

from provenance_store.batch import Batch
from provenance_store.errors import TooLarge

__all__ = ["ROWS_A_PIECE", "pieces"]

ROWS_A_PIECE = 2_000
"""What SQLite writes in some 10 ms, for which others wait."""
FIRST = ("environment", "audience", "audience_member", "run_event", "run_tag")
"""Tables whose rows belong to no record: they go before all others, for they say who may see what,
and to whom a run belongs."""


def pieces(batch: Batch, *, most: int, rows: int = ROWS_A_PIECE) -> Iterator[Batch]:
    """The same rows in batches of some `rows` each, in the order in which they were recorded.

    What has more rows and was recorded together is a piece of its own; raises TooLarge, before
    the first piece, where it has more than `most`.
    """
    if len(batch) <= rows:
        yield batch
        return
    parts = [copy(part) for part in batch.parted()]  # one alone is the batch itself
    metrics = [row for part in parts for row in part.metric]
    for part in parts:
        for name in (*FIRST, "metric"):
            setattr(part, name, [])
    largest = max(map(_size, parts))
    if largest > most:
        raise TooLarge(
            f"The batch holds {largest:,} records, URIs, links and tags that were recorded "
            f"together; at most {most:,} are written at once. Record them in several blocks, and "
            "many members in several datasets that one holds."
        )
    yield Batch(**{name: getattr(batch, name) for name in ("origin", *FIRST)})
    yield from _joined(parts, rows)
    for start in range(0, len(metrics), rows):
        yield Batch(origin=batch.origin, metric=metrics[start : start + rows])


def _size(part: Batch) -> int:
    return len(part) - len(part.origin)


def _joined(parts: Iterable[Batch], rows: int) -> Iterator[Batch]:
    """Parts one after the other, as many in a batch as have so many rows together."""
    group: list[Batch] = []
    together = 0
    for part in parts:
        if group and together + _size(part) > rows:
            yield Batch.joined(group)
            group, together = [], 0
        group.append(part)
        together += _size(part)
    yield Batch.joined(group)
