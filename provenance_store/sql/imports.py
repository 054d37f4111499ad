"""What each import brought into this store: kept in `store_info`, listed, and taken back.

An entry is of this store alone: it is in no batch, slice or merge.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import sqlalchemy as sa

from provenance_store.enums import Mark, TagType
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.sql.dialects import changed, lock_links
from provenance_store.sql.query_parts import chunks, is_newer
from provenance_store.sql.tables import TABLE
from provenance_store.sql.validity import follow_all

__all__ = [
    "ImportEntry",
    "Needs",
    "add",
    "dependents",
    "entries",
    "import_in",
    "of_records",
    "ranges",
    "remove",
    "software_of",
]

PREFIX: Final = "import:"
_SOFTWARE: Final = "import of "
_VERDICTS: Final = (Mark.INVALIDATED.value, Mark.RESTORED.value)
_info = TABLE["store_info"]
_OF_RECORD: Final = {
    **dict.fromkeys(("uri", "file_check", "tag", "metric", "payload"), ("record_id",)),
    **dict.fromkeys(("parameter", "mark"), ("record_id",)),
    **dict.fromkeys(("step", "outcome", "version", "stub"), ("id",)),
    "taint": ("record_id", "root_id"),
    "same_as": ("record_id", "other_id"),
    "link": ("from_id",),
    "late_link": ("from_id",),
    "alias": ("line_id", "version_id"),
    "record": ("id",),
}
"""The tables with rows of a record, and the columns by which these are its rows."""


class ImportEntry(msgspec.Struct, omit_defaults=True):
    """What an import brought, by this store's ids; ranges are first and last.

    `marks` are (record, mark) of those on records that were known before. `origins` are the numbers
    of who may have said something of its records: the import itself, and who made the records.
    """

    uuid: str
    at: int
    by: str
    file: str
    format: str
    records: list[tuple[int, int]] = []
    stubs: list[tuple[int, int]] = []
    marks: list[tuple[int, int]] = []
    runs: list[str] = []
    origins: list[int] = []

    def count(self) -> int:
        """How many records it brought."""
        return sum(last - first + 1 for first, last in self.records)

    def ids(self) -> list[int]:
        """The ids of its records."""
        return _expanded(self.records)


def ranges(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Ids as first and last of each run of them."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(ids)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _expanded(found: Sequence[tuple[int, int]]) -> list[int]:
    return [i for first, last in found for i in range(first, last + 1)]


def entries(connection: sa.Connection, beginning: str = "") -> list[ImportEntry]:
    """The imports whose UUID begins so, the oldest first."""
    name = _info.c.name
    query = sa.select(_info.c.value).where(name.startswith(PREFIX + beginning, autoescape=True))
    values = connection.execute(query).scalars()
    found = [msgspec.json.decode(value, type=ImportEntry) for value in values]
    return sorted(found, key=lambda entry: (entry.at, entry.uuid))


def of_records(connection: sa.Connection, ids: Collection[int]) -> dict[int, ImportEntry]:
    """Which import brought each of these records; those are left out that none here brought."""
    found: dict[int, ImportEntry] = {}
    if not (known := entries(connection)):
        return found
    wanted = sorted(ids)
    for entry in known:
        for first, last in entry.records:
            some = wanted[bisect_left(wanted, first) : bisect_right(wanted, last)]
            found.update(dict.fromkeys(some, entry))
    return found


def software_of(format_: str, software: str, import_uuid: str = "") -> str:
    """What the session of an import is said to write with, or, with the UUID of the import, a
    session that the import alone tells of. It goes with records to other stores; entries do not."""
    return f"{_SOFTWARE}{' '.join(filter(None, (format_, import_uuid)))}; {software}"


def import_in(software: str | None) -> tuple[str, str] | None:
    """(format, UUID or nothing) of an import, by what its session is said to write with."""
    if not software or not software.startswith(_SOFTWARE):
        return None
    format_, _, import_uuid = software.removeprefix(_SOFTWARE).partition(";")[0].partition(" ")
    return format_, import_uuid


def add(connection: sa.Connection, new: ImportEntry) -> None:
    """Write down what an import brought, together with what it brought before."""
    for before in entries(connection, new.uuid):
        new = msgspec.structs.replace(
            new,
            records=ranges([*before.ids(), *new.ids()]),
            stubs=ranges([*_expanded(before.stubs), *_expanded(new.stubs)]),
            marks=sorted({*before.marks, *new.marks}),
            runs=sorted({*before.runs, *new.runs}),
            origins=sorted({*before.origins, *new.origins}),
        )
    name = PREFIX + new.uuid
    connection.execute(_info.delete().where(_info.c.name == name))
    value = msgspec.json.encode(new).decode()
    connection.execute(_info.insert().values(name=name, value=value))


class Needs(NamedTuple):
    """Why an import cannot be taken back: something that is not of it and needs one of its records,
    or was said of it.

    `undone_by` are the words of a command that takes back what was said of `record_id`, None where
    there is none. `is_said`: it is lost with the record, and nothing else is.
    """

    record_id: int
    why: str
    undone_by: tuple[str, ...] | None = None
    is_said: bool = False


def dependents(connection: sa.Connection, entry: ImportEntry) -> Iterator[Needs]:
    """All that is not of an import and needs something that is, or speaks of it and counts today.

    Nobody else writes links until the transaction ends.
    """
    lock_links(connection)
    own = set(entry.ids())
    link, version, mark, record = (TABLE[n] for n in ("link", "version", "mark", "record"))
    event = TABLE["run_event"]
    for chunk in chunks(sorted(own)):
        query = sa.select(link.c.from_id).where(link.c.to_id.in_(chunk)).distinct()
        for found in connection.execute(query).scalars():
            if found not in own:
                yield Needs(found, "depends on it")
        of_line = sa.or_(version.c.line_id.in_(chunk), version.c.parent_id.in_(chunk))
        for found in connection.execute(sa.select(version.c.id).where(of_line)).scalars():
            if found not in own:
                yield Needs(found, "is a version of a model in it")
        causes = sa.select(mark.c.record_id).where(mark.c.cause_id.in_(chunk))
        for found in connection.execute(causes).scalars():
            if found not in own:
                yield Needs(found, "has a mark because of it")
        yield from _said(connection, chunk, entry.origins)
    for run_ids in chunks(entry.runs):
        of_run = sa.select(record.c.id).where(record.c.run_id.in_(run_ids))
        for found in connection.execute(of_run).scalars():
            if found not in own:
                yield Needs(found, "belongs to a run of it")
        said_of_run = sa.select(event.c.id).where(event.c.run_id.in_(run_ids))
        for said in connection.execute(said_of_run).scalars():
            if said >> SEQUENCE_BITS not in entry.origins:
                yield Needs(said, "says more of a run of it", is_said=True)


def _said(connection: sa.Connection, ids: Sequence[int], origins: Sequence[int]) -> Iterator[Needs]:
    """What others than these origins said of records and was not taken back.

    Not what files were found to be, and what was dropped by age: that is so of the record alone.
    """
    tag, alias, mark, late = (TABLE[n] for n in ("tag", "alias", "mark", "late_link"))

    def others(table: sa.Table) -> sa.ColumnElement[bool]:
        number = table.c.id.op(">>")(sa.literal_column(str(SEQUENCE_BITS)))
        return number.not_in(origins)

    def last(table: sa.Table, at: str, *key: str) -> sa.ColumnElement[bool]:
        later = table.alias()
        same = (later.c[name] == table.c[name] for name in key)
        verdict = (later.c.mark.in_(_VERDICTS),) if table is mark else ()
        return ~sa.exists().where(*same, *verdict, is_newer(later, table, at))

    tags = sa.select(tag.c.record_id, tag.c.name).where(
        tag.c.record_id.in_(ids),
        tag.c.type != TagType.REMOVED.value,
        others(tag),
        last(tag, "set_at", "record_id", "name"),
    )
    for record_id, name in connection.execute(tags):
        yield Needs(record_id, f"was given the tag {name} here", ("untag", name), is_said=True)
    aliases = sa.select(alias.c.version_id, alias.c.name).where(
        sa.or_(alias.c.line_id.in_(ids), alias.c.version_id.in_(ids)),
        alias.c.version_id.is_not(None),
        others(alias),
        last(alias, "at", "line_id", "name"),
    )
    for record_id, name in connection.execute(aliases):
        why = f"was given the alias {name} here"
        yield Needs(record_id, why, ("alias", "--remove", name), is_said=True)
    invalid = mark.c.mark == Mark.INVALIDATED.value
    marks = sa.select(mark.c.record_id, mark.c.mark).where(
        mark.c.record_id.in_(ids),
        others(mark),
        sa.or_(mark.c.mark == Mark.PROMOTED.value, sa.and_(invalid, last(mark, "at", "record_id"))),
    )
    for record_id, said in connection.execute(marks):
        if said == Mark.INVALIDATED:
            why, how = "was marked invalid here", ("invalidate", "--undo")
            yield Needs(record_id, why, how, is_said=True)
        else:
            yield Needs(record_id, "was promoted here", is_said=True)
    links = sa.select(late.c.from_id).where(late.c.from_id.in_(ids), others(late)).distinct()
    for record_id in connection.execute(links).scalars():
        yield Needs(record_id, "was given a link here later", is_said=True)


def remove(connection: sa.Connection, entry: ImportEntry) -> dict[str, int]:
    """Delete all rows of an import, and its entry; how many rows by table."""
    counted: dict[str, int] = {}
    mark, taint, stub, link = (TABLE[n] for n in ("mark", "taint", "stub", "link"))
    roots = {record_id for record_id, _ in entry.marks}
    for chunk in chunks(entry.ids()):
        query = sa.select(taint.c.root_id).where(taint.c.record_id.in_(chunk)).distinct()
        roots.update(connection.execute(query).scalars())

    def delete(name: str, where: sa.ColumnElement[bool]) -> None:
        count = changed(connection, TABLE[name].delete().where(where))
        counted[name] = counted.get(name, 0) + count

    for chunk in chunks(entry.ids()):
        for name, columns in _OF_RECORD.items():
            table = TABLE[name]
            delete(name, sa.or_(*(table.c[column].in_(chunk) for column in columns)))
    for chunk in chunks(_expanded(entry.stubs)):
        linked = sa.exists().where(link.c.to_id == stub.c.id)
        delete("stub", sa.and_(stub.c.id.in_(chunk), ~linked))
    for record_id, mark_id in entry.marks:
        delete("mark", sa.and_(mark.c.record_id == record_id, mark.c.id == mark_id))
    for run_ids in chunks(entry.runs):
        for name in ("run_event", "run_tag", "run"):
            delete(name, TABLE[name].c.run_id.in_(run_ids))
    connection.execute(_info.delete().where(_info.c.name == PREFIX + entry.uuid))
    for chunk in chunks(sorted(roots)):
        connection.execute(taint.delete().where(taint.c.root_id.in_(chunk)))
    follow_all(connection)
    return {name: count for name, count in counted.items() if count}
