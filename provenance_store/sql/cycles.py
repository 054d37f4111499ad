"""Records that derive from themselves: what may close such a cycle, and what has closed one."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable

import sqlalchemy as sa

from provenance_store.batch import Batch
from provenance_store.errors import InvalidInput
from provenance_store.ids import short_id
from provenance_store.sql.chunks import chunks
from provenance_store.sql.tables import TABLE

__all__ = ["first_cycle", "has_forward_links", "reached", "refuse_cycles"]

FURTHEST = 10_000
"""Records that are looked at before a link is written; the check of the store looks at all."""

_link = TABLE["link"]


def reached(connection: sa.Connection, ids: Collection[int], *, up: bool) -> set[int]:
    """What these records derive from (`up`), or what derives from them: the first 10,000."""
    here, there = (_link.c.from_id, _link.c.to_id) if up else (_link.c.to_id, _link.c.from_id)
    found: set[int] = set()
    level = set(ids)
    while level and len(found) < FURTHEST:
        onward: set[int] = set()
        for chunk in chunks(sorted(level)):
            query = sa.select(there).where(here.in_(chunk)).limit(FURTHEST)
            onward.update(connection.execute(query).scalars())
        level = onward - found
        found |= level
    return found


def has_forward_links(link: sa.FromClause = _link) -> sa.Select[tuple[int]]:
    """A row when some link leads to a higher id than its own record has.

    Around a cycle the ids cannot fall all the way, and most stores have no such link.
    """
    return sa.select(link.c.to_id).where(link.c.to_id > link.c.from_id).limit(1)


def refuse_cycles(connection: sa.Connection, batch: Batch) -> None:
    """Raise InvalidInput when links of a batch, which is written, have closed a cycle.

    Around one the ids cannot fall all the way, unless they are of several origins: so only links
    that lead to higher ids are looked at, and those that are added to what was there before.
    """
    made = {row[0] for row in batch.record}
    doubtful = {
        from_id
        for to_id, from_id, _ in batch.link
        if from_id not in made or (to_id > from_id and to_id in made)
    }
    if not doubtful:
        return
    onward = reached(connection, doubtful, up=True)
    if doubtful.isdisjoint(onward):
        return
    ends = (_link.c.to_id, _link.c.from_id)
    links = [
        (row[0], row[1])
        for chunk in chunks(sorted(onward | doubtful))
        for row in connection.execute(sa.select(*ends).where(_link.c.from_id.in_(chunk)))
        if row[0] in onward
    ]
    if cycle := _cycle_of(links):
        raise InvalidInput(
            f"Records would derive from themselves: {', '.join(map(short_id, cycle))}; leave out "
            "the last link between them.",
            path="link",
        )


def first_cycle(connection: sa.Connection) -> list[int]:
    """Some records that derive from themselves, at most ten; empty when none does."""
    if connection.execute(has_forward_links()).first() is None:
        return []
    links = connection.execute(
        sa.select(_link.c.to_id, _link.c.from_id), execution_options={"yield_per": 10_000}
    )
    return _cycle_of((row[0], row[1]) for row in links)


def _cycle_of(links: Iterable[tuple[int, int]]) -> list[int]:
    """Records around a cycle of these links (to_id, from_id), at most ten.

    By taking away, again and again, what nothing is left to derive from: in time and memory in
    proportion to the links.
    """
    below: dict[int, array[int]] = {}
    open_links: dict[int, int] = {}
    for to_id, from_id in links:
        below.setdefault(to_id, array("q")).append(from_id)
        open_links[from_id] = open_links.get(from_id, 0) + 1
    free = [record_id for record_id in below if record_id not in open_links]
    while free:
        for from_id in below.pop(free.pop(), ()):
            open_links[from_id] -= 1
            if not open_links[from_id]:
                del open_links[from_id]
                free.append(from_id)
    return _around(below, open_links)


def _around(below: dict[int, array[int]], left: dict[int, int]) -> list[int]:
    """Records of one cycle: what is left derives from one; follow what derives until it repeats."""
    if not left:
        return []
    above: dict[int, int] = {}
    for to_id, dependents in below.items():
        if to_id in left:
            for from_id in dependents:
                above[from_id] = to_id
    place = next(iter(above), None)
    seen: list[int] = []
    known: set[int] = set()
    while place is not None and place not in known:
        known.add(place)
        seen.append(place)
        place = above.get(place)
    return seen[seen.index(place) :][:10] if place is not None else seen[:10]
