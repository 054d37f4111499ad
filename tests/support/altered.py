"""Every way in which one place of a JSON document can be another."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

__all__ = ["Alteration", "alterations", "altered", "at_place"]

Place = tuple[str | int, ...]


class Alteration(NamedTuple):
    """What is done (`how`) to the value at a place; `value` is what becomes of it."""

    place: Place
    how: str
    value: Any = None

    @property
    def kind(self) -> tuple[str, ...]:
        """The same for the same change at places of one kind: numbers and ids do not count."""
        place = ("*" if isinstance(key, int) or ":" in key else key for key in self.place)
        return (*place, "swapped" if self.how.endswith("swapped") else self.how)

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.place)) or 'the document'}: {self.how}"


def alterations(document: Any, place: Place = ()) -> Iterator[Alteration]:
    """All of them, those of what is inside too."""
    if place:
        yield Alteration(place, "removed")
        for how, value in _others(document):
            yield Alteration(place, how, value)
    if isinstance(document, dict):
        yield Alteration(place, "a field more", {**document, "peer_reviewed": True})
        for key, value in document.items():
            yield from alterations(value, (*place, key))
    elif isinstance(document, list):
        if document:
            yield Alteration(place, "the last item twice", [*document, document[-1]])
            yield Alteration(place, "empty", [])
        for i, (one, other) in enumerate(pairwise(document)):
            if one != other:
                swapped = [*document[:i], other, one, *document[i + 2 :]]
                yield Alteration(place, f"items {i} and {i + 1} swapped", swapped)
        for i, value in enumerate(document):
            yield from alterations(value, (*place, i))


def _others(value: Any) -> Iterator[tuple[str, Any]]:
    if value is not None:
        yield "null", None
    if isinstance(value, bool):
        yield "the other way", not value
        yield "a number", int(value)
    elif isinstance(value, int):
        yield "one more", value + 1
        yield "a float", float(value)
        if value in (0, 1):
            yield "a boolean", bool(value)
    elif isinstance(value, str):
        yield "other text", value + "x"
        yield "no text", "" if value else "x"
        yield "a number", 7
        if value == "FAILED":
            yield "a success", "SUCCEEDED"
    else:
        yield "text", "x"
    if isinstance(value, dict) and value:
        yield "empty", {}


def at_place(document: Any, place: Place) -> Any:
    """What is there."""
    for key in place:
        document = document[key]
    return document


def altered(document: Any, alteration: Alteration) -> Any:
    """A copy with this done to it."""
    if not alteration.place:
        return alteration.value
    changed = pickle.loads(pickle.dumps(document))  # a tenth of the time of copy.deepcopy
    *way, last = alteration.place
    parent = at_place(changed, tuple(way))
    if alteration.how == "removed":
        del parent[last]
    else:
        parent[last] = alteration.value
    return changed
