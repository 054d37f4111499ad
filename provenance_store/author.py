"""On whose behalf a batch is written that was made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provenance_store.batch import Batch
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.values import Audience

__all__ = ["Author", "is_identity", "making_origins", "own"]

MAKING = {
    "record": 0,
    "file_check": 1,
    "tag": 2,
    "mark": 0,
    "run_event": 1,
    "late_link": 1,
    "same_as": 2,
    "alias": 2,
}
"""The tables whose rows have an id of their own, and its place."""


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who shares the store with others, by his or her principals.

    What is new in a batch is made by origins whose `who` is one of the `identities`. In the runs
    of `alone_in` nobody may have recorded anything whose things these do not manage.
    """

    identities: frozenset[str]
    alone_in: frozenset[str] = frozenset()


def is_identity(who: str) -> bool:
    """Whether an origin's `who` is a principal, as servers write it, and no login name."""
    return who.startswith("urn:globus:auth:identity:")


def making_origins(batch: Batch) -> set[int]:
    """The numbers of the origins that made something of a batch: gave it an id."""
    return {
        row[place] >> SEQUENCE_BITS
        for name, place in MAKING.items()
        for row in getattr(batch, name)
    }


def own(batch: Batch, owners: Mapping[int, str]) -> None:
    """Give the records and run events without an audience one: that of their owner alone.

    `owners` are principals by the number of the origin that made what is theirs; the rows of
    other origins stay as they are.
    """
    made = {no: Audience(owner).rows() for no, owner in owners.items()}
    digests = {no: row.digest for no, (row, _) in made.items()}
    for place, row in enumerate(batch.record):
        if row.audience is None and (digest := digests.get(row.id >> SEQUENCE_BITS)):
            batch.record[place] = row._replace(audience=digest)
    for place, event in enumerate(batch.run_event):
        if event.audience is None and (digest := digests.get(event.id >> SEQUENCE_BITS)):
            batch.run_event[place] = event._replace(audience=digest)
    for audience, members in dict.fromkeys(made.values()):
        if audience not in batch.audience:
            batch.audience.append(audience)
            batch.audience_member.extend(members)
