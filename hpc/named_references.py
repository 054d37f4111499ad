"""Records that are named where no store can be asked which ones are meant.

A script that records into a spool may name things as it does with a store: ``"net@v3"``, an alias,
a URI. Nothing here knows what that is, so the reference itself is kept: it gets an id of this
writer's origin, which is used wherever that of the record would be, and a tag `NAMED_TAG` of that
id has the text and the time. Whoever brings the batch into a store looks it up
(`provenance_store.transfer.settle_names`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from provenance_store.batch import ID_PLACES, Batch
from provenance_store.ids import now
from provenance_store.references import NAMED_TAG, local, named_at, parts_of, path_of
from provenance_store.sink import VersionOf
from provenance_store.validation import rows
from provenance_store.validation.limits import Gate

__all__ = ["NamedReferences"]


SAME = 1_000_000
"""A name that is used again within so many microseconds, in one call, names the same."""


class _NameAtTime(NamedTuple):
    text: str
    at: int


class NamedReferences:
    """The references by name of one sink, by the ids that stand for them."""

    def __init__(self) -> None:
        self._known: dict[int, _NameAtTime] = {}
        self._lasting: set[int] = set()
        self._recent = threading.local()
        """The ids that texts were given in this thread and that are not written yet: what is named
        twice in one call is one thing."""

    def __bool__(self) -> bool:
        return bool(self._known)

    def add(self, reference: str, new_id: Callable[[], int]) -> int:
        """An id that stands for what a text names now, or named when a handle was made."""
        text, then = named_at(reference)
        recent: dict[str, int] = self._recent.__dict__
        at = now() if then is None else then
        known = self._known.get(recent.get(text, 0))
        if known is not None and abs(at - known.at) < SAME:
            return recent[text]
        made = recent[text] = new_id()
        # Only this machine knows its files: a path is kept as the URI of the file.
        self._known[made] = _NameAtTime(text if path_of(text) is None else local(text), at)
        return made

    def text(self, record_id: int) -> str | None:
        """The text that an id stands for; None where it is that of a record."""
        named = self._known.get(record_id)
        return None if named is None else named.text

    def travelling(self, record_id: int) -> str | None:
        """The same for other processes: with the time."""
        named = self._known.get(record_id)
        return None if named is None else f"{NAMED_TAG}:{named.at}:{named.text}"

    def version(self, record_id: int) -> VersionOf | None:
        """The same as a model version that others are made of, numbered from 0: its number, and
        its line, are known when it is looked up."""
        if (text := self.text(record_id)) is None:
            return None
        self._lasting.add(record_id)  # handles of versions have it as their line
        parts = parts_of(text)
        return VersionOf(parts.name if parts else text, record_id, 0)

    def attach(self, batch: Batch, new_id: Callable[[], int]) -> None:
        """Say in a batch what the ids of references stand for that it mentions: once for each
        link to one, and else once."""
        mentioned = {
            row[place]
            for name, places in ID_PLACES.items()
            for row in getattr(batch, name)
            for place in places
        }
        self._lasting.update(row.line_id for row in batch.version if row.line_id in self._known)
        for record_id in sorted(mentioned & self._known.keys()):
            named = self._known[record_id]
            for _ in range(max(1, sum(link.to_id == record_id for link in batch.link))):
                row = rows.tag_row(Gate(), record_id, new_id(), NAMED_TAG, named.text, named.at)
                batch.tag.append(row)
            if record_id not in self._lasting:
                self._known.pop(record_id, None)
        self._recent.__dict__.clear()
