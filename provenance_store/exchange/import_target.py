"""How an import enters the store: one batch with ids that follow from what is imported.

The same input makes the same batch, so importing twice changes nothing. What the store has already
stays as it is; it only learns of marks, such as invalidations.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from provenance_store.batch import ID_PLACES, TABLES, Batch, mentioned_origins
from provenance_store.enums import Kind
from provenance_store.errors import Conflict, InvalidInput
from provenance_store.ids import MAX_SEQUENCE, SEQUENCE_BITS, Urn, make_id, now, parse_id
from provenance_store.redaction import scrub_text
from provenance_store.rows import ROWS, LinkRow, OriginRow
from provenance_store.sink import new_origin
from provenance_store.sql import select, surrounding_records
from provenance_store.sql.imports import ImportEntry, add, entries, ranges, software_of
from provenance_store.sql.query_parts import chunks
from provenance_store.times import format_time
from provenance_store.validation.batches import check_sound, leave_out_cycles
from provenance_store.validation.limits import AHEAD, MAX_ORIGIN_FIELD, ORDERED_TIMES, Gate
from provenance_store.validation.rows import name_of

if TYPE_CHECKING:
    from provenance_store.store import Store

__all__ = ["Imported", "Numbers", "known_kinds", "take_in"]

_NAMESPACE = uuid.UUID("8f3b1f0e-6a53-5b0e-9a0f-6f1d0c7f2b61")
_OF_RECORDS = {
    "record": "id",
    "step": "id",
    "outcome": "id",
    "version": "id",
    "stub": "id",
    "uri": "record_id",
    "file_check": "record_id",
    "tag": "record_id",
    "metric": "record_id",
    "payload": "record_id",
    "link": "from_id",
}
"""Tables whose rows belong to the record of this column, and are left out where it is known."""
_ADDITIONS = ("link", "uri", "tag")
OWN = 1
"""The number, in a batch, of the origin that is made for an import."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: new records by kind, new links and marks, records known before.

    `notes` say what was left out or guessed, a sentence each. `origin` is the id of the import, the
    same whenever it is imported: the UUID of its new records; empty where nothing here came by it.
    """

    records: dict[str, int] = field(default_factory=dict)
    links: int = 0
    known: int = 0
    notes: tuple[str, ...] = ()
    origin: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "records": dict(self.records),
            "links": self.links,
            "known": self.known,
            "notes": list(self.notes),
            "origin": self.origin or None,
        }


class Numbers:
    """Numbers the origins of a batch that travels.

    `content` is what names the imported thing: the same content, the same origin for its records.
    """

    def __init__(self, content: str, software: str) -> None:
        self.software = software
        own = new_origin(OWN)
        uuid_ = str(uuid.uuid5(_NAMESPACE, content))
        self._writer = own.software
        self.own = own._replace(uuid=uuid_, software=software_of(software, own.software))
        self._numbers = {uuid_: OWN}
        self._last = 0

    def named(self, sequence: int) -> int:
        """The id of the sequence-th thing of this import."""
        self._last = max(self._last, sequence)
        return make_id(OWN, sequence)

    def next(self) -> int:
        """A further id of this import."""
        return self.named(self._last + 1)

    def of(self, urn: str) -> int:
        """The id, as the batch numbers origins, of a URN."""
        parsed = parse_id(urn)
        assert isinstance(parsed, Urn)
        number = self._numbers.setdefault(parsed.origin, len(self._numbers) + 1)
        return make_id(number, parsed.sequence)

    def origins(self, batch: Batch) -> list[OriginRow]:
        """The rows of the origins that a batch mentions."""
        mentioned = mentioned_origins(batch)
        rows = [self.own if OWN in mentioned else None]
        # Nobody is named: who knows the session fills it in.
        own = self.own
        about = ("", "", 0, software_of(self.software, self._writer, own.uuid), own.started_at)
        rows += [
            OriginRow(number, uuid_, *about) if number in mentioned else None
            for uuid_, number in list(self._numbers.items())[1:]
        ]
        return [row for row in rows if row is not None]


def take_in(
    store: Store,
    batch: Batch,
    numbers: Numbers,
    notes: Iterable[str] = (),
    *,
    file: Path,
    dry_run: bool = False,
    additions: bool = False,
) -> Imported:
    """Write what is new of a batch, in one transaction; nothing when all is known.

    What `file` brought is written down with it, so that it can be taken back.

    With `dry_run` nothing is written at all. With `additions` known records are live and get the
    links, URIs and tags that they do not have yet.

    Raises Conflict when the store has one of its records as something else, InvalidInput for
    times in the future.
    """
    gate = Gate()
    _check_times(batch)
    batch.record = [row._replace(name=name_of(gate, row.name)) for row in batch.record]
    batch.stub = [row._replace(name=row.name and name_of(gate, row.name)) for row in batch.stub]
    leave_out_cycles(gate, batch)
    batch.origin = numbers.origins(batch)
    shifts = _shifts(store, batch.origin)
    known = _known(store, batch, shifts)
    runs = _known_runs(store, batch)
    described = len(batch.record)
    _leave_out(batch, known, runs, additions=additions)
    marks = _marks_there(store, batch, shifts)
    batch.mark = [row for row in batch.mark if row not in marks]
    if additions:
        there = _links_there(store, known, shifts)
        _refuse_turned(batch, there, numbers)
        batch.link = [row for row in batch.link if row not in there]
    batch.origin = numbers.origins(batch)
    counted = {kind.label: 0 for kind in Kind}
    for row in batch.record:
        counted[Kind(row.kind).label] += 1
    if not dry_run and any(getattr(batch, name) for name in TABLES[1:]):
        _write(store, batch, numbers, file)
    made = {kind: count for kind, count in counted.items() if count}
    told = (*notes, *gate.notes)
    known_before = described - len(batch.record)
    with store.sink.session.read() as connection:
        is_here = bool(entries(connection, numbers.own.uuid))
    origin = numbers.own.uuid if is_here else ""
    return Imported(made, len(batch.link), known_before, told, origin)


SAID: Final = ("run_event", "mark", "tag", "alias", "file_check", "late_link")
"""Tables of what somebody says of records and runs, who need not be who made them."""


def _write(store: Store, batch: Batch, numbers: Numbers, file: Path) -> None:
    """Write a batch and, in the same transaction, what the import brought."""
    check_sound(batch)
    own = store.sink.own_numbers(batch, sound=True)
    # Plain tuples where ids were renumbered.
    records = {row[0] for row in own.record}
    marks = sorted((row[1], row[0]) for row in own.mark if row[1] not in records)
    runs = sorted({row[0] for row in own.run_event})
    places = {name: ROWS[name]._fields.index("id") for name in SAID}  # type: ignore[attr-defined]
    ids = records.union(row[at] for name, at in places.items() for row in getattr(own, name))
    guard = None
    if records or own.stub or marks or runs:
        entry = ImportEntry(
            numbers.own.uuid,
            numbers.own.started_at,
            numbers.own.who,
            scrub_text(file.name)[:MAX_ORIGIN_FIELD],
            numbers.software,
            ranges([*records]),
            ranges([row[0] for row in own.stub]),
            marks,
            runs,
            sorted({store.sink.number_of(numbers.own), *(i >> SEQUENCE_BITS for i in ids)}),
        )

        def guard(connection: sa.Connection) -> None:
            add(connection, entry)

    store.sink.write_checked(own, guard)


def _check_times(batch: Batch) -> None:
    """Of these times the latest counts: one in the future would for ever."""
    last = now() + AHEAD
    for name, column in ORDERED_TIMES:
        for row in getattr(batch, name):
            if (at := getattr(row, column)) > last:
                raise InvalidInput(
                    f"The file holds the time {format_time(at)}, which is in the future; "
                    "correct it there."
                )


def known_kinds(store: Store, numbers: Numbers, sequences: Sequence[int]) -> dict[int, Kind]:
    """What kinds the store has taken these of an import's own records for."""
    shift = _shifts(store, [numbers.own]).get(numbers.own.no)
    if shift is None:
        return {}
    ids = [make_id(numbers.own.no, sequence) + shift for sequence in sequences]
    return {
        row.id & MAX_SEQUENCE: Kind(row.kind)
        for row in _rows(store, surrounding_records.known, ids)
    }


