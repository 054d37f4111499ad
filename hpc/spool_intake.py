"""Where the batches of spool files go: into a store, or to a server."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hpc.apart import DIVISIONS, halves
from provenance_store.author import is_identity, own
from provenance_store.batch import Batch, decode_batch, encode_batch
from provenance_store.errors import BraidError, Conflict, InvalidInput, NotAllowed, NotFound
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.store import Store
from provenance_store.store_sink import Refused
from provenance_store.validation.batches import gated
from provenance_store.validation.policy import Gate

__all__ = ["Intake", "ServerIntake", "StoreIntake", "Taken", "let_in"]

BATCH_BYTES = 1 << 32
MOST_NOTES = 20
"""So many notes of one batch are logged."""

logger = logging.getLogger("braid.hpc")
NOTHING = encode_batch(Batch())


class Taken(NamedTuple):
    """How many records of a batch are there now, and why parts of it are refused."""

    records: int
    refused: list[BraidError]


class Intake(ABC):
    """Takes batches, encoded, that were recorded elsewhere."""

    @abstractmethod
    def take(self, group: Sequence[bytes]) -> list[Taken]:
        """What became of each batch: of one that is refused in part, the rest is taken.

        Raises what is wrong with all of them, such as StoreUnavailable or ServiceUnavailable;
        some may be written then, and writing all of them again changes nothing.
        """


class StoreIntake(Intake):
    """Writes to a store, as many batches in one commit as may be."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, group: Sequence[bytes]) -> list[Taken]:
        read = [self._read(data) for data in group]
        batches = [batch for batch in read if isinstance(batch, Batch)]
        answers = iter(self._store.write_parts(batches))
        return [
            _taken(batch, next(answers)) if isinstance(batch, Batch) else Taken(0, [batch])
            for batch in read
        ]

    def _read(self, data: bytes) -> Batch | InvalidInput:
        try:
            batch = let_in(decode_batch(data, limit=BATCH_BYTES))
        except InvalidInput as error:
            return error
        self._own(batch)
        return batch

    def _own(self, batch: Batch) -> None:
        """Give what a remote recorder spooled to whom the server knows the recorder as."""
        holders = self._store.holders(row.uuid for row in batch.origin)
        known = ((row.no, holders.get(row.uuid)) for row in batch.origin)
        owners = {no: holder.who for no, holder in known if holder and is_identity(holder.who)}
        if owners:
            own(batch, owners)


class ServerIntake(Intake):
    """Posts to a server.

    `post` sends one batch and returns how many records it has, or raises as a store would:
    NotAllowed and NotFound also where the server takes no batch at all, which one without a
    record tells.
    """

    def __init__(self, post: Callable[[bytes], int]) -> None:
        self._post = post

    def take(self, group: Sequence[bytes]) -> list[Taken]:
        return [self._taken(data) for data in group]

    def _taken(self, data: bytes) -> Taken:
        """Post a batch; one that is refused in halves, so often that few bad parts are found."""
        taken = Taken(0, [])
        waiting, times = [data], DIVISIONS
        while waiting:
            answer = self._posted(waiting[0])
            some = waiting.pop(0)
            if isinstance(answer, int):
                taken = taken._replace(records=taken.records + answer)
                continue
            divided = halves(some) if times and not isinstance(answer, NotFound) else []
            times -= bool(divided)
            waiting[:0] = divided
            if not divided:
                taken.refused.append(answer)
        return taken

    def _posted(self, data: bytes) -> int | BraidError:
        try:
            return self._post(data)
        except (NotAllowed, NotFound) as error:
            self._post(NOTHING)
            return error
        except (InvalidInput, Conflict) as error:
            return error


def let_in(batch: Batch) -> Batch:
    """A batch as the gate lets it in; what was changed or left out is logged.

    Raises InvalidInput when nothing of it can be taken.
    """
    gate = Gate()
    batch = gated(gate, batch, limit=MAX_PAYLOAD_BYTES.get(), leave_out=True)
    for note in gate.notes[:MOST_NOTES]:
        logger.warning("Not taken as it was: %s", note)
    return batch


def _taken(batch: Batch, refused: list[Refused]) -> Taken:
    records = len(batch.record)
    if refused:
        parts = batch.parted()
        records -= sum(len(parts[each.part].record) for each in refused)
    return Taken(records, [each.error for each in refused])
