"""Taking a batch that a recorder elsewhere has made: checks first, then bounded transactions."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from action_provider.api.batch_authorization import Claim, check_owners
from action_provider.auth import Caller
from action_provider.batch_pieces import pieces
from action_provider.metrics import Metrics
from action_provider.providers.record.actions import ManagedRuns
from action_provider.request_body import invalid
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from provenance_store.batch import TABLES, Batch, decode_batch
from provenance_store.errors import InvalidInput
from provenance_store.recording.environment import Author, own
from provenance_store.rows import RunEventRow
from provenance_store.service import StoreService
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.transfer.settle_names import has_names, settled
from provenance_store.validation.batches import TAKEN, check_kinds, check_whole, gated, spoken_runs
from provenance_store.validation.limits import Gate, Policy

__all__ = ["BatchService", "WrittenBatch", "read_batch"]


def read_batch(data: bytes) -> Batch:
    """The batch that `encode_batch` made; its rows are of the right types, and no more is known.

    Raises InvalidInput for anything else, with the path where there is one, and TooLarge for
    what is nested without end. Plain values are all that is ever made of the bytes.
    """
    try:
        batch = decode_batch(data, limit=len(data))
    except InvalidInput as error:
        if not isinstance(error.__cause__, msgspec.ValidationError):
            raise
        refused = invalid(error.__cause__, Batch)
        raise refused if refused.path else InvalidInput("This is not a batch.") from None
    for name in TABLES:
        if name not in TAKEN and getattr(batch, name):
            raise InvalidInput("Clients cannot write rows of this table.", path=name)
    return batch


class WrittenBatch(NamedTuple):
    """What was written: how many records, and what of them was not taken as it was."""

    records: int
    notes: list[str]


RECORD_ROWS = 5
"""How many times as many rows as a step one record may have: a dataset of many members is one, and
links are written more quickly than the rest."""


class BatchService:
    """What callers may do with batches: have them written."""

    def __init__(self, stores: StoreHolder, options: Options, metrics: Metrics) -> None:
        self._stores = stores
        self._metrics = metrics
        self._limit = MAX_PAYLOAD_BYTES.get()
        self._runs = ManagedRuns()
        self._most_rows = RECORD_ROWS * options.step_rows

    def take(self, caller: Caller, data: bytes, *, strict: bool = False) -> WrittenBatch:
        """Write a batch on behalf of a caller. Again changes nothing.

        What says nothing about its audience is the caller's own. A value that cannot be kept as
        it is is kept as what can be said of it, or with `strict` refused. What the batch names,
        since its recorder could not ask, is looked up as the caller sees it, part by part.
        Raises InvalidInput for what is no batch of a recorder, NotAllowed for one that writes what
        is not the caller's to write, Conflict when the store has one of its rows otherwise; nothing
        is written then, but for whole parts of a batch with such names, or of one so large that it
        is written in pieces.
        """
        gate = Gate(Policy.REFUSE if strict else Policy.DEGRADE)
        batch = gated(gate, read_batch(data), limit=self._limit)
        check_whole(batch)
        if not has_names(batch):
            self._write(caller, batch)
            return WrittenBatch(len(batch.record), gate.notes)
        # What a name stands for may be in the part before.
        sink, records = self._stores.get().sink, 0
        for part in batch.parted():
            if has_names(part):
                part = settled(sink, part, viewer=caller.viewer())
                check_whole(part)
            self._write(caller, part)
            records += len(part.record)
        return WrittenBatch(records, gate.notes)

    def _write(self, caller: Caller, batch: Batch) -> None:
        check_owners(caller, batch)
        service = self._stores.get()
        claim = Claim(service, caller, batch)
        owners = claim.owners()
        check_kinds(batch, claim.require_managed())
        claim.require_room()
        claim.require_lines()
        claim.require_aliases()
        claim.require_links()
        own(batch, owners)
        alone_in = self._new_runs(service, caller, batch)
        batch.origin = claim.origins(owners)
        author = Author(caller.identities, alone_in)
        for piece in pieces(batch, most=self._most_rows):
            service.write(piece, author)
        self._metrics.recorded(len(batch.record), len(batch.step))

    def _new_runs(self, service: StoreService, caller: Caller, batch: Batch) -> frozenset[str]:
        """The runs that begin here. What the batch does not say of them is that they are its
        owner's: so that is said, or strangers could join them later.

        Raises NotAllowed for runs of others.
        """
        runs = sorted(spoken_runs(batch))
        new = {run_id for run_id in runs if self._runs.require(service, caller, run_id) is not None}
        for run_id in sorted(new - {row.run_id for row in batch.run_event}):
            first = next((row for row in batch.record if row.run_id == run_id), None)
            if first is None:
                raise InvalidInput(f"There is no run {run_id} to tag.", path="run_tag")
            nothing = (None,) * 7
            event = RunEventRow(run_id, first.id, first.created_at, *nothing, first.audience)
            batch.run_event.append(event)
            if batch.parts:
                batch.parts.append((1, Batch(run_event=[event]).shape()))
        return frozenset(new)