def _rows(
    store: Store, query: Callable[[Sequence[Any]], sa.Select[Any]], keys: Sequence[Any]
) -> Iterator[Any]:
    with store.sink.session.read() as connection:
        for chunk in chunks(keys):
            yield from connection.execute(query(chunk)).all()


def _shifts(store: Store, origins: Iterable[OriginRow]) -> dict[int, int]:
    """What is added to ids of a batch to get the store's, by origin, for origins known there."""
    found = {}
    for origin in origins:
        local = store.sink.locate(str(Urn(origin.uuid, 1)))
        if local is not None:
            found[origin.no] = local - make_id(origin.no, 1)
    return found


def _known(store: Store, batch: Batch, shifts: Mapping[int, int]) -> set[int]:
    """The records and stubs of the batch, as it numbers them, that are records of the store."""
    stubs = {
        row.id + shifts[row.id >> SEQUENCE_BITS]: row.id
        for row in batch.stub
        if row.id >> SEQUENCE_BITS in shifts
    }
    found = {stubs[row.id] for row in _rows(store, surrounding_records.known, sorted(stubs))}
    given = {
        row.id + shifts[row.id >> SEQUENCE_BITS]: row
        for row in batch.record
        if row.id >> SEQUENCE_BITS in shifts
    }
    for row in _rows(store, surrounding_records.known, sorted(given)):
        ours = given[row.id]
        for name in ("kind", "name", "created_at"):
            if getattr(ours, name) != getattr(row, name):
                raise Conflict(
                    record=store.sink.urn(row.id),
                    field=name,
                    stored=getattr(row, name),
                    given=getattr(ours, name),
                )
        found.add(ours.id)
    return found


