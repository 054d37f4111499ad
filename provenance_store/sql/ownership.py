"""Whom origins and records belong to: asked before somebody may write about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import sqlalchemy as sa

from provenance_store.enums import Kind
from provenance_store.ids import MAX_SEQUENCE, SEQUENCE_BITS
from provenance_store.sql.query_parts import chunks
from provenance_store.sql.tables import TABLE

__all__ = [
    "OriginOwner",
    "RecordOwner",
    "belongings",
    "foreign_origin",
    "histories",
    "holders",
    "linked",
]

_origin, _record, _link = TABLE["origin"], TABLE["record"], TABLE["link"]
_tag, _mark = TABLE["tag"], TABLE["mark"]


class OriginOwner(NamedTuple):
    """An origin here: its number, who writes with it (empty while no server has seen a token of
    anybody for it), and whether it has made a record."""

    no: int
    who: str
    used: bool


class RecordOwner(NamedTuple):
    """A record's kind, and the digest of its audience."""

    kind: Kind
    audience: str | None


def holders(connection: sa.Connection, uuids: Iterable[str]) -> dict[str, OriginOwner]:
    """Those of these origins that the store knows, by UUID."""
    first = sa.cast(_origin.c.no, sa.BigInteger) * sa.literal(1 << SEQUENCE_BITS, sa.BigInteger)
    used = sa.exists().where(_record.c.id.between(first, first + MAX_SEQUENCE))
    found = {}
    for chunk in chunks(sorted(uuids)):
        query = sa.select(
            _origin.c.uuid, _origin.c.no, _origin.c.who, used, _origin.c.vouched.is_not(None)
        )
        for row in connection.execute(query.where(_origin.c.uuid.in_(chunk))):
            found[row[0]] = OriginOwner(row[1], row[2] if row[4] else "", bool(row[3]))
    return found


def belongings(connection: sa.Connection, ids: Collection[int]) -> dict[int, RecordOwner]:
    """What those of these records are that the store has."""
    query = sa.select(_record.c.id, _record.c.kind, _record.c.audience)
    return {
        row[0]: RecordOwner(Kind(row[1]), row[2])
        for chunk in chunks(sorted(ids))
        for row in connection.execute(query.where(_record.c.id.in_(chunk)))
    }


def histories(connection: sa.Connection, ids: Collection[int]) -> dict[int, int]:
    """How often something was said of these records: the most that one tag was set, or all marks
    together if these are more. Records of which nothing was said are left out."""
    most: dict[int, int] = {}
    times = sa.func.count().label("times")
    for table, by in ((_tag, (_tag.c.record_id, _tag.c.name)), (_mark, (_mark.c.record_id,))):
        for chunk in chunks(sorted(ids)):
            query = sa.select(table.c.record_id, times).where(table.c.record_id.in_(chunk))
            for record_id, count in connection.execute(query.group_by(*by)):
                most[record_id] = max(most.get(record_id, 0), count)
    return most


def linked(connection: sa.Connection, links: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of these links, as (from_id, to_id), that the store has, whatever their role."""
    ends = _link.c.from_id, _link.c.to_id
    return {
        (row[0], row[1])
        for chunk in chunks(sorted(links))
        for row in connection.execute(sa.select(*ends).where(sa.tuple_(*ends).in_(chunk)))
    }


def foreign_origin(
    connection: sa.Connection, numbers: Collection[int], identities: Collection[str]
) -> str | None:
    """The UUID of one of these origins that is written with by somebody else; None if none is."""
    foreign = sa.or_(_origin.c.vouched.is_(None), _origin.c.who.not_in(sorted(identities)))
    query = sa.select(_origin.c.uuid).where(foreign)
    for chunk in chunks(sorted(numbers)):
        found = connection.execute(query.where(_origin.c.no.in_(chunk)).limit(1)).scalar()
        if found is not None:
            return str(found)
    return None
