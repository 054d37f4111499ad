"""What is invalid at present, and because of which record.

A record is invalid when it was invalidated itself, or derives from one that was, and that one
was not restored since. What derives from it is kept in a table of its own, written with the
links, so asking is a look-up for each record and never a walk.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from provenance_store.sql import validity

if TYPE_CHECKING:
    from provenance_store.queries.view import View

__all__ = ["Invalidation", "causes_of", "validity_of"]


class Invalidation(NamedTuple):
    """Since when (microseconds UTC) a record is invalid, why, and the record that it began with.

    `root_seen` tells whether the viewer may see that one; `mark_id` is the mark made on it.
    """

    at: int
    cause: str
    root_id: int
    mark_id: int
    root_seen: bool = True


def validity_of(view: View, ids: Iterable[int]) -> dict[int, Invalidation]:
    """Why these records are invalid: for each that is, its first cause still in force, one whose
    root the viewer may see before others."""
    return {
        record_id: next((cause for cause in causes if cause.root_seen), causes[0])
        for record_id, causes in causes_of(view, ids).items()
    }


def causes_of(view: View, ids: Iterable[int]) -> dict[int, list[Invalidation]]:
    """Every cause in force of each of these records that is invalid, oldest first."""
    found: dict[int, list[Invalidation]] = {}
    query = validity.causes
    for row in view.chunked(lambda chunk: query(chunk, view.viewer), sorted(set(ids))):
        cause = Invalidation(row.at, row.note, row.root_id, row.id, bool(row.seen))
        found.setdefault(row.record_id, []).append(cause)
    return found