def _links_there(store: Store, known: set[int], shifts: Mapping[int, int]) -> set[LinkRow]:
    """The links of known records, as the batch numbers them."""
    back = {(make_id(no, 0) + shift) >> SEQUENCE_BITS: shift for no, shift in shifts.items()}
    ids = sorted(record_id + shifts[record_id >> SEQUENCE_BITS] for record_id in known)
    there = set()
    for row in _rows(store, select.dependencies, ids):
        ends = (row.to_id, row.from_id)
        if all(end >> SEQUENCE_BITS in back for end in ends):
            to_id, from_id = (end - back[end >> SEQUENCE_BITS] for end in ends)
            there.add(LinkRow(to_id, from_id, row.role))
    return there


def _marks_there(store: Store, batch: Batch, shifts: Mapping[int, int]) -> set[tuple[Any, ...]]:
    """The marks of the batch, as it numbers them, that the store has just so."""
    ours: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for row in batch.mark:
        values: list[Any] = list(row)
        places = [place for place in ID_PLACES["mark"] if values[place] is not None]
        if all(values[place] >> SEQUENCE_BITS in shifts for place in places):
            for place in places:
                values[place] += shifts[values[place] >> SEQUENCE_BITS]
            ours[tuple(values)] = tuple(row)
    records = sorted({there[1] for there in ours})
    found = (tuple(row) for row in _rows(store, surrounding_records.marks, records))
    return {ours[row] for row in found if row in ours}


def _refuse_turned(batch: Batch, there: set[LinkRow], numbers: Numbers) -> None:
    """Raise Conflict when the links of known records mostly go the other way."""
    ends = {(row.to_id, row.from_id) for row in there}
    same = sum((row.to_id, row.from_id) in ends for row in batch.link)
    turned = sum((row.from_id, row.to_id) in ends for row in batch.link)
    if turned > same:
        raise Conflict(
            f"{turned} of the {len(ends)} derivations that are here from this file go the other "
            f"way. Take the import before back first: `braid import --undo {numbers.own.uuid[:8]}`."
        )


def _known_runs(store: Store, batch: Batch) -> set[str]:
    wanted = sorted({row.run_id for row in batch.run_event})
    return {row.run_id for row in _rows(store, surrounding_records.known_runs, wanted)}


def _leave_out(batch: Batch, known: set[int], runs: set[str], *, additions: bool) -> None:
    for name, column in _OF_RECORDS.items():
        if additions and name in _ADDITIONS:
            continue
        rows = [row for row in getattr(batch, name) if getattr(row, column) not in known]
        setattr(batch, name, rows)
    if not additions:
        # What the document alone says of a record does not count where the record is known.
        batch.mark = [
            row
            for row in batch.mark
            if row.record_id not in known or row.id >> SEQUENCE_BITS != OWN
        ]
    batch.run_event = [row for row in batch.run_event if row.run_id not in runs]
    batch.run_tag = [row for row in batch.run_tag if row.run_id not in runs]
    used = {row.environment for row in batch.record}
    batch.environment = [row for row in batch.environment if row.digest in used]
    audiences = {row.audience for row in batch.record}
    audiences |= {row.audience for row in batch.run_event}
    batch.audience = [row for row in batch.audience if row.digest in audiences]
    batch.audience_member = [row for row in batch.audience_member if row.digest in audiences]
