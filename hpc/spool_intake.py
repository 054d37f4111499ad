"""Where the batches of spool files go: into a store, or to a server."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from provenance_store.author import is_identity, own
from provenance_store.batch import Batch, decode_batch, encode_batch
from provenance_store.errors import BraidError, Conflict, InvalidInput, NotAllowed, NotFound
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.store import Store
from provenance_store.validation.batches import gated
from provenance_store.validation.policy import Gate

__all__ = ["Intake", "ServerIntake", "StoreIntake"]

BATCH_BYTES = 1 << 32
MOST_NOTES = 20
"""So many notes of one batch are logged."""

logger = logging.getLogger("braid.hpc")
NOTHING = encode_batch(Batch())


class Intake(ABC):
    """Takes batches, encoded, that were recorded elsewhere."""

    @abstractmethod
    def take(self, group: Sequence[bytes]) -> list[int | BraidError]:
        """Of each batch, how many records of it are there now; or why it is refused.

        Raises what is wrong with all of them, such as StoreUnavailable or ServiceUnavailable;
        some may be written then, and writing all of them again changes nothing.
        """


class StoreIntake(Intake):
    """Writes to a store, as many batches in one commit as may be."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, group: Sequence[bytes]) -> list[int | BraidError]:
        read = [self._read(data) for data in group]
        batches = [batch for batch in read if isinstance(batch, Batch)]
        refused = iter(self._store.write_all(batches))
        return [
            (next(refused) or len(batch.record)) if isinstance(batch, Batch) else batch
            for batch in read
        ]

    def _read(self, data: bytes) -> Batch | InvalidInput:
        try:
            batch = decode_batch(data, limit=BATCH_BYTES)
        except InvalidInput as error:
            return error
        gate = Gate()
        batch = gated(gate, batch, limit=MAX_PAYLOAD_BYTES.get(), leave_out=True)
        for note in gate.notes[:MOST_NOTES]:
            logger.warning("Not taken as it was: %s", note)
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

    def take(self, group: Sequence[bytes]) -> list[int | BraidError]:
        return [self._taken(data) for data in group]

    def _taken(self, data: bytes) -> int | BraidError:
        try:
            return self._post(data)
        except (NotAllowed, NotFound) as error:
            self._post(NOTHING)
            return error
        except (InvalidInput, Conflict) as error:
            return error
