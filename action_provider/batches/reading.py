"""From the bytes of a request to a batch: the right tables, rows of the right shape."""

from __future__ import annotations

import msgspec

from action_provider.guard import invalid
from provenance_store.batch import TABLES, Batch
from provenance_store.errors import InvalidInput, TooLarge

__all__ = ["TAKEN", "read_batch"]

TAKEN = (
    *("origin", "environment", "audience", "audience_member", "record", "step", "outcome"),
    *("version", "uri", "file_check", "tag", "metric", "payload", "mark", "link"),
    *("run_event", "run_tag"),
)
"""The tables that recorders write; the others are the store's and the server's own."""

_tables = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])
_batch = msgspec.msgpack.Decoder(Batch)


def read_batch(data: bytes) -> Batch:
    """The batch that `encode_batch` made; its rows are of the right types, and no more is known.

    Raises InvalidInput for anything else, with the path where there is one, and TooLarge for
    what is nested without end. Plain values are all that is ever made of the bytes.
    """
    try:
        names = _tables.decode(data)
        batch = _batch.decode(data)
    except msgspec.ValidationError as error:
        refused = invalid(error, Batch)
        raise refused if refused.path else InvalidInput("This is not a batch.") from None
    except UnicodeDecodeError:
        raise InvalidInput("The batch holds text that is not UTF-8.") from None
    except msgspec.DecodeError as error:
        raise InvalidInput(f"This is not a batch in MessagePack: {error}.") from None
    except RecursionError:
        raise TooLarge("The batch is nested too deeply.") from None
    if unknown := names.keys() - {*TABLES, "parts"}:
        raise InvalidInput(
            f"This server knows no table {min(unknown)[:80]!r}; it is older than the recorder."
        )
    for name in TABLES:
        if name not in TAKEN and getattr(batch, name):
            raise InvalidInput("A recorder does not write rows of this table.", path=name)
    return batch
