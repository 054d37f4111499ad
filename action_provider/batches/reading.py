"""From the bytes of a request to a batch: the right tables, rows of the right shape."""

from __future__ import annotations

import msgspec

from action_provider.guard import invalid
from provenance_store.batch import TABLES, Batch, decode_batch
from provenance_store.errors import InvalidInput
from provenance_store.validation.batches import TAKEN

__all__ = ["read_batch"]


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
