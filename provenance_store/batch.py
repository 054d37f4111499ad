"""A batch: everything that enters the store, grouped by table, ids already made by the writer.

A batch that travels carries the origins that its ids mention, numbered as its writer numbered
them; the store maps those numbers to its own by UUID. Writing a batch is one transaction, and
writing it again changes nothing.

Batches have a version, which counts up when a reader of the one before would misread the next.
What every version before wrote is taken for ever: docs/reference/store-format.md says what each
one has.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from provenance_store.enums import Series, TagType
from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.rows import (
    ROWS,
    ActionRow,
    AliasRow,
    AudienceMemberRow,
    AudienceRow,
    EnvironmentRow,
    FileCheckRow,
    LateLinkRow,
    LinkRow,
    MarkRow,
    MetricRow,
    OriginRow,
    OutcomeRow,
    PayloadRow,
    RecordRow,
    RunEventRow,
    RunTagRow,
    SameAsRow,
    StepRow,
    StubRow,
    TagRow,
    UriRow,
    VersionRow,
)

__all__ = [
    "FORMAT",
    "ID_PLACES",
    "TABLES",
    "Batch",
    "decode_batch",
    "encode_batch",
    "mentioned_origins",
    "origins_of",
]


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
    late_link: list[LateLinkRow] = field(default_factory=list)
    same_as: list[SameAsRow] = field(default_factory=list)
    alias: list[AliasRow] = field(default_factory=list)
    run_event: list[RunEventRow] = field(default_factory=list)
    run_tag: list[RunTagRow] = field(default_factory=list)
    action: list[ActionRow] = field(default_factory=list)
    parts: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    """What was recorded together, in order: how many times so many rows of each table of DIVIDED.

    Empty where the batch is one thing. It lets a reader take the rest when it refuses a part.
    """

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

    def shape(self) -> tuple[int, ...]:
        """How many rows of each table of DIVIDED."""
        return tuple(map(len, _divided_rows(self)))

    def cut(self, shape: tuple[int, ...]) -> None:
        """Take out what came after the batch had this shape."""
        for rows, size in zip(_divided_rows(self), shape, strict=True):
            del rows[size:]

    def parted(self) -> list[Batch]:
        """What was recorded together, a batch each; this one alone where it says nothing else.

        Each has all the origins, and those environments and audiences that it mentions.
        """
        if not self._adds_up():
            return [self]
        places = [0] * len(DIVIDED)
        named = {name: _by_digest(getattr(self, name)) for name in NAMED[1:]}
        made = []
        for count, shape in self.parts:
            for _ in range(count):
                one = Batch(origin=self.origin)
                for i, size in enumerate(shape):
                    if size:
                        rows = getattr(self, DIVIDED[i])[places[i] : places[i] + size]
                        setattr(one, DIVIDED[i], rows)
                        places[i] += size
                one._take_named(named)
                made.append(one)
        return made

    @classmethod
    def joined(cls, parts: Sequence[Batch]) -> Batch:
        """One batch of several that number their origins the same way; it knows them as parts."""
        whole = cls.merged(parts)
        for name in NAMED:
            setattr(whole, name, list(dict.fromkeys(getattr(whole, name))))
        told = [each for part in parts for each in part.parts or [(1, part.shape())]]
        for count, shape in told:
            if whole.parts and whole.parts[-1][1] == shape:
                count += whole.parts.pop()[0]
            whole.parts.append((count, shape))
        return whole

    def _adds_up(self) -> bool:
        """Whether the parts are all of it."""
        totals = [0] * len(DIVIDED)
        for count, shape in self.parts:
            if count < 1 or len(shape) != len(DIVIDED) or min(shape) < 0 or not any(shape):
                return False
            totals = [total + count * size for total, size in zip(totals, shape, strict=True)]
        return bool(self.parts) and tuple(totals) == self.shape()

    def _take_named(self, named: dict[str, dict[str, list[Any]]]) -> None:
        places = {row[_ENVIRONMENT] for row in self.record}
        audiences = {row[place] for name, place in _AUDIENCES for row in getattr(self, name)}
        for name, digests in zip(NAMED[1:], (places, audiences, audiences), strict=True):
            found = [
                row
                for digest in sorted(filter(None, digests))
                for row in named[name].get(digest, ())
            ]
            setattr(self, name, found)


def _by_digest(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def _fields(name: str) -> tuple[str, ...]:
    return ROWS[name]._fields  # type: ignore[attr-defined,no-any-return]


TABLES: tuple[str, ...] = tuple(f.name for f in fields(Batch) if f.name != "parts")
"""The names of the tables in the order of writing."""
NAMED = ("origin", "environment", "audience", "audience_member")
"""Tables whose rows are shared: many parts of a batch mention the same."""
DIVIDED = tuple(name for name in TABLES if name not in NAMED)
"""Tables each row of which belongs to one part of a batch."""
_ENVIRONMENT = RecordRow._fields.index("environment")
_AUDIENCES = tuple(
    (name, row._fields.index("audience"))
    for name, row in (("record", RecordRow), ("run_event", RunEventRow), ("action", ActionRow))
)
_all_rows = attrgetter(*TABLES)
_divided_rows = attrgetter(*DIVIDED)

_IDS = frozenset(
    {
        *("id", "record_id", "other_id", "line_id", "parent_id", "version_id"),
        *("to_id", "from_id", "cause_id", "step_id"),
    }
)
ID_PLACES: dict[str, tuple[int, ...]] = {
    name: tuple(place for place, field in enumerate(_fields(name)) if field in _IDS)
    for name in TABLES
}
"""Where the rows of each table hold ids."""


def mentioned_origins(batch: Batch) -> set[int]:
    """The numbers of all origins that ids in the batch belong to."""
    numbers: set[int] = set()
    for name, places in ID_PLACES.items():
        if rows := getattr(batch, name):
            for place in places:
                numbers |= origins_of(set(map(itemgetter(place), rows)) - {None})
    return numbers


def origins_of(ids: set[int]) -> set[int]:
    """The numbers of the origins that ids belong to.

    The ids of one origin stand together, and most columns hold those of one: then the lowest and
    the highest tell.
    """
    ends = {i >> SEQUENCE_BITS for i in (min(ids), max(ids))} if ids else set()
    return ends if len(ends) < 2 else {i >> SEQUENCE_BITS for i in ids}


FORMAT = 3
"""The newest version of the format, under this key of a batch that travels; none means 1."""
_OF_FORMAT_3 = ("late_link", "same_as", "alias")
"""Tables that no version before has: a batch without rows of them is of version 2."""

_encode = msgspec.msgpack.Encoder().encode
_names = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])
_batch = msgspec.msgpack.Decoder(Batch)


def encode_batch(batch: Batch) -> bytes:
    """The batch as MessagePack, for the wire and for spool files: the tables that have rows."""
    told: dict[str, object] = {name: rows for name in TABLES if (rows := getattr(batch, name))}
    if len(batch.parts) > 1 or (batch.parts and batch.parts[0][0] > 1):
        told["parts"] = batch.parts
    return _encode({"format": FORMAT if _is_new(batch, told) else 2, **told})


def _is_new(batch: Batch, told: Container[str]) -> bool:
    """Whether a reader of version 2 would not know what the batch says."""
    return (
        any(name in told for name in _OF_FORMAT_3)
        or any(row[3] == TagType.REMOVED for row in batch.tag)
        or any(row[1] == Series.STEP for row in batch.metric)
    )


def decode_batch(data: bytes, *, limit: int = 64 << 20) -> Batch:
    """Read what `encode_batch` made, in this version or one before.

    Raises TooLarge over `limit` bytes or for nesting without end, and InvalidInput for anything
    that is not a batch, saying where it is not, or that a newer Braid has written: what is not
    known here would be lost. Nothing is executed: the format carries only plain values.
    """
    if len(data) > limit:
        raise TooLarge(f"The batch has {len(data)} bytes; the limit is {limit}.")
    try:
        _check_names(_names.decode(data))
        return _batch.decode(data)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"This is not a batch: {error}.") from error
    except UnicodeDecodeError:
        raise InvalidInput("This is not a batch: it holds text that is not UTF-8.") from None
    except msgspec.DecodeError as error:
        raise InvalidInput(f"This is not a batch in MessagePack: {error}.") from None
    except RecursionError:
        raise TooLarge("The batch is nested too deeply.") from None


def _check_names(names: dict[str, msgspec.Raw]) -> None:
    version = msgspec.msgpack.decode(names.pop("format", b"\x01"))
    if version not in range(1, FORMAT + 1):
        raise InvalidInput(
            f"The batch has format {version!r:.20}, and this Braid knows up to {FORMAT}: it is "
            "older than the recorder; install the newest Braid here."
        )
    if unknown := names.keys() - {*TABLES, "parts"}:
        raise InvalidInput(
            f"This Braid knows no table {min(unknown)[:80]!r}; it is older than the recorder; "
            "install the newest Braid here."
        )
