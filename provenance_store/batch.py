"""A batch: everything that enters the store, grouped by table, ids already made by the writer.

A batch that travels carries the origins that its ids mention, numbered as its writer numbered
them; the store maps those numbers to its own by UUID. Writing a batch is one transaction, and
writing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from operator import attrgetter

import msgspec

from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.rows import (
    ActionRow,
    AudienceMemberRow,
    AudienceRow,
    EnvironmentRow,
    FileCheckRow,
    LinkRow,
    MarkRow,
    MetricRow,
    OriginRow,
    OutcomeRow,
    PayloadRow,
    RecordRow,
    RunEventRow,
    RunTagRow,
    StepRow,
    StubRow,
    TagRow,
    UriRow,
    VersionRow,
)

__all__ = ["Batch", "decode_batch", "encode_batch"]


@dataclass(slots=True)
class Batch:
    """Rows by table, in the order in which they are written."""

    origin: list[OriginRow] = field(default_factory=list)
    environment: list[EnvironmentRow] = field(default_factory=list)
    audience: list[AudienceRow] = field(default_factory=list)
    audience_member: list[AudienceMemberRow] = field(default_factory=list)
    record: list[RecordRow] = field(default_factory=list)
    step: list[StepRow] = field(default_factory=list)
    outcome: list[OutcomeRow] = field(default_factory=list)
    version: list[VersionRow] = field(default_factory=list)
    stub: list[StubRow] = field(default_factory=list)
    uri: list[UriRow] = field(default_factory=list)
    file_check: list[FileCheckRow] = field(default_factory=list)
    tag: list[TagRow] = field(default_factory=list)
    metric: list[MetricRow] = field(default_factory=list)
    payload: list[PayloadRow] = field(default_factory=list)
    mark: list[MarkRow] = field(default_factory=list)
    link: list[LinkRow] = field(default_factory=list)
    run_event: list[RunEventRow] = field(default_factory=list)
    run_tag: list[RunTagRow] = field(default_factory=list)
    action: list[ActionRow] = field(default_factory=list)

    def add_links(self, to_ids: Iterable[int], from_id: int, role: int) -> None:
        """Add links of one record to what it depends on."""
        self.link.extend([LinkRow(to_id, from_id, role) for to_id in to_ids])

    def __len__(self) -> int:
        """How many rows, over all tables."""
        return sum(map(len, _all_rows(self)))

    def extend(self, other: Batch) -> None:
        """Add the rows of another batch that numbers its origins the same way."""
        for own, rows in zip(_all_rows(self), _all_rows(other), strict=True):
            if rows:
                own.extend(rows)

    @classmethod
    def merged(cls, batches: Iterable[Batch]) -> Batch:
        """One batch with the rows of several that number their origins the same way."""
        whole = cls()
        for batch in batches:
            whole.extend(batch)
        return whole


TABLES: tuple[str, ...] = tuple(f.name for f in fields(Batch))
"""The names of the tables in the order of writing."""
_all_rows = attrgetter(*TABLES)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)


def encode_batch(batch: Batch) -> bytes:
    """The batch as MessagePack, for the wire and for spool files."""
    return _encoder.encode(batch)


def decode_batch(data: bytes, *, limit: int = 64 << 20) -> Batch:
    """Read what `encode_batch` made.

    Raises TooLarge over `limit` bytes, and InvalidInput for anything that is not a batch,
    saying where it is not. Nothing is executed: the format carries only plain values.
    """
    if len(data) > limit:
        raise TooLarge(f"The batch has {len(data)} bytes; the limit is {limit}.")
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput(f"This is not a batch: {error}.") from None
